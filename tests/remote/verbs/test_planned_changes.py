"""What a deployment would change, as cases: what was found and what is wanted, and the list of changes, no more."""

# ruff: noqa: F811  # fixtures of another module
from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from core.contract.paths import AGENT_APP, AGENT_UNIT, ENGINE_UNIT, RELAY_APP, RELAY_UNITS
from remote.machines.facts import Facts, FileFact
from remote.machines.inventory import Inventory
from remote.verbs import deploy as deploy_module
from tests.remote.verbs.test_deploy import RIGHT, World, changed, facts_of, inventory, run, world  # noqa: F401

ENGINE = ENGINE_UNIT.format(name="a")
YAML = "/etc/pilotlight/engines/a.yaml"
HAPROXY = "/etc/haproxy/haproxy.cfg"
Found = Callable[[Facts], Facts]
Wanted = Callable[[Inventory], Inventory]


def same(value: Any) -> Any:
    return value


def gone(kind: str, name: str) -> Found:
    """Without one entry of a mapping of facts."""
    return lambda facts: dataclasses.replace(
        facts, **{kind: {n: v for n, v in getattr(facts, kind).items() if n != name}}
    )


def other(kind: str, name: str, value: Any) -> Found:
    """With another value of one."""
    return lambda facts: dataclasses.replace(facts, **{kind: dict(getattr(facts, kind)) | {name: value}})


def edited(path: str, **fields: Any) -> Found:
    """A file as somebody left it."""
    return lambda facts: other("files", path, dataclasses.replace(facts.files[path], **fields))(facts)


def unit(name: str, **fields: Any) -> Found:
    """A unit as somebody left it."""
    return other("units", name, dataclasses.replace(RIGHT, **fields))


def without_package(name: str) -> Found:
    return lambda facts: dataclasses.replace(facts, packages=facts.packages - {name})


def engine(**fields: Any) -> Wanted:
    """Another setting of the engine a."""

    def change(found: Inventory) -> Inventory:
        engines = dict(found.settings.engines)
        return changed(found, engines=engines | {"a": engines["a"].model_copy(update=fields)})

    return change


def queue(found: Inventory) -> Inventory:
    gateway = found.settings.gateway
    assert gateway
    return changed(found, gateway=gateway.model_copy(update={"queue_timeout": 60.0}))


CASES: dict[str, tuple[str, Found, Wanted, list[str]]] = {
    "nothing": ("host", same, same, []),
    "a file edited by hand": ("host", edited(YAML, sha256="x"), same, [f"host: {YAML}: content differs"]),
    "a file that anybody may write": ("host", edited(YAML, mode=0o666), same, [f"host: {YAML}: mode or owner differs"]),
    "a file deleted": ("gateway", gone("files", HAPROXY), same, [f"gateway: {HAPROXY}: missing"]),
    "a package removed": ("host", without_package("numactl"), same, ["missing: numactl"]),
    "a failed unit": ("host", unit(ENGINE, active="failed"), same, [f"host: {ENGINE}: is failed"]),
    "a unit that is not started at boot": (
        "host",
        unit(AGENT_UNIT, enabled="disabled"),
        same,
        [f"host: {AGENT_UNIT}: is disabled"],
    ),
    "a unit that was not restarted after its files": (
        "host",
        other("texts", f"/var/lib/pilotlight/applied/{ENGINE}", "older"),
        same,
        [f"host: {ENGINE}: its files changed"],
    ),
    "code of the agent": (
        "host",
        other("trees", AGENT_APP, "older"),
        same,
        [f"host: {AGENT_APP} "],  # who runs it is known by its stamp: the next case
    ),
    "code of the relay, not restarted yet": (
        "gateway",
        lambda facts: other("texts", f"/var/lib/pilotlight/applied/{RELAY_UNITS[1]}", "older")(
            other("trees", RELAY_APP, "older")(facts)
        ),
        same,
        [f"gateway: {RELAY_APP} ", f"gateway: {RELAY_UNITS[1]}: its files changed"],
    ),
    "a longer context": (
        "host",
        same,
        engine(max_model_len=1024),
        [
            "gateway: /etc/pilotlight/relay.json: content differs",
            *(f"gateway: {unit}: its files changed" for unit in RELAY_UNITS),
            f"host: {YAML}: content differs",
            f"host: {ENGINE}: its files changed",
            "host: /etc/pilotlight/agent.json: content differs",
            f"host: {AGENT_UNIT}: its files changed",
            "host: pilotlight-dead-man.service: its files changed",
        ],
    ),
    "a longer queue": (
        "gateway",
        same,
        queue,
        [
            "gateway: /etc/pilotlight/relay.json: content differs",
            *(f"gateway: {u}: its files changed" for u in RELAY_UNITS),
        ],
    ),
    "an engine that the stack no longer has": (
        "host",
        other("listings", "/etc/pilotlight/engines", ("a.yaml", "old.yaml")),
        same,
        ["host: engines that the stack no longer names: old"],
    ),
    "a user without its group": (
        "gateway",
        other("users", "pilotlight", frozenset({"haproxy"})),
        same,
        ["user pilotlight: not in redis"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_changes_are_these_and_no_others(
    world: World,
    inventory: Inventory,
    case: str,
) -> None:
    role, found, wanted, expected = CASES[case]
    world.facts[role] = found(world.facts[role])
    changes = run(wanted(inventory), plan=True).changes
    assert len(changes) == len(expected), changes
    for words in expected:
        assert any(words in change for change in changes), (words, changes)
    assert world.log == [], "a plan does nothing"


def test_an_untouched_machine_needs_everything_that_is_wanted_of_it(
    world: World,
    inventory: Inventory,
) -> None:
    world.facts = {"gateway": Facts(), "host": Facts(paths=frozenset({"/srv/b"}))}
    changes = run(inventory, plan=True).changes
    items = deploy_module.wanted.host(inventory)
    needed = [item for item in items if item.reason(world.facts["host"])]
    assert len([c for c in changes if c.startswith("host: ")]) >= len(needed) > len(items) - 3
    assert facts_of(items)


def test_a_plan_shows_a_file_and_keeps_its_secrets(
    world: World,
    inventory: Inventory,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = world.facts["host"]
    files = dict(before.files) | {YAML: FileFact("x", 0o600, "root", "root")}
    world.facts["host"] = dataclasses.replace(
        before, files=files, bodies={YAML: "# by hand\nmodel: mine\nhf_token: hf_verysecret\n"}
    )
    report = run(inventory, plan=True)
    said = capsys.readouterr().err
    assert f"  {YAML}: 600 root:root → 644 root:root" in said
    assert "  -model: mine" in said
    assert "  -hf_token: ••••" in said
    assert "verysecret" not in said + str(report.as_dict())
    ((change,),) = [report.diffs]
    assert (change["machine"], change["what"]) == ("host", YAML)
    assert "  -model: mine" in change["lines"]
