"""Stack files as `fab` reads them: what Pulumi encrypted there is nobody else's, and no obstacle."""

from __future__ import annotations

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
