"""Packages on a machine whose first boot is still busy: the real script, with programs that stand for apt's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from remote.items.system import Driver, Packages
from remote.machines.facts import Facts

LOCKS = (
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 12 (apt-get)",
    "E: Unable to lock directory /var/lib/apt/lists/",
    "E: Could not get lock /var/cache/apt/archives/lock - open (11: Resource temporarily unavailable)",
    "E: Could not get lock /var/lib/dpkg/lock. It is held by process 12 (dpkg)",
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
)


class Computer:
    """A folder of programs: `apt-get` answers line by line from a script of (words, exit code, output)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program("sleep", 'echo slept >> "$LOG"')
        self.program("nvidia-smi", "exit 0")
        self.program("modprobe", "exit 0")

    def program(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nLOG={self.folder}/log\n{body}\n")
        path.chmod(0o755)

    def apt(self, *answers: tuple[int, str]) -> None:
        """What each call of apt-get in turn ends with; the last one again and again."""
        cases = [f"{n}) printf '%s\\n' '{said}'; exit {code};;" for n, (code, said) in enumerate(answers, 1)]
        last = cases[-1].partition(")")[2]
        self.program(
            "apt-get",
            'echo "$@" >> "$LOG"\nn=$(grep -c "^-o" "$LOG")\ncase $n in\n' + "\n".join(cases) + f"\n*) {last}\nesac",
        )

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.folder}:/usr/bin:/bin"}
        return subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)

    @property
    def log(self) -> list[str]:
        """Each call: apt-get's verb, or `slept`."""
        lines = (self.folder / "log").read_text().splitlines()
        return [next((word for word in line.split() if word in ("install", "update", "slept")), line) for line in lines]


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path)


def script() -> str:
    return Packages(("haproxy", "nftables")).orders(Facts(packages=frozenset({"nftables"})))[0].script


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_waited_for_whoever_holds_it(computer: Computer, lock: str) -> None:
    computer.apt((100, lock), (100, lock), (0, "done"))
    assert computer.run(script()).returncode == 0
    assert computer.log == ["install", "slept", "install", "slept", "install"]


def test_only_what_is_missing_is_installed_and_only_once(computer: Computer) -> None:
    computer.apt((0, "done"))
    assert computer.run(script()).returncode == 0
    assert (computer.folder / "log").read_text().split()[-2:] == ["--no-install-recommends", "haproxy"]


def test_an_old_list_is_renewed(computer: Computer) -> None:
    computer.apt((100, "E: Package 'haproxy' has no installation candidate"), (0, "lists"), (0, "done"))
    assert computer.run(script()).returncode == 0
    assert computer.log == ["install", "update", "install"]


def test_a_failed_update_is_what_is_reported_and_nothing_goes_on_after_it(computer: Computer) -> None:
    computer.apt((100, "E: no candidate"), (100, "E: The repository has no Release file"))
    done = computer.run(script())
    assert done.returncode != 0
    assert done.stdout == "E: The repository has no Release file\n"
    assert computer.log == ["install", "update"]


def test_an_updates_warnings_are_told_with_the_failed_install(computer: Computer) -> None:
    computer.apt((100, "E: no candidate"), (0, "Get:1 x\nW: Failed to fetch http://mirror/"), (100, "E: no candidate"))
    done = computer.run(script())
    assert done.returncode != 0
    assert done.stdout == "E: no candidate\nW: Failed to fetch http://mirror/\n"


def test_a_lock_that_is_never_let_go_is_told_with_its_holder(computer: Computer) -> None:
    computer.apt((100, LOCKS[0]))
    done = computer.run(script().replace("TRIES=150", "TRIES=3"))
    assert done.returncode != 0
    assert "held by process 12" in done.stdout
    assert computer.log.count("slept") == 4


def test_cloud_init_is_waited_for_first_and_its_own_errors_are_not_ours(computer: Computer) -> None:
    computer.program("cloud-init", 'echo "$@" >> "$LOG"; exit 2')
    computer.apt((0, "done"))
    assert computer.run(script()).returncode == 0
    assert computer.log == ["status --wait", "install"]


def test_the_driver_does_not_go_on_after_a_failed_update_either(computer: Computer) -> None:
    computer.apt((100, "E: no network"))
    order = Driver().orders(Facts(os="ubuntu", os_version="24.04"))[0]
    done = computer.run(order.script)
    assert (done.returncode, done.stdout, computer.log) == (1, "E: no network\n", ["update"])
