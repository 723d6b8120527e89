"""In which order, and how many at a time, those who wait go to an engine; who gives up a place in a full queue."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import pytest

from core.contract.network import RELEASED_MAX
from runtime.gateway.errors import Refusal
from runtime.gateway.unit.line import SENDING_MAX, Line, Turn
from runtime.gateway.unit.queue import Places, Queue

ANN, BOB, EVE = ("ann", ""), ("bob", ""), ("eve", "")


def release(turns: Sequence[Turn]) -> list[Turn]:
    """All of them, each as soon as it may, and each at its end at once."""
    gone: list[Turn] = []
    while len(gone) < len(turns):
        for turn in [t for t in turns if t not in gone]:
            if turn.go():
                turn.sent()
                turn.answered()
                turn.end()
                gone.append(turn)
    return gone


def test_one_caller_is_served_in_the_order_of_arrival() -> None:
    line = Line()
    turns = [line.join(ANN) for _ in range(20)]
    assert release(list(reversed(turns))) == turns


def test_callers_take_turns() -> None:
    line = Line()
    anns = [line.join(ANN) for _ in range(4)]
    bobs = [line.join(BOB) for _ in range(2)]
    assert release([*anns, *bobs]) == [anns[0], bobs[0], anns[1], bobs[1], anns[2], anns[3]]


def test_accounts_behind_one_key_are_callers_of_their_own() -> None:
    line = Line()
    first, second, other = line.join(("webui", "a")), line.join(("webui", "a")), line.join(("webui", "b"))
    assert release([first, second, other]) == [first, other, second]


def test_so_many_are_on_their_way_at_a_time() -> None:
    line = Line()
    turns = [line.join(ANN) for _ in range(SENDING_MAX + 2)]
    assert [turn.go() for turn in turns] == [True] * SENDING_MAX + [False] * 2
    turns[SENDING_MAX].stirred.clear()
    turns[3].sent()
    assert turns[SENDING_MAX].stirred.is_set(), "who is next is told"
    assert (turns[SENDING_MAX].go(), turns[SENDING_MAX + 1].go()) == (True, False)


def test_so_many_are_in_the_engine_at_a_time() -> None:
    line = Line()
    turns = [line.join(ANN) for _ in range(RELEASED_MAX + 2)]
    for turn in turns[:RELEASED_MAX]:
        assert turn.go()
        turn.sent()
    turns[5].answered()
    assert not turns[RELEASED_MAX].go(), "an answer that has begun is in the engine still"
    turns[5].end()
    turns[5].end()
    assert (turns[RELEASED_MAX].go(), turns[RELEASED_MAX + 1].go()) == (True, False)


def test_what_reached_no_engine_has_its_old_place() -> None:
    line = Line()
    turns = [line.join(ANN) for _ in range(4)]
    for turn in turns[:3]:
        turn.go()
    turns[1].sent()
    for turn in (turns[2], turns[1]):
        turn.back()
    assert [turn.ahead for turn in turns[1:]] == [0, 1, 2]
    assert release(turns[1:]) == turns[1:]


def test_who_leaves_makes_room_and_an_answer_goes_on() -> None:
    line = Line()
    turns = [line.join(ANN) for _ in range(SENDING_MAX + 2)]
    for turn in turns[:SENDING_MAX]:
        turn.go()
    turns[0].answered()
    turns[0].leave()
    turns[1].leave()
    turns[SENDING_MAX].leave()
    assert len(line) == 1
    assert turns[SENDING_MAX + 1].go()


# ---------------------------------------------------------------- a full queue
def sit(queue: Queue, stack: contextlib.ExitStack, key: str, user: str = "") -> Turn:
    return stack.enter_context(queue.place("tiny", key, user))


def test_a_caller_alone_may_have_all_places() -> None:
    queue = Queue(Places(4))
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            sit(queue, stack, "ann")
        with pytest.raises(Refusal, match="4 requests wait"):
            sit(queue, stack, "ann")


def test_in_a_full_queue_the_newest_of_who_has_most_gives_way() -> None:
    queue = Queue(Places(4))
    with contextlib.ExitStack() as stack:
        anns = [sit(queue, stack, "ann") for _ in range(4)]
        bobs = [sit(queue, stack, "bob") for _ in range(2)]
        assert [turn.refused is None for turn in anns] == [True, True, False, False]
        assert all(turn.refused is None for turn in bobs)
        refused = anns[3].refused
        assert refused is not None
        assert (refused.status, refused.code, refused.retry_after_s) == (429, "queue_share", 60)
        with pytest.raises(Refusal) as caught:
            sit(queue, stack, "bob")
        assert caught.value.code == "queue_full", "both have half"
        assert release([anns[0], anns[1], *bobs]) == [anns[0], bobs[0], anns[1], bobs[1]], "nobody is in the way"


def test_a_third_caller_finds_a_place_too() -> None:
    queue = Queue(Places(4))
    with contextlib.ExitStack() as stack:
        for key in ("ann", "ann", "bob", "bob"):
            sit(queue, stack, key)
        with pytest.raises(Refusal):
            sit(queue, stack, "ann")
        with contextlib.suppress(Refusal):
            sit(queue, stack, "eve")
        assert queue.waiting == 4 + 1, "the one that was refused has not left yet"


def test_people_at_the_chat_page_are_callers_of_their_own() -> None:
    queue = Queue(Places(4))
    with contextlib.ExitStack() as stack:
        mine = [sit(queue, stack, "webui", "a") for _ in range(4)]
        sit(queue, stack, "webui", "b")
        assert [turn.refused is None for turn in mine] == [True, True, True, False]


def test_who_is_with_the_engine_already_keeps_its_place() -> None:
    queue = Queue(Places(3))
    with contextlib.ExitStack() as stack:
        anns = [sit(queue, stack, "ann") for _ in range(3)]
        assert all(turn.go() for turn in anns)
        with pytest.raises(Refusal, match="3 requests wait"):
            sit(queue, stack, "bob")
        assert all(turn.refused is None for turn in anns)


def test_a_place_that_was_taken_away_is_free_once() -> None:
    places = Places(2)
    queue = Queue(places)
    with contextlib.ExitStack() as stack:
        with contextlib.ExitStack() as anns:
            for _ in range(2):
                sit(queue, anns, "ann")
            sit(queue, stack, "bob")
        assert queue.waiting == 1
        sit(queue, stack, "bob")
        with pytest.raises(Refusal):
            sit(queue, stack, "bob")
