"""The story was told by the demo's fixture; here its facts are checked."""

from __future__ import annotations

from local.demo.figures import LIMITS
from tests.e2e.world import Stack, git_status


def test_the_demo_told_the_whole_story(demo: Stack) -> None:
    said = demo.output
    for part in ("Stack created", "Deployed", "Paris", "DRAINING", "STOPPING", "EC2 says stopped", "Awake again"):
        assert part in said, f"the demo never said {part!r}:\n{said}"


def test_every_figure_was_measured(demo: Stack) -> None:
    assert set(demo.figures) == set(LIMITS)
    assert all(v >= 0 for k, v in demo.figures.items() if k != "wake_overhead_s")


def test_the_first_deploy_was_not_stopped_under_its_hands(demo: Stack) -> None:
    events = demo.watch.events()
    states = [e["after"] for e in events]
    assert states[:2] == ["NEW", "RUNNING"]
    assert states[2:6] == ["DRAINING", "STOPPING", "STOPPED", "STARTING"], states


def test_the_machine_turned_itself_off(demo: Stack) -> None:
    stopping = next(e for e in demo.watch.events() if e["after"] == "STOPPING")
    assert stopping["by"] == "agent"


def test_the_checkout_is_as_it_was(demo: Stack, git_before: str) -> None:
    assert git_status() == git_before
