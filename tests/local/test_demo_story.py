"""The story's words, over machines that only remember: who reads them knows nothing of leases."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from core import settings
from core.contract.documents import Outputs
from local.demo import __main__ as demo
from local.demo import story as story_module
from local.demo.caller import Answer
from local.demo.narrator import Narrator
from local.demo.story import Story
from remote.stack_files import CHECKOUT
from remote.stack_yaml import read

DEMO = CHECKOUT / "stacks/Pulumi.demo.yaml"
INTERNAL = re.compile(
    r"\b(epoch|lease|cordon\w*|admission|idle check|wake request|inhibitor|relay|agent|demand)\b", re.I
)


class Watch:
    """A stack that does what the story waits for, at once. Times are seconds of a table that began at 0."""

    def __init__(self) -> None:
        self.outputs = {Outputs.HOST_PRIVATE_IP: "10.64.0.5"}

    def lease(self) -> dict[str, Any]:
        return {"epoch": 7}

    def relay_mib(self) -> float:
        return 40.0

    def agent_mib(self) -> float:
        return 30.0

    def wait_state(self, state: str, *, after_epoch: int, timeout_s: float = 300.0) -> dict[str, Any]:
        assert after_epoch >= 7
        return {"epoch": after_epoch + 1, "reason": "nobody asked for 20s", "demand_at": 100.0, "at": 212.5}

    def wait_off(self) -> float:
        return 130.0

    def ec2_state(self) -> str:
        return "stopped"

    def container_state(self) -> str:
        return "exited"

    def engine_start(self, engine: str) -> tuple[float, float]:
        return 203.0, 212.0


class Ssh:
    up_at = 201.0

    def __init__(self, _: str) -> None: ...

    def begin(self) -> Any:
        return SimpleNamespace(join=lambda timeout: None)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> tuple[Story, io.StringIO]:
    said = io.StringIO()
    story = Story(Narrator(Console(file=said, highlight=False, soft_wrap=True, no_color=True)))
    story.settings = settings.load(read(DEMO.read_text(), str(DEMO)), "demo", to_deploy=False)
    story.watch = Watch()  # type: ignore[assignment]
    calls = {"last": {"ec2:StartInstances": 200.1}}
    story.cloud = SimpleNamespace(calls=lambda: calls)  # type: ignore[assignment]
    answer = Answer("Paris.", 200.0, 213.0, 214.0)
    story.caller = SimpleNamespace(stream=lambda: answer)  # type: ignore[assignment]
    monkeypatch.setattr(story_module, "SshWatch", Ssh)
    return story, said


def test_falling_asleep_is_told_with_its_states_and_without_words_of_the_protocol(
    told: tuple[Story, io.StringIO],
) -> None:
    story, said = told
    _, stop_s, *_ = story.fall_asleep(Answer("Paris.", 90.0, 91.0, 91.0))
    assert stop_s == 130.0 - (100.0 + 20.0)
    text = said.getvalue()
    assert all(part in text for part in ("after 20 s without a request", "DRAINING", "STOPPING", "EC2 says stopped"))
    assert not INTERNAL.findall(text)


def test_a_wake_is_told_in_parts_that_add_up_to_all_of_it(told: tuple[Story, io.StringIO]) -> None:
    story, said = told
    times = story.wake()
    text = said.getvalue()
    assert "Awake again: “Paris.”, its first token after 13.0 s" in text
    assert not INTERNAL.findall(text)
    parts = [float(seconds) for seconds in re.findall(r"([\d.]+) s\b", text.rpartition("Of that: ")[2])]
    assert sum(parts) == pytest.approx(times.first_token - times.asked, abs=0.1)
    assert "boot 2.9 s, engine smollm2 9.5 s" in text


def test_a_wrong_name_of_a_cloud_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PILOTLIGHT_CLOUD", "Mine")
    assert demo.main([]) == 1
    assert capsys.readouterr().out.strip().splitlines() == [
        "PILOTLIGHT_CLOUD is `Mine`; allowed are a-z, 0-9 and -, at most 40, not starting with -."
    ]
