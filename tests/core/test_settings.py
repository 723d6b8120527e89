"""Stack files: what is right becomes types, what is wrong becomes one message."""

import json
from typing import Any

import pytest
import yaml

from components.aws.archive import ROOT
from core.contract import network
from core.errors import SettingsError
from core.settings import load, schedule, stop_after_s, unit_settings
from core.times import durations

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzsuj+XW6uSLt3I6S1X9C4NTBbwZ8CRrW0hpmMxn5pF me@client"
STACKS = ("demo", "qwen05b", "qwen7b", "qwen7b-128k", "qwen7b-tp4", "workstation")


def raw(**sections: Any) -> dict[str, Any]:
    """A right config with one engine; `section={…}` replaces a section, None takes it away."""
    base: dict[str, Any] = {
        "host": {"sshPublicKey": KEY},
        "access": {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"]},
        "engines": {"qwen": {"model": "Qwen/Qwen2.5-0.5B-Instruct"}},
    }
    if isinstance(host := sections.get("host"), dict):
        sections["host"] = base["host"] | host
    return {f"pilotlight:{k}": v for k, v in (base | sections).items() if v is not None}


def message(**sections: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(raw(**sections), "lab")
    return str(caught.value)


def test_defaults() -> None:
    settings = load(raw(), "lab")
    assert settings.cloud == "aws"
    assert settings.region == "us-east-1"
    assert settings.host.instance_types == ("g6.xlarge", "g5.xlarge")
    assert settings.host.protect is True
    assert settings.gateway is not None
    assert settings.gateway.instance_type == "t4g.small"
    assert settings.idle.max_lease == 12 * 3600
    assert settings.queue_timeout == 540
    assert settings.unit == "lab/host"
    assert stop_after_s(settings.idle) == 1800


@pytest.mark.parametrize("name", ["qwen2.5-7b", "Qwen/Qwen2.5-7B-Instruct", "GPT_4o", "a/b/c/d", "7b", "a" * 63])
def test_a_service_may_be_named_as_a_model_is(name: str) -> None:
    engines = {"a": {"model": "/m", "device": "cpu"}}
    assert list(load(raw(engines=engines, services={name: {"engine": "a"}}), "lab").services) == [name]


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a/", "/a", "a//b", "../a", "a/../b", "#a", "-a", "a:b", "a;b", "ü", "a\nb", "a" * 64, "a/b/c/d/e"],
)
def test_what_is_no_services_name_is_refused(name: str) -> None:
    engines = {"a": {"model": "/m", "device": "cpu"}}
    with pytest.raises(SettingsError, match="at most four parts with / between them"):
        load(raw(engines=engines, services={name: {"engine": "a"}}), "lab")


def test_one_service_an_engine_unless_services_are_named() -> None:
    engines = {"a": {"model": "x/m"}, "b": {"model": "x/m"}}
    assert {n: s.engine for n, s in load(raw(engines=engines), "lab").services.items()} == {"a": "a", "b": "b"}
    named = load(raw(engines=engines, services={"chat": {"engine": "b"}}), "lab")
    assert {n: s.engine for n, s in named.services.items()} == {"chat": "b"}
    assert (named.engine_port("a"), named.engine_port("b")) == (8100, 8101)


def test_a_flags_value_may_be_json_text() -> None:
    text = '{"max_new_tokens": 200}'
    engines = {"a": {"model": "x/m", "flags": {"override-generation-config": text}}}
    for given in (engines, json.dumps(engines)):
        assert load(raw(engines=given), "lab").engines["a"].flags["override-generation-config"] == text


def test_a_models_page_is_its_id() -> None:
    url = "https://huggingface.co/Qwen/Qwen2.5-0.5B/tree/v1"
    assert load(raw(engines={"a": {"model": url}}), "lab").engines["a"].model == "Qwen/Qwen2.5-0.5B@v1"


def test_json_text_is_read_as_pulumi_hands_it_over() -> None:
    from_yaml = raw(idle={"stopAfter": "20s"}, gateway="none")
    as_text = {k: v if isinstance(v, str) else json.dumps(v) for k, v in from_yaml.items()}
    assert load(as_text, "lab") == load(from_yaml, "lab")


def test_other_namespaces_are_passed_over() -> None:
    others = {"gcp:zone": "x", "aws:profile": "me", "aws-native:region": "x", "gcp:region": "x", "pulumi:tags": "{}"}
    assert load(raw() | others | {"cloudflare:token": {"secure": "v1:abc"}}, "lab") == load(raw(), "lab")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("pilotligth:idle", "pilotligth:idle is read by nobody (did you mean pilotlight:idle?)"),
        ("Pilotlight:idle", "(did you mean pilotlight:idle?)"),
        ("pilot-light:idle", "(did you mean pilotlight:idle?)"),
        ("pilotlight:idle.stopAfter", "is not a setting; write `stopAfter` inside `pilotlight:idle`"),
        ("pilotlight:idel", "pilotlight:idel is not a setting (did you mean idle?)"),
        ("pilotlight:region", "the region is `aws:region`"),
        ("pilotlight:stack", "the stack's name is that of its file"),
        ("aws:Region", "aws:Region is read by nobody (did you mean aws:region?)"),
        ("asw:region", "(did you mean aws:region?)"),
    ],
)
def test_a_key_that_nobody_would_read_is_refused(key: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(raw() | {key: {"profile": "dev"}}, "lab")
    assert words in str(caught.value)


def test_encrypted_values_are_refused_whether_they_are_still_encrypted_or_not() -> None:
    with pytest.raises(SettingsError) as by_fab:
        load(raw(idle={"stopAfter": {"secure": "v1:abc"}}, token={"secure": "v1:abc"}), "lab")
    assert "pilotlight:idle.stopAfter is encrypted, and `fab` could not read it" in str(by_fab.value)
    assert "pilotlight:token is encrypted" in str(by_fab.value)
    with pytest.raises(SettingsError, match="pilotlight:idle is encrypted"):
        load(raw(idle={"stopAfter": "20s"}), "lab", secret_keys=["pilotlight:idle", "gcp:key"])
    load(raw(notify={"email": ["a@example.org"]}), "lab", secret_keys=["pilotlight:notify", "gcp:key"])


def test_an_empty_section_is_the_same_in_both_spellings() -> None:
    assert load(raw() | {"pilotlight:budget": ""}, "lab") == load(raw() | {"pilotlight:budget": None}, "lab")


def test_region_comes_from_aws() -> None:
    assert load(raw() | {"aws:region": "eu-central-1"}, "lab").region == "eu-central-1"
    with pytest.raises(SettingsError, match='aws:region: "frankfurt" has a wrong form'):
        load(raw() | {"aws:region": "frankfurt"}, "lab")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load(raw(), "lab").host.disk_gib = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "least", "most"),
    [
        ("idle.stopAfter", "5s", "366d"),
        ("idle.maxLease", "5m", "366d"),
        ("idle.hardCap", "5m", "366d"),
        ("idle.startTimeout", "30s", "366d"),
        ("idle.maxSilence", "1m", "366d"),
        ("idle.engineTimeout", "1m", "366d"),
        ("gateway.queueTimeout", "1s", "30m"),
    ],
)
def test_a_duration_has_bounds(key: str, least: str, most: str) -> None:
    section, _, name = key.partition(".")
    for right in (least, most):
        load(raw(**{section: {name: right}}), "lab")
    for long in ("99999999999999d", "9" * 25 + "d", "9" * 60 + "d", "36500d"):
        text = message(**{section: {name: long}})
        shown = f'"{long}"' if len(long) < 60 else f'"{long[:59]}…'
        assert f"pilotlight:{key}: {shown} is longer than " in text
    less = durations.spell(durations.parse(least) - 1) if least != "1s" else "0s"
    assert f'{key}: "{less}" ' in message(**{section: {name: less}})
    assert '"３０m" is not a duration' in message(**{section: {name: "３０m"}})


def test_too_short_a_duration_is_told_why() -> None:
    text = message(idle={"startTimeout": "1s"})
    assert 'startTimeout: "1s" is less than 30s: a machine takes longer to boot; write 30s or more' in text
    assert text.endswith("or more")
    assert message(idle={"hardCap": "1s"}).endswith("write 5m or more, or off")


@pytest.mark.parametrize("off", ["off", False])
def test_off(off: object) -> None:
    idle = load(raw(idle={"stopAfter": off, "maxLease": off, "hardCap": off}), "lab").idle
    assert stop_after_s(idle) is None
    assert (idle.max_lease, idle.hard_cap) == (0, 0)


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        (
            {"idle": {"stopAfter": "30 minuts"}},
            'pilotlight:idle.stopAfter: "30 minuts" is not a duration; write e.g. 30m',
        ),
        ({"idle": {"maxLease": "0s"}}, 'idle.maxLease: "0s" must be longer than 0'),
        ({"idle": {"profile": "onlin"}}, "allowed: dev, demo, online, batch or office-hours (did you mean online?)"),
        ({"idle": {"profle": "dev"}}, "idle.profle is not a setting (did you mean profile?); allowed here: "),
        (
            {"idle": {"schedule": {"startAt": "0 9 * * *", "stopAt": "0 9 * * *"}}},
            "starts and stops at the same time: the host would never be on",
        ),
        ({"idle": {"timeZone": "Europe/Berln"}}, "(did you mean Europe/Berlin?)"),
        ({"idle": {"timeZone": "europe/berlin"}}, "(did you mean Europe/Berlin?)"),
        ({"idle": {"timeZone": "Europe"}}, 'timeZone: "Europe" is not a time zone, but a part of the world with'),
        ({"idle": {"timeZone": "America/Argentina"}}, "write e.g. America/Argentina/Buenos_Aires"),
        ({"idle": {"timeZone": "localtime"}}, '"localtime" is not a time zone; write e.g. Europe/Berlin'),
        ({"idle": {"schedule": {"startAt": "9:00", "stopAt": "0 18 * * *"}}}, "is not a cron expression of 5 fields"),
        (
            {"idle": {"schedule": {"startAt": "0 99 * * *", "stopAt": "0 18 * * *"}}},
            "is not a cron expression (Bad hour)",
        ),
        ({"host": {"kind": "kubernetes"}}, 'host.kind: "kubernetes" is not in this release; allowed: ec2, ssh'),
        ({"host": {"kind": "kubernetes", "x": "1"}}, 'host.kind: "kubernetes" is not in this release; allowed: ec2'),
        ({"host": {"kind": ["ssh"]}}, 'host.kind: ["ssh"] is not allowed; allowed: ec2, ssh'),
        (
            {"host": {"kind": "ecs", "spot": True}},
            'host.kind: "ecs" is not allowed; allowed: ec2, ssh (did you mean ec2?)',
        ),
        ({"host": {"address": "x"}}, "host.address is not a setting; allowed here: disk"),
        ({"host": {"spot": True}}, "is refused in this release: an interrupted spot machine"),
        ({"host": {"diskGiB": "120"}}, 'host.diskGiB: "120" must be a whole number; take the quotes away'),
        ({"host": {"diskGiB": "120G"}}, 'host.diskGiB: "120G" must be a whole number, without a unit'),
        ({"budget": {"monthlyUsd": "150"}}, 'budget.monthlyUsd: "150" must be a number; take the quotes away'),
        ({"host": {"diskGiB": 5}}, "must be greater than or equal to 20"),
        ({"host": {"instanceTypes": []}}, "host.instanceTypes: [] has 0 entries; at least 1 is needed"),
        ({"host": {"instanceTypes": ["g6"]}}, 'host.instanceTypes[0]: "g6" is not an instance type'),
        ({"host": {"instanceTypes": ["g6.xlarge", "g5g.xlarge"]}}, "mixes processors"),
        ({"host": {"instanceTypes": ["g6.xlarge", "g6.xlarge"]}}, "names g6.xlarge twice"),
        ({"host": {"zone": "us-west-2a"}}, 'host.zone: "us-west-2a" is not in aws:region us-east-1'),
        ({"host": {"sshPublicKey": "ssh-ed25519 AAAA"}}, "make a key pair with `ssh-keygen -t ed25519"),
        ({"host": {"sshPublicKey": KEY.replace("ssh-ed25519", "ssh-rsa")}}, "is not a public key of type"),
        ({"gateway": "no"}, "must be a section such as {instanceType: t4g.small}, or none"),
        (
            {"gateway": {"instanceTyp": "t4g.small"}},
            "gateway.instanceTyp is not a setting (did you mean instanceType?)",
        ),
        (
            {"access": {"cidrs": ["0.0.0.0/0"], "sshCidrs": ["10.0.0.0/8"]}},
            'access.cidrs[0]: "0.0.0.0/0" lets the internet',
        ),
        ({"access": {"cidrs": ["10.0.0.0/8"], "sshCidrs": ["::/0"]}}, 'access.sshCidrs[0]: "::/0" lets the internet'),
        (
            {"access": {"cidrs": ["128.0.0.0/1"], "sshCidrs": ["10.0.0.0/8"]}},
            "lets the internet in without TLS",
        ),
        (
            {"access": {"cidrs": ["10.0.0.1/8"], "sshCidrs": ["10.0.0.0/8"]}},
            "has bits set behind its prefix; write 10.0.0.0/8",
        ),
        ({"access": {"cidrs": ["1.2.3.4"], "sshCidrs": ["10.0.0.0/8"]}}, "for one address write 1.2.3.4/32"),
        ({"access": {"corsOrigins": ["app.example.com"]}}, "is not an origin, which is scheme, host and port alone"),
        ({"access": {"corsOrigins": ["https://App.example.com/chat"]}}, "write e.g. https://app.example.com"),
        ({"access": {"corsOrigins": ["https://a.example:443"]}}, "write e.g. https://a.example"),
        ({"access": {"corsOrigins": ['https://a.example" -m found']}}, "is not an origin"),
        ({"gateway": {"queueMax": 1001}}, "gateway.queueMax: 1001 is more than 1000: the gateway has 4000 connections"),
        ({"gateway": {"queueMax": 0}}, "must be greater than or equal to 1"),
        ({"engines": None}, "pilotlight:engines is not set, and has no default"),
        ({"engines": {}}, "engines: {} has 0 entries; at least 1 is needed"),
        ({"engines": {f"e{n}": {"model": "x/m"} for n in range(17)}}, "has 17 entries; at most 16 are allowed"),
        (
            {"engines": {"Big": {"model": "x/m"}}},
            'engines.Big: "Big" has a wrong form; allowed: lower-case letters, digits and -, at most 31',
        ),
        ({"services": {"chat": {"engine": "A"}}}, "allowed: lower-case letters, digits and -, at most 31"),
        ({"host": {"image": "ubuntu"}}, "allowed: an image's id, e.g. ami-0a1b2c3d"),
        ({"engines": {"a": {}}}, "engines.a.model is not set"),
        ({"engines": {"a": {"model": "x/m", "device": "tpu"}}}, "allowed: gpu or cpu"),
        ({"engines": {"a": {"model": "qwen2.5:7b"}}}, 'engines.a.model: "qwen2.5:7b" looks like Ollama'),
        ({"engines": {"a": {"model": "~/models/x"}}}, 'engines.a.model: "~/models/x" is not an absolute path'),
        ({"engines": {"a": {"model": ""}}}, "engines.a.model: "),
        ({"engines": {"a": {"model": "x/m", "flags": {"--seed": 1}}}}, "without dashes before it"),
        (
            {"engines": {"a": {"model": "x/m", "flags": {"disable-log-stats": True}}}},
            "the counters by which idleness is read",
        ),
        ({"engines": {"a": {"model": "x/m", "flags": {"swap-space": 4}}}}, "was removed from vLLM"),
        (
            {"services": {"chat": {"engine": "qwn"}}},
            'services.chat.engine: "qwn" is not an engine; allowed: qwen (did you',
        ),
        (
            {"gateway": {"instanceType": "t2.medium"}},
            "gateway.instanceType: t2.medium is older than EC2's Nitro system, and its data volume would not be found",
        ),
        ({"budget": {"monthlyUsd": 0}}, "budget.monthlyUsd: 0 must be greater than 0"),
        ({"engine": {"a": {"model": "x/m"}}}, "pilotlight:engine is not a setting (did you mean engines?)"),
        ({"cloud": "embeded"}, "allowed: aws or embedded (did you mean embedded?)"),
    ],
)
def test_a_wrong_value_is_one_message_with_file_path_and_what_is_allowed(sections: dict[str, Any], words: str) -> None:
    text = message(**sections)
    assert text.startswith("stacks/Pulumi.lab.yaml: ")
    assert words in text
    assert "\n" not in text


def test_every_wrong_value_is_named_at_once() -> None:
    text = message(idle={"stopAfter": "soon"}, budget={"monthlyUsd": "many"}, host={"kind": "kubernetes"})
    assert text.startswith("stacks/Pulumi.lab.yaml: 3 settings need your attention:\n")
    assert [line.split()[0] for line in text.splitlines()[1:]] == [
        "pilotlight:host.kind:",
        "pilotlight:idle.stopAfter:",
        "pilotlight:budget.monthlyUsd:",
    ]


def test_a_full_queue_leaves_room_for_others() -> None:
    """One key may fill the queue, one office may have such a key, and both leave connections for others."""
    assert network.QUEUE_LIMIT < network.KEY_REQUESTS_MAX < network.SOURCE_CONNECTIONS_MAX
    assert network.SOURCE_CONNECTIONS_MAX * 2 <= network.API_CONNECTIONS_MAX <= network.INNER_CONNECTIONS_MAX


@pytest.mark.parametrize("origin", ["*", "https://app.example.com", "http://localhost:5173", "http://[::1]:3000"])
def test_origins(origin: str) -> None:
    assert load(raw(access={"corsOrigins": [origin]}, cloud="embedded"), "lab").access.cors_origins == (origin,)


def test_a_private_key_is_never_shown() -> None:
    text = message(host={"sshPublicKey": "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk"})
    assert "is a PRIVATE key" in text
    assert "b3BlbnNz" not in text


@pytest.mark.parametrize("stack", ["Qwen", "1b", "a" * 32, "a_b", ""])
def test_stack_names(stack: str) -> None:
    with pytest.raises(SettingsError, match="a name is a-z, 0-9 and -"):
        load(raw(), stack)


@pytest.mark.parametrize("stack", STACKS)
def test_committed_stacks_lack_only_what_the_user_must_set(stack: str) -> None:
    config = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    if config.get("pilotlight:cloud") == "embedded" or stack == "workstation":
        assert load(config, stack).stack == stack
        return
    with pytest.raises(SettingsError) as caught:
        load(config, stack)
    lines = str(caught.value).splitlines()[1:]
    assert [line.split()[0] for line in lines] == [
        "pilotlight:host.sshPublicKey",
        "pilotlight:access.cidrs",
        "pilotlight:access.sshCidrs",
    ]
    assert all(f"pulumi config set -s {stack} --path" in line for line in lines)


def test_stacks_that_are_committed() -> None:
    assert sorted(p.stem.removeprefix("Pulumi.") for p in (ROOT / "stacks").glob("Pulumi.*.yaml")) == sorted(STACKS)
    assert all(
        (ROOT / "stacks" / f"Pulumi.{s}.yaml").read_text().startswith("# yaml-language-server: $schema=schema.json\n")
        for s in STACKS
    )


def test_unit_settings_are_resolved() -> None:
    settings = load(
        raw(idle={"profile": "office-hours", "timeZone": "Europe/Berlin"}, budget={"monthlyUsd": 150}), "lab"
    )
    unit = unit_settings(settings, instance_id="i-1", alerts_topic_arn="arn")
    assert (unit.unit, unit.instance_id, unit.alerts_topic_arn) == ("lab/host", "i-1", "arn")
    assert (unit.schedule_on, unit.schedule_off, unit.time_zone) == (
        "0 9 * * mon-fri",
        "0 18 * * mon-fri",
        "Europe/Berlin",
    )
    assert (unit.stop_after_s, unit.monthly_budget_usd, unit.instance_types) == (300, 150, ("g6.xlarge", "g5.xlarge"))
    assert type(unit).from_json(unit.to_json()) == unit


@pytest.mark.parametrize(
    ("idle", "stop_s", "on"),
    [
        ({"profile": "dev"}, 900, ""),
        ({"profile": "demo"}, None, ""),
        ({"profile": "online"}, 1800, ""),
        ({"profile": "batch"}, 300, ""),
        ({"profile": "office-hours"}, 300, "0 9 * * mon-fri"),
        ({"profile": "demo", "stopAfter": "20s"}, 20, ""),
        ({"profile": "office-hours", "schedule": {"startAt": "0 7 * * *", "stopAt": "0 8 * * *"}}, 300, "0 7 * * *"),
    ],
)
def test_what_the_file_says_wins_over_its_profile(idle: dict[str, Any], stop_s: float | None, on: str) -> None:
    settings = load(raw(idle=idle), "lab")
    assert stop_after_s(settings.idle) == stop_s
    assert schedule(settings.idle).start_at == on


def test_a_control_of_another_stack() -> None:
    assert load(raw(control={"stack": "ops"}), "lab").control.stack == "ops"
    assert load(raw(control={"stack": "acme/fleet/ops"}), "lab").control.stack == "acme/fleet/ops"
    assert "names this stack itself" in message(control={"stack": "lab"})
    assert "wrong form" in message(control={"stack": "acme/ops"})


def test_what_another_stacks_control_would_not_hear_is_refused() -> None:
    text = message(control={"stack": "ops", "deletionProtection": True, "logRetentionDays": 7, "plainInstances": True})
    for key in ("deletionProtection", "logRetentionDays", "plainInstances"):
        assert f"pilotlight:control.{key} has no effect here" in text
    assert "set it in stacks/Pulumi.ops.yaml" in text
