"""A machine of one's own, opened: its file of leases, and the settings that `fab deploy` wrote beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.contract.documents import Place
from core.errors import ContractError
from core.notifications.record import Kind, Notification
from runtime import backends
from runtime.backends.leases import create
from runtime.backends.notifications.log import LogNotifications
from runtime.backends.ssh import OwnLeases, make_file
from tests.samples import unit_settings

ROOT = Path(__file__).parents[3]
UNIT = "mine/host"
NOBODY = 65534


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leases.sqlite"


def test_its_programs_share_one_file(file: Path) -> None:
    first, second = (backends.open(Place("ssh", table=str(file), control=UNIT)) for _ in range(2))
    create(first.leases, UNIT, "box", by="deploy", now=1.0, nonce="n")
    lease = second.leases.read(UNIT).lease
    assert lease is not None
    assert lease.instance_id == "box"
    second.ask_reaper(UNIT)  # it looks by itself


def test_it_needs_no_cloud() -> None:
    program = (
        "import sys; sys.modules.update(boto3=None, botocore=None)\n"
        "import runtime.backends.ssh, runtime.reaper.__main__, runtime.agent.__main__, runtime.lease_client\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_settings_are_deploys_file(file: Path, tmp_path: Path) -> None:
    told = tmp_path / "unit.json"
    store = OwnLeases(file, UNIT, str(told))
    assert (store.units(), store.settings(UNIT), store.all_settings()) == ([], None, {})
    wanted = unit_settings(unit=UNIT, instance_id="box")
    told.write_text(wanted.to_json())
    assert (store.units(), store.listed(UNIT), store.all_settings()) == ([UNIT], wanted, {UNIT: wanted})
    assert store.settings("other/host") is None


@pytest.mark.parametrize("text", ["{", "[]", unit_settings(unit="other/host").to_json()])
def test_settings_that_cannot_be_read_are_the_units_error(file: Path, tmp_path: Path, text: str) -> None:
    told = tmp_path / "unit.json"
    told.write_text(text)
    assert isinstance(OwnLeases(file, UNIT, str(told)).all_settings()[UNIT], ContractError)


def test_a_file_that_cannot_be_had_says_what_to_do(tmp_path: Path) -> None:
    place = Place("ssh", table=str(tmp_path / "none" / "leases.sqlite"), control=UNIT)
    with pytest.raises(ContractError, match=r"leases\.sqlite cannot be used: .*Run `fab deploy`"):
        backends.open(place)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_is_its_folders_owners(file: Path) -> None:
    """The relay, which is not root, writes what root's agent made."""
    os.chown(file.parent, NOBODY, NOBODY)
    make_file(file)
    make_file(file)  # again is harmless
    assert (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) == (NOBODY, NOBODY, 0o600)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_link_in_the_files_place_gives_away_nothing(file: Path, tmp_path: Path) -> None:
    """Its folder is the relay's, and what is behind the link is root's."""
    roots = tmp_path / "shadow"
    roots.touch()
    folder = tmp_path / "relay"
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    (folder / file.name).symlink_to(roots)
    with pytest.raises(ContractError, match=r"cannot be used: .*Run `fab deploy`"):
        backends.open(Place("ssh", table=str(folder / file.name), control=UNIT))
    assert roots.stat().st_uid == 0


def test_notifications_are_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    notification = Notification(
        id="n", kind=Kind.READY, stack="mine", unit=UNIT, at="2026-01-01T00:00:00Z", summary="mine is ready", reason=""
    )
    with caplog.at_level("INFO", logger="pilotlight.reaper"):
        assert LogNotifications().send("", notification)
    assert "mine is ready" in caplog.text
