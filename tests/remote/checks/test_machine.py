"""What is found on a machine, as lines: disks, clock, units, versions, and what a deployment would change."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from typing import Any

import pytest

from core.contract.paths import DATA_DIR
from core.errors import DeployError
from remote.checks import Area, Check, Verdict, machine
from remote.checks.machine import GIB, Disk, Examined, Look
from remote.items.units import Unit
from remote.machines.facts import Facts, UnitFact
from remote.plan import plan

RIGHT = UnitFact("loaded", "active", "running", "enabled", 0)
UNIT = Unit("x.service", "digest")
DISK = Disk(device=1, free=5 * GIB, size=10 * GIB, inodes_free=50, inodes=100)
WELL = Examined(
    now=100.0,
    asked=99.0,
    answered=101.0,
    container=False,
    synchronized=True,
    reboot=False,
    disks={"/": DISK, "/var": DISK},
    versions={
        "system": "Debian GNU/Linux 12 (bookworm)",
        "kernel": "6.1.0-1-amd64",
        "python": "3.11.2",
        "haproxy": "HAProxy version 2.6.12-1+deb12u1 2024/12/10 - https://haproxy.org/",
        "redis": "Redis server v=7.0.15 sha=0:0 malloc=jemalloc",
        "docker": "",
    },
)
FACTS = Facts(units={UNIT.name: RIGHT}, texts={UNIT.stamp: "digest"})


def checks(facts: Facts = FACTS, examined: Examined = WELL) -> list[Check]:
    look = Look(Area.GATEWAY, facts, [UNIT], plan([UNIT], facts), examined)
    return list(machine.checks(look, "demo"))


def one(found: list[Check], name: str) -> Check:
    (check,) = [check for check in found if check.name == name]
    return check


def test_a_machine_that_is_well_passes_everything() -> None:
    found = checks()
    assert {check.verdict for check in found} == {Verdict.PASS}
    assert [check.name for check in found] == ["disk", "clock", "units", "as deployed", "versions"]
    assert one(found, "disk").said == "/ has 5.0 of 10.0 GiB free"
    assert one(found, "versions").said == (
        "Debian GNU/Linux 12 (bookworm), kernel 6.1.0-1-amd64, python 3.11.2, haproxy 2.6.12, redis 7.0.15"
    )


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({"free": GIB}, Verdict.PASS, "/ has 1.0 of 10.0 GiB free"),
        ({"free": GIB - 1}, Verdict.WARN, "/ has 1.0 of 10.0 GiB free"),
        ({"free": int(0.2 * GIB)}, Verdict.FAIL, "/ has 0.2 of 10.0 GiB free"),
        ({"inodes_free": 5}, Verdict.WARN, "/ has 5.0 of 10.0 GiB free, and 5% of its inodes"),
        ({"inodes_free": 0, "inodes": 0}, Verdict.PASS, "/ has 5.0 of 10.0 GiB free"),
    ],
)
def test_a_disk(change: dict[str, int], verdict: Verdict, said: str) -> None:
    disks = {"/": dataclasses.replace(DISK, **change)}
    check = one(checks(examined=dataclasses.replace(WELL, disks=disks)), "disk")
    assert (check.verdict, check.said) == (verdict, said)
    assert bool(check.fix) is (verdict is not Verdict.PASS)


def test_each_file_system_has_one_line() -> None:
    disks = {"/": DISK, "/var": dataclasses.replace(DISK, device=2), "/opt": DISK}
    found = [check.said for check in checks(examined=dataclasses.replace(WELL, disks=disks)) if check.name == "disk"]
    assert found == ["/ has 5.0 of 10.0 GiB free", "/var has 5.0 of 10.0 GiB free"]


@pytest.mark.parametrize(
    ("change", "verdict", "said"),
    [
        ({"now": 106.0}, Verdict.PASS, "agrees"),  # 5 s after the answer came
        ({"now": 107.0}, Verdict.FAIL, "6 s ahead of"),
        ({"now": 90.0}, Verdict.FAIL, "9 s behind"),
        ({"asked": 40.0}, Verdict.PASS, "agrees"),  # it was asked for a minute
        ({"synchronized": False}, Verdict.WARN, "NTP is not synchronised"),
        ({"synchronized": False, "container": True}, Verdict.PASS, "agrees"),
    ],
)
def test_a_clock(change: dict[str, Any], verdict: Verdict, said: str) -> None:
    check = one(checks(examined=dataclasses.replace(WELL, **change)), "clock")
    assert check.verdict is verdict
    assert said in check.said


def test_a_unit_that_failed_is_named_with_the_command_that_says_why() -> None:
    failed = dataclasses.replace(RIGHT, active="failed", sub="failed")
    found = checks(dataclasses.replace(FACTS, units={UNIT.name: failed}))
    check = one(found, "x.service")
    assert (check.verdict, check.said) == (Verdict.FAIL, "is failed (failed)")
    assert "`fab logs -s demo`" in check.fix
    assert one(found, "as deployed").said == "`fab deploy` would change x.service: is failed"
    assert "units" not in [check.name for check in found]


def test_a_missing_unit_and_one_that_restarts_again_and_again() -> None:
    assert one(checks(dataclasses.replace(FACTS, units={})), "x.service").said == "is missing"
    often = dataclasses.replace(RIGHT, restarts=machine.RESTARTS)
    check = one(checks(dataclasses.replace(FACTS, units={UNIT.name: often})), "x.service")
    assert check.verdict is Verdict.WARN
    assert "3 times" in check.said


def test_an_engine_whose_running_is_the_leases_business_may_rest() -> None:
    resting = dataclasses.replace(UNIT, rests=True)
    facts = dataclasses.replace(FACTS, units={UNIT.name: dataclasses.replace(RIGHT, active="inactive", sub="dead")})
    look = Look(Area.HOST, facts, [resting], plan([resting], facts), WELL)
    check = one(list(machine.checks(look, "demo")), "units")
    assert (check.verdict, check.said) == (Verdict.PASS, "0 of 1 run; x.service at rest")


def test_a_reboot_that_is_waited_for() -> None:
    check = one(checks(examined=dataclasses.replace(WELL, reboot=True)), "reboot")
    assert check.verdict is Verdict.WARN
    assert '`fab ssh -s demo --gateway --command "sudo systemctl reboot"`' in check.fix


def test_the_script_tells_what_is_read_of_it() -> None:
    """On this computer; a folder that is not there is left out."""
    command = [sys.executable, "-", "/", "/nowhere"]
    done = subprocess.run(command, input=machine.EXAMINE.read_bytes(), capture_output=True, check=True)
    found = machine.read(done.stdout.decode(), 1.0, 2.0)
    assert set(found.disks) == {"/"}
    assert found.disks["/"].size > 0
    assert found.versions["kernel"]
    assert found.now > 1e9


@pytest.mark.parametrize("printed", ["", "[]", "{}", json.dumps({"disks": {"/": {"free": 1}}})])
def test_what_is_no_such_answer_is_one_message(printed: str) -> None:
    with pytest.raises(DeployError, match="did not tell how it is"):
        machine.read(printed, 1.0, 2.0)


def test_a_full_data_volume_names_its_own_setting() -> None:
    disks = {"/": DISK, DATA_DIR: dataclasses.replace(DISK, device=2, free=0)}
    found = checks(examined=dataclasses.replace(WELL, disks=disks))
    (check,) = [each for each in found if each.name == "disk" and each.said.startswith(DATA_DIR)]
    assert check.verdict is Verdict.FAIL
    assert "gateway.dataGiB" in check.fix
