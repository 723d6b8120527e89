"""Paths as users type them."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import DeployError, SettingsError
from remote import paths


def test_a_home_folder_is_what_a_shell_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    assert paths.typed("~/a.log") == Path("/home/ann/a.log")
    assert paths.typed("") == Path()


def test_a_home_folder_that_nobody_knows_is_one_message() -> None:
    with pytest.raises(SettingsError, match='"~nosuch/a": the home folder of ~nosuch is not known here'):
        paths.typed("~nosuch/a")


@pytest.mark.parametrize(
    ("text", "path"), [("may", "may"), ("a/may.png", "a/may"), ("may.svg", "may"), ("may.2026", "may.2026")]
)
def test_a_pictures_ending_is_not_written_twice(text: str, path: str) -> None:
    assert paths.picture(text) == Path(path)


@pytest.mark.parametrize("text", ["", ".", "..", "/", "a/.."])
def test_a_picture_needs_a_name(text: str) -> None:
    with pytest.raises(SettingsError, match="names no file"):
        paths.picture(text)


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "prices.py"
    path.write_text("old")
    path.chmod(0o640)
    with path.open() as reader:
        paths.replace(path, "new €")
        assert reader.read() == "old", "who reads meanwhile reads the whole of the old one"
    assert path.read_text(encoding="utf-8") == "new €"
    assert path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(UnicodeEncodeError):
        paths.replace(path, "half\ud800")
    assert path.read_text(encoding="utf-8") == "new €"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"gone/a\.json cannot be written: No such file .* It is as it was"):
        paths.replace(tmp_path / "gone" / "a.json", "{}")
