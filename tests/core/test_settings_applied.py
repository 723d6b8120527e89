"""Which command applies a setting: one mark for the page, the schema and the digest that `fab deploy` compares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.aws.archive import ROOT
from core.settings import digest, load, manual
from remote import stack_yaml
from tests.core.test_settings import KEY, raw

HOST = {"kind": "ec2", "diskGiB": 120, "sshPublicKey": KEY}


def of(**sections: Any) -> str:
    return digest(load(raw(**sections), "lab", secret_keys=["pilotlight:webui"]))


def test_order_and_notation_do_not_count() -> None:
    turned = dict(reversed(raw(host=HOST).items())) | {"pilotlight:host": dict(reversed(HOST.items()))}
    assert digest(load(turned, "lab")) == of()
    assert of(idle={"stopAfter": "90m"}) == of(idle={"stopAfter": "1h30m"})


@pytest.mark.parametrize(
    "sections",
    [
        {"host": {"diskGiB": 200}},
        {"host": {"instanceTypes": ["g5.xlarge", "g6.xlarge"]}},
        {"gateway": "none"},
        {"gateway": {"instanceType": "t4g.medium"}},
        {"access": {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.8/32"]}},
        {"idle": {"profile": "dev"}},
        {"idle": {"schedule": {"startAt": "0 9 * * *", "stopAt": "0 18 * * *"}}},
        {"idle": {"startTimeout": "5m"}},
        {"budget": {"monthlyUsd": 30}},
        {"webui": {"host": "host"}},
        {"control": {"stack": "other"}},
        {"engines": {"qwen": {"model": "Qwen/Qwen2.5-0.5B-Instruct", "device": "cpu"}}},
    ],
)
def test_what_up_applies_changes_it(sections: dict[str, Any]) -> None:
    assert of(**sections) != of()


@pytest.mark.parametrize(
    "sections",
    [
        {"gateway": {"queueTimeout": "1m", "queueMax": 7}},
        {"access": raw()["pilotlight:access"] | {"corsOrigins": ["https://app.example.com"]}},
        {"engines": {"a": {"model": "x/m", "maxModelLen": 4096}, "b": {"model": "y/m"}}},
        {"services": {"chat": {"engine": "qwen"}}},
        {"webui": {"memoryMiB": 1024, "signUp": True}},
    ],
)
def test_what_only_deploy_applies_does_not(sections: dict[str, Any]) -> None:
    assert of(**sections) == of()


def test_the_region_counts() -> None:
    assert digest(load(raw() | {"aws:region": "eu-central-1"}, "lab")) != of()


@pytest.mark.parametrize(
    ("plain", "sealed"),
    [
        ({"webui": {"adminPassword": "correct horse"}}, {"webui": {"adminPassword": {"secure": "v1:x"}}}),
        ({"notify": {"webhooks": ["https://a.example/h"]}}, {"notify": {"webhooks": [{"secure": "v1:x"}]}}),
        ({"notify": {"email": ["ops@example.org"]}}, {"notify": {"secure": "v1:x"}}),
    ],
)
def test_pulumi_and_fab_agree_where_only_pulumi_reads_a_value(plain: dict[str, Any], sealed: dict[str, Any]) -> None:
    """And nobody finds a password out by trying values against an output that is no secret."""
    assert of(**plain) == of(**sealed) == of()


@pytest.mark.parametrize("path", sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_pulumi_and_fab_read_the_same_from_a_file(path: Path) -> None:
    """`pulumi up` gets each section as JSON text, `fab` reads the YAML itself."""
    stack = path.name.split(".")[1]
    seen = stack_yaml.read(path.read_text(), path.name)
    handed = {key: value if isinstance(value, str) else json.dumps(value) for key, value in seen.items()}
    of_fab, of_up = (digest(load(each, stack, to_deploy=False)) for each in (seen, handed))
    assert of_fab == of_up


def test_every_key_says_which_command_applies_it() -> None:
    rows = [line.split(" | ") for line in manual.page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert {row[2] for row in rows} == {"`pulumi up`", "`fab deploy`", "both", "nothing: read at once"}
