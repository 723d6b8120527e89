import threading
from collections.abc import Callable

import pytest

from core.errors import SetupError
from local.setup import graph
from local.setup.graph import Step
from local.setup.site import Say


class Recorder:
    def __init__(self) -> None:
        self.lines: list[tuple[str, ...]] = []

    def began(self, step: str) -> None:
        self.lines.append(("began", step))

    def said(self, step: str, text: str) -> None:
        self.lines.append(("said", step, text))

    def ended(self, step: str, text: str) -> None:
        self.lines.append(("ended", step, text))

    def failed(self, step: str) -> None:
        self.lines.append(("failed", step))


def step(name: str, make: Callable[[Say], str] = lambda _: "done", needs: tuple[str, ...] = ()) -> Step:
    return Step(name, made=lambda: None, will=lambda: name, make=make, needs=needs)


def test_a_step_waits_for_its_needs() -> None:
    display = Recorder()
    graph.run([step("image", needs=("docker",)), step("docker")], display, lambda: None)
    assert display.lines == [
        ("began", "docker"),
        ("ended", "docker", "done"),
        ("began", "image"),
        ("ended", "image", "done"),
    ]


def test_a_need_that_is_met_already_is_not_waited_for() -> None:
    display = Recorder()
    graph.run([step("image", needs=("docker",))], display, lambda: None)
    assert ("ended", "image", "done") in display.lines


def test_independent_steps_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(_: Say) -> str:
        both.wait()  # breaks, and fails the test, where one runs after the other
        return "met"

    graph.run([step("a", meet), step("b", meet)], Recorder(), lambda: None)


def test_a_step_may_say_what_it_does() -> None:
    display = Recorder()

    def talk(say: Say) -> str:
        say("half")
        return "whole"

    graph.run([step("a", talk)], display, lambda: None)
    assert ("said", "a", "half") in display.lines


def test_a_failure_stops_the_others_and_what_depends_on_it_never_starts() -> None:
    stopped = threading.Event()
    display = Recorder()

    def fail(_: Say) -> str:
        raise SetupError("no network")

    def long(_: Say) -> str:
        assert stopped.wait(10)
        return "ended"

    with pytest.raises(SetupError, match="no network"):
        graph.run([step("a", fail), step("b", long), step("c", needs=("a",))], display, stopped.set)
    assert stopped.is_set()
    assert ("failed", "a") in display.lines
    assert ("began", "c") not in display.lines


def test_only_what_is_not_made_is_missing() -> None:
    there = Step("there", made=lambda: "yes", will=lambda: "", make=lambda _: "")
    assert [s.name for s in graph.missing([there, step("not")])] == ["not"]


def test_an_interrupted_step_is_done_again_and_a_finished_one_is_not() -> None:
    things: dict[str, str] = {}
    made: list[str] = []
    interrupt = [True]

    def kept(name: str) -> Step:
        def make(_: Say) -> str:
            made.append(name)
            if name == "second" and interrupt.pop():
                raise KeyboardInterrupt
            things[name] = "made"
            return "made"

        needs = ("first",) if name == "second" else ()
        return Step(name, made=lambda: things.get(name), will=lambda: "", make=make, needs=needs)

    steps = [kept("first"), kept("second")]
    with pytest.raises(KeyboardInterrupt):
        graph.run(graph.missing(steps), Recorder(), lambda: None)
    interrupt.append(False)
    graph.run(graph.missing(steps), Recorder(), lambda: None)
    assert made == ["first", "second", "second"]
    assert graph.missing(steps) == []
