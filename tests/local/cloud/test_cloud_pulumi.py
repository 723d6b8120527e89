"""`fab cloud.pulumi`: the checkout's stack file is what counts, each time; Pulumi itself is not run here."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from core.errors import CloudError, SettingsError
from local import project
from local.cloud import environment
from local.cloud import pulumi as cloud_pulumi
from local.folders import CHECKOUT

SHIPPED = (CHECKOUT / "stacks/Pulumi.demo.yaml").read_text()


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The checkout's stack file, to be edited."""
    file = tmp_path / "checkout/stacks/Pulumi.demo.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(SHIPPED)
    monkeypatch.setattr(project.folders, "CHECKOUT", tmp_path / "checkout")
    return file


class Cloud:
    """A cloud that is up; `ran` are pulumi's arguments, `does` what a run of it does."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.ran: list[list[str]] = []
        self.does = lambda: None

    def pulumi(self, args: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        self.ran.append(list(args))
        if args[0] != "stack":
            self.does()
        return subprocess.CompletedProcess(args, 0, "")


@pytest.fixture
def cloud(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    state = tmp_path / "state"
    state.mkdir()
    environment.make_secrets(state, "lab")
    made = Cloud(state)
    monkeypatch.setattr(cloud_pulumi, "Cloud", SimpleNamespace(load=lambda: made))
    return made


def stop_after(cloud: Cloud) -> str:
    return str(yaml.safe_load(rendered(cloud).read_text())["config"]["pilotlight:idle"]["stopAfter"])


def rendered(cloud: Cloud) -> Path:
    return project.stack_file(cloud.state, "demo")


def test_an_edit_of_the_checkouts_file_counts_at_once(cloud: Cloud, source: Path) -> None:
    assert cloud_pulumi.run(["up", "--yes"], "demo") == 0
    assert stop_after(cloud) == "20s"
    source.write_text(SHIPPED.replace("stopAfter: 20s", "stopAfter: 45s"))
    cloud_pulumi.run(["up", "--yes"], "demo")
    assert stop_after(cloud) == "45s"
    assert cloud.ran[-1] == ["up", "--yes", "--stack", "demo"]


@pytest.mark.parametrize("command", ["up", "preview"])
def test_a_wrong_value_names_the_checkouts_file_and_pulumi_is_not_run(command: str, cloud: Cloud, source: Path) -> None:
    source.write_text(SHIPPED.replace("stopAfter: 20s", "stopAfter: soon"))
    with pytest.raises(SettingsError, match=f"{source}.*stopAfter"):
        cloud_pulumi.run([command], "demo")
    assert cloud.ran == []
    assert cloud_pulumi.run(["destroy"], "demo") == 0  # it reads no settings


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"config:\n\tpilotlight:idle: {}\n", "line 2 cannot be read: found character '\\\\t'"),
        (b"config: {} # f\xfcr\n", "cannot be read: it is not in UTF-8"),
        (b"config:\n  a: s3cr3t: b\n", "line 2 cannot be read: mapping values are not allowed here"),
        (b"nothing\n", "cannot be read: this is not a stack file"),
        (b"[1]\n", "cannot be read: this is not a stack file"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_message(text: bytes, words: str, cloud: Cloud, source: Path) -> None:
    source.write_bytes(text)
    with pytest.raises(CloudError, match=words) as caught:
        cloud_pulumi.run(["up"], "demo")
    assert str(caught.value).startswith(str(source))
    assert "s3cr3t" not in str(caught.value)


def test_what_was_edited_in_the_rendered_file_is_shown_when_it_goes(cloud: Cloud, capsys: Any) -> None:
    cloud_pulumi.run(["up"], "demo")
    rendered(cloud).write_text(rendered(cloud).read_text().replace("stopAfter: 20s", "stopAfter: 1h"))
    cloud_pulumi.run(["up"], "demo")
    said = capsys.readouterr().err
    assert (stop_after(cloud), "-  stopAfter: 20s" in said, "+  stopAfter: 1h" in said) == ("20s", True, True)


def test_config_set_says_where_it_would_stay(cloud: Cloud, source: Path, capsys: Any) -> None:
    def config_set() -> None:
        rendered(cloud).write_text(rendered(cloud).read_text().replace("stopAfter: 20s", "stopAfter: 1h"))

    cloud.does = config_set
    cloud_pulumi.run(["config", "set", "--path", "pilotlight:idle.stopAfter", "1h"], "demo")
    assert f"write it into {source}" in capsys.readouterr().err
