"""Stack files as `fab` reads them: what Pulumi encrypted there is nobody else's, and no obstacle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from core.errors import SettingsError
from remote import stack_files

FILE = """
encryptionsalt: v1:salt
config:
  pilotlight:engines:
    a: {model: x/m}
  pilotlight:notify:
    email: [ops@example.org]
    webhooks:
      - url:
          secure: v1:abc:def
        format: slack
      - secure: v1:ghi:jkl
      - https://hooks.slack.com/services/T0/B0/plain
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "stacks").mkdir()
    monkeypatch.setattr(stack_files, "CHECKOUT", tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def test_encrypted_webhooks_are_webhooks_without_a_url(checkout: Path) -> None:
    (checkout / "stacks" / "Pulumi.lab.yaml").write_text(FILE)
    notify = stack_files.settings_of("lab").notify
    assert [(w.url, w.body) for w in notify.webhooks] == [
        (None, "slack"),
        (None, "json"),
        ("https://hooks.slack.com/services/T0/B0/plain", "slack"),
    ]
    assert notify.email == ("ops@example.org",)


@pytest.mark.parametrize("name", ["x" * 5000, "a/../b", "a\0b", "-s", "a b"])
def test_a_name_that_no_stack_can_have_is_said_before_a_file_is_looked_for(checkout: Path, name: str) -> None:
    for read in (stack_files.find, stack_files.settings_of):
        with pytest.raises(SettingsError, match=r"^Stack `.*a name is a-z, 0-9 and -") as refused:
            read(name)
        assert len(str(refused.value)) < 150


def test_what_is_no_file_is_one_message_and_nothing_is_waited_for(checkout: Path) -> None:
    stacks = checkout / "stacks"
    (stacks / "Pulumi.link.yaml").symlink_to("nowhere.yaml")
    (stacks / "Pulumi.folder.yaml").mkdir()
    (stacks / "Pulumi..yaml").write_text(FILE)
    (stacks / "Pulumi.utf16.yaml").write_bytes(FILE.encode("utf-16"))
    os.mkfifo(stacks / "Pulumi.pipe.yaml")
    assert stack_files.names() == ["folder", "link", "pipe", "utf16"]
    for name, words in {
        "link": "is a link to nowhere.yaml, which is not there.",
        "folder": "is not a file.",
        "pipe": "is not a file.",
        "utf16": "cannot be read: it is not in UTF-8. Save it as UTF-8.",
    }.items():
        for read in (stack_files.find, stack_files.settings_of):
            with pytest.raises(SettingsError) as caught:
                read(name)
            assert str(caught.value) == f"{stacks / f'Pulumi.{name}.yaml'} {words}"
