"""One form of log line for every program."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from runtime import logs


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """What was said on standard output; our logger is as a fresh process has it."""
    ours = logging.getLogger(logs.OURS)
    handlers, propagates, level = ours.handlers, ours.propagate, ours.level
    ours.handlers = []

    def said() -> list[str]:
        return capsys.readouterr().out.splitlines()

    yield said
    ours.handlers, ours.propagate, ours.level = handlers, propagates, level


def test_a_line_has_the_same_keys_everywhere(lines: Callable[[], list[str]]) -> None:
    logs.to_stdout()
    logging.getLogger("pilotlight.reaper").info("did %d", 3, extra={"facts": {"unit": "a/host", "level": "mine"}})
    (line,) = map(json.loads, lines())
    assert list(line) == ["at", "level", "part", "what", "unit"]
    assert (line["level"], line["part"], line["what"]) == ("info", "pilotlight.reaper", "did 3")
    assert line["at"].endswith("+00:00")


def test_an_exception_is_in_its_line(lines: Callable[[], list[str]]) -> None:
    logs.to_stdout()
    try:
        raise ValueError("x")
    except ValueError:
        logging.getLogger("pilotlight.agent").exception("failed", extra={"facts": {"what_kind": object()}})
    (line,) = map(json.loads, lines())
    assert "ValueError: x" in line["traceback"]
    assert line["level"] == "error"


def test_a_warm_lambda_says_things_once(lines: Callable[[], list[str]]) -> None:
    for _ in range(3):
        logs.to_stdout()
    logging.getLogger("pilotlight.notifier").warning("once")
    assert len(lines()) == 1


def test_libraries_are_not_ours(lines: Callable[[], list[str]]) -> None:
    logs.to_stdout()
    logging.getLogger("botocore").warning("not ours")
    assert lines() == []


def test_lambdas_own_handler_does_not_say_it_again(lines: Callable[[], list[str]]) -> None:
    logs.to_stdout()
    root, said = logging.getLogger(), list[str]()
    lambdas = logging.Handler()
    lambdas.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    root.addHandler(lambdas)
    logging.getLogger("pilotlight.notifier").warning("once")
    root.removeHandler(lambdas)
    assert (said, len(lines())) == ([], 1)
