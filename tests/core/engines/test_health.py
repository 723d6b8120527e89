"""When an engine counts as dead, and when its unit is restarted: a table of readings."""

from __future__ import annotations

import pytest

from core.engines.health import (
    ALIVE,
    GIVEN_UP_S,
    HUNG_S,
    LOADING_S,
    SILENT_S,
    Answer,
    Health,
    heard,
    restart_due,
    words,
)

T = 1000.0


@pytest.mark.parametrize(
    ("answer", "unit", "for_s", "dead"),
    [
        (Answer.YES, "active", 0.0, False),
        (Answer.YES, "failed", 0.0, False),  # whoever answers is alive
        (Answer.NO, "active", 0.0, True),  # a process that loads its model: nobody is answered
        (Answer.NO, "failed", 0.0, True),
        (Answer.SILENT, "failed", 0.0, True),
        (Answer.SILENT, "active", SILENT_S - 1, False),  # it may only be busy
        (Answer.SILENT, "active", SILENT_S, True),
        (Answer.SILENT, "", SILENT_S - 1, False),
    ],
)
def test_dead(answer: Answer, unit: str, for_s: float, dead: bool) -> None:
    assert heard(heard(ALIVE, answer, unit, T), answer, unit, T + for_s).dead(T + for_s) is dead


def test_one_answer_makes_it_alive_again() -> None:
    gone = heard(ALIVE, Answer.NO, "failed", T)
    assert heard(gone, Answer.YES, "active", T + 5) == ALIVE


def test_an_engine_that_was_down_and_accepts_connections_again_is_dead_until_it_answers() -> None:
    down = heard(ALIVE, Answer.NO, "activating", T)
    assert heard(down, Answer.SILENT, "active", T + 20).dead(T + 20)


@pytest.mark.parametrize(
    ("answer", "unit", "after_s"),
    [
        (Answer.NO, "failed", GIVEN_UP_S),
        (Answer.NO, "inactive", GIVEN_UP_S),
        (Answer.SILENT, "active", HUNG_S),
        (Answer.NO, "active", LOADING_S),
        (Answer.NO, "activating", LOADING_S),
        (Answer.NO, "", LOADING_S),
    ],
)
def test_a_unit_is_restarted_once_it_will_not_come_back(answer: Answer, unit: str, after_s: float) -> None:
    gone = heard(ALIVE, answer, unit, T)
    assert not restart_due(gone, answer, unit, T + after_s - 1)
    assert restart_due(gone, answer, unit, T + after_s)
    again = Health(gone.since, gone.down, restarted_at=T + after_s)
    assert not restart_due(again, answer, unit, T + 2 * after_s - 1), "it counts anew after a restart"
    assert restart_due(again, answer, unit, T + 2 * after_s)


def test_one_that_answers_is_never_restarted() -> None:
    assert not restart_due(ALIVE, Answer.YES, "failed", T + 1e6)


def test_words() -> None:
    assert words("a, b", 185.0) == "the engine a, b has not answered for 3m 5s"
