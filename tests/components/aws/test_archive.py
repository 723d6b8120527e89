"""The Lambdas' archives: what is in them, that they are the same every time, and that they can be imported alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from components.aws import archive
from core.contract.documents import NOTIFIER_HANDLER


def test_what_is_in_it() -> None:
    names = list(archive.files())
    assert names == sorted(names)
    assert {"core/__init__.py", "core/contract/paths.py", "core/lease/__init__.py", "runtime/__init__.py"} <= set(names)
    assert {"cronsim/__init__.py", "tzdata/zoneinfo/Europe/Berlin"} <= set(names)
    assert not [n for n in names if "__pycache__" in n or n.startswith(("core/settings", "runtime/agent"))]
    assert not [n for n in names if n.startswith("runtime/gateway")]


def test_byte_code_does_not_change_it(tmp_path: Path) -> None:
    for folder in ("core/lease", "runtime/reaper"):
        (tmp_path / folder / "__pycache__").mkdir(parents=True)
        (tmp_path / folder / "a.py").write_text("")
    before = archive.files(tmp_path)
    assert {"core/lease/a.py", "runtime/reaper/a.py"} <= set(before)
    (tmp_path / "core/lease" / "__pycache__" / "a.cpython-311.pyc").write_text("x")
    assert archive.files(tmp_path) == before


def test_byte_code_of_a_package_stays_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "vendored_here" / "__pycache__"
    cache.mkdir(parents=True)
    (cache.parent / "__init__.py").write_text("")
    (cache.parent / "data").write_text("x")
    (cache / "__init__.cpython-311.pyc").write_text("x")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(archive, "VENDORED", ("vendored_here",))
    assert list(archive.files(tmp_path)) == ["vendored_here/__init__.py", "vendored_here/data"]


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "VENDORED", ("no_such_package",))
    with pytest.raises(ModuleNotFoundError, match="no_such_package is not installed; run `make setup`"):
        archive.files()


def test_time_zones_come_from_the_archive(tmp_path: Path) -> None:
    """In a clean interpreter that sees the archive only: cron, zones and the contract, without pydantic."""
    for name, source in archive.files().items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import zoneinfo; zoneinfo.reset_tzpath(())\n"
        "import core.contract, core.lease, core.policy, cronsim\n"
        "assert core.contract.__file__.startswith(sys.path[0])\n"
        "print(zoneinfo.ZoneInfo('Europe/Berlin'), 'pydantic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-ISc", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("Europe/Berlin False\n", "")


def test_what_is_in_the_notifiers(tmp_path: Path) -> None:
    for name in (
        "core/__init__.py", "core/contract/table.py", "core/lease/record.py", "core/settings/model.py",
        "runtime/__init__.py", "runtime/aws.py",
        "runtime/logs.py", "runtime/lease_client.py", "runtime/notifier/__init__.py", "runtime/notifier/deep/call.py",
        "runtime/reaper/__init__.py", "runtime/notifier/__pycache__/x.pyc",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert list(archive.notifier_files(tmp_path)) == [
        "core/__init__.py", "core/contract/table.py", "runtime/__init__.py", "runtime/aws.py", "runtime/logs.py",
        "runtime/notifier/__init__.py", "runtime/notifier/deep/call.py",
    ]  # fmt: skip
    assert not [name for name in archive.files(tmp_path) if name.startswith("runtime/notifier")]


def test_a_checkout_without_a_notifier_is_not_whole(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="the checkout is not whole"):
        archive.notifier_files(tmp_path)


@pytest.mark.skipif(not (archive.ROOT / "runtime" / "notifier").is_dir(), reason="no notifier in this checkout")
def test_the_notifiers_archive_can_be_imported_alone(tmp_path: Path) -> None:
    """In a clean interpreter that sees the archive only, so without the packages that the reaper takes along."""
    for name, source in archive.notifier_files().items():
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    module, _, function = NOTIFIER_HANDLER.rpartition(".")
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        f"import {module}\n"
        f"print(callable({module}.{function}), 'pydantic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-ISc", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("True False\n", "")
