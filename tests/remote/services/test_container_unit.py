"""The script that starts a container's unit, run here with stand-ins for systemctl, docker, curl and journalctl."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from remote.items import containers
from remote.items.containers import ContainerUnit
from remote.items.units import Unit
from remote.machines.facts import Facts

STAND_INS = {
    # `systemctl stop` takes the page down, `restart` starts the version that the unit file names; a version whose name
    # says so migrates the database before it fails
    "systemctl": """case "$*" in
"show "*) cat restarts 2>/dev/null || echo 0 ;;
"stop "*) rm -f up ;;
"restart "*)
  [ ! -e refuse ] || exit 1
  cat image-of-unit > up
  if grep -q migrates up; then echo migrated > data/webui.db; fi ;;
esac""",
    "curl": "grep -q good up 2>/dev/null",
    "docker": 'echo "$*" >> docker-log',
    "journalctl": "echo 'the last lines'",
    "sleep": "echo 9 > restarts",
}


class Machine:
    """A folder that stands for a machine's disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        tools = folder / "bin"
        tools.mkdir()
        for name, text in STAND_INS.items():
            (tools / name).write_text(f"#!/bin/sh\ncd {folder}\n{text}\n")
            (tools / name).chmod(0o755)
        (folder / "data").mkdir()
        (folder / "data/webui.db").write_text("conversations")

    def deploy(self, image: str) -> subprocess.CompletedProcess[str]:
        """The files of a version are written, its image is noted, and the script runs."""
        unit = self.folder / "image-of-unit"
        unit.write_text(image)
        with (self.folder / "images").open("a") as noted:
            noted.write(f"{image}\n")
        (self.folder / "restarts").unlink(missing_ok=True)
        wanted = ContainerUnit(
            Unit("page.service", image), "page", image, "http://h", (str(unit),), str(self.folder / "data/webui.db")
        )
        (order,) = wanted.orders(Facts())
        script = order.script.replace(containers.GOOD, str(self.folder / "good"))
        script = script.replace(containers.IMAGES, str(self.folder / "images"))
        script = script.replace("/var/lib/pilotlight/applied", str(self.folder / "applied"))
        path = f"{self.folder}/bin:/usr/bin:/bin"
        return subprocess.run(["sh", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False)

    def has(self, name: str) -> str:
        return (self.folder / name).read_text().strip()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_healthy_version_is_kept_as_good(machine: Machine) -> None:
    assert machine.deploy("good:v1").returncode == 0
    assert machine.has("good/page.service/image") == "good:v1"
    assert machine.has("applied/page.service") == "good:v1"
    assert machine.has("images") == "good:v1"


def test_a_bad_version_goes_back_with_the_database_as_it_was(machine: Machine) -> None:
    machine.deploy("good:v1")
    done = machine.deploy("migrates:v2")
    assert done.returncode == 1
    assert "the last lines" in done.stdout
    assert "The version before it runs again." in done.stdout
    assert machine.has("up") == machine.has("image-of-unit") == "good:v1"
    assert machine.has("data/webui.db") == "conversations"
    assert machine.has("applied/page.service") == "good:v1"


def test_a_database_is_put_back_once(machine: Machine) -> None:
    """What people wrote since a version that was taken back is not lost with the next start that fails."""
    machine.deploy("good:v1")
    machine.deploy("migrates:v2")
    (machine.folder / "data/webui.db").write_text("conversations of a month")
    (machine.folder / "refuse").touch()
    assert machine.deploy("good:v1").returncode == 1
    assert machine.has("data/webui.db") == "conversations of a month"


def test_without_room_for_a_copy_the_old_version_runs_on(machine: Machine) -> None:
    machine.deploy("good:v1")
    cp = machine.folder / "bin/cp"
    cp.write_text('#!/bin/sh\ncase "$3" in *.database) exit 1 ;; esac\nexec /bin/cp "$@"\n')
    cp.chmod(0o755)
    done = machine.deploy("migrates:v2")
    assert done.returncode == 1
    assert "so the version before it runs on." in done.stdout
    assert (machine.has("up"), machine.has("image-of-unit")) == ("good:v1", "good:v1")
    assert machine.has("data/webui.db") == "conversations"
    assert not (machine.folder / "good/page.service.database").exists()


def test_a_database_that_cannot_be_put_back_is_kept_beside(machine: Machine) -> None:
    machine.deploy("good:v1")
    (machine.folder / "bin/cp").write_text(
        '#!/bin/sh\ncase "$2" in */good/page.service.database/*) exit 1 ;; esac\nexec /bin/cp "$@"\n'
    )
    (machine.folder / "bin/cp").chmod(0o755)
    done = machine.deploy("migrates:v2")
    assert done.returncode == 1
    kept = machine.folder / "good/page.service.database"
    assert f"The database could not be put back; it is in {kept}." in done.stdout
    assert (kept / "webui.db").read_text() == "conversations"
    assert "The version before" not in done.stdout, "nothing is started without it"


def test_every_image_but_the_wanted_one_goes_once_that_is_healthy(machine: Machine) -> None:
    machine.deploy("good:v1")
    machine.deploy("bad:v2")
    assert not (machine.folder / "docker-log").exists()
    machine.deploy("good:v3")
    assert machine.has("docker-log").splitlines() == ["image rm good:v1", "image rm bad:v2"]
    assert machine.has("images") == "good:v3"


def test_a_refused_start_is_no_success_though_the_old_page_answers(machine: Machine) -> None:
    machine.deploy("good:v1")
    (machine.folder / "refuse").touch()
    assert machine.deploy("good:v2").returncode == 1
    assert machine.has("applied/page.service") == "good:v1"


def test_a_first_version_that_fails_has_nothing_to_go_back_to(machine: Machine) -> None:
    done = machine.deploy("bad:v1")
    assert done.returncode == 1
    assert "The version before" not in done.stdout
