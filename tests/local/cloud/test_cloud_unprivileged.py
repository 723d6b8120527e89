"""Functions run as `nobody`. That they do, with real mounts, is tests/e2e/test_4_cloud.py's to show."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import CloudError
from local.cloud import unprivileged

CLOSED = {Path("/root"), Path("/root/.local"), Path("/srv/a b")}


def may_enter(folder: Path) -> bool:
    return folder not in CLOSED


def test_the_topmost_closed_folder_is_what_is_emptied() -> None:
    needed = [Path("/root/.local/venv"), Path("/usr"), Path("/srv/a b/code"), Path("/root/code")]
    assert unprivileged.closed_folders(needed, may_enter) == [Path("/root"), Path("/srv/a b")]
    assert unprivileged.closed_folders([Path("/usr"), Path("/opt/venv")], may_enter) == []


def test_a_user_who_is_not_root_stays_himself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unprivileged.os, "geteuid", lambda: 1000)
    assert unprivileged.command(["python", "-m", "x"], tmp_path) == ["python", "-m", "x"]


@pytest.mark.parametrize("closed", [True, False])
def test_root_becomes_nobody_and_gets_own_mounts_where_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, closed: bool
) -> None:
    code = tmp_path / "a b"
    code.mkdir(mode=0o755)
    monkeypatch.setattr(unprivileged.os, "geteuid", lambda: 0)
    monkeypatch.setattr(unprivileged, "others_may_enter", lambda folder: not closed or folder != tmp_path)
    monkeypatch.setattr(unprivileged, "_require_readable", lambda _: None)
    found = unprivileged.command(["python", "-m", "x"], code)
    script = found[-5]
    assert found[-4:] == ["function", "python", "-m", "x"]
    assert (found[0] == "unshare") is closed
    assert (f"mount -t tmpfs -o mode=755 tmpfs {tmp_path}" in script) is closed
    assert script.splitlines()[-2] == f"cd '{code}'"
    assert script.splitlines()[-1].startswith("exec setpriv --reuid=")
    assert "--clear-groups --no-new-privs" in script


def test_code_that_nobody_can_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(unprivileged.os, "geteuid", lambda: 0)
    secret = tmp_path / "code"
    secret.mkdir(mode=0o700)
    with pytest.raises(CloudError, match=r"user nobody, who cannot read .*code. Make it readable: `chmod -R o\+rX"):
        unprivileged.command(["python"], secret)
