"""What the reapers can do next: whatever a policy could ask for, from whatever was read, dying anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.lease import Lease, State
from tests.core.protocol.leases import MACHINE, NONE, NOW
from tests.core.protocol.moves import FAULT, MERCY, NORMAL, Steps, start_sent, stop_sent, with_reaper, write
from tests.core.protocol.world import NO_REAPER, OFF, ON, OWES_START, OWES_STOP, READ, Model, Reaper, World


def reapers(m: Model, w: World) -> Steps:
    """Each reads, decides by what it read, and sends what it claimed; it may die anywhere."""
    if w.lease == NONE:
        return
    alone = m.options.reapers == 1 and w.reapers != (NO_REAPER, NO_REAPER)
    for i in range(2):
        mine, other = w.reapers[i], w.reapers[1 - i]
        if i and mine == w.reapers[0]:
            return
        if mine.lease == NONE:
            if alone or w.replaced:  # EC2 says `terminated` of the lease's machine: the policy keeps still
                continue
            yield "reaper reads", NORMAL, with_reaper(w, Reaper(w.lease, w.view, READ), other)
            continue
        yield "a reaper ends", NORMAL, with_reaper(w, NO_REAPER, other)
        ours = m.leases.all[mine.lease].instance_id == MACHINE
        if mine.at == OWES_START:
            yield "reaper sends StartInstances", NORMAL, start_sent(with_reaper(w, NO_REAPER, other), ours)
            if (done := write(m, with_reaper(w, NO_REAPER, other), "reaper:fail", mine.lease)) is not None:
                yield "EC2 refuses reaper's order: reaper:fail", MERCY, done[0]
            if (done := write(m, with_reaper(w, NO_REAPER, other), "reaper:not_now", mine.lease)) is not None:
                yield "EC2 does not take reaper's order now: reaper:not_now", MERCY, done[0]
                yield "reaper's order lands without an answer: reaper:not_now", MERCY, start_sent(done[0], ours)
        elif mine.at == OWES_STOP:
            yield "reaper sends StopInstances", NORMAL, stop_sent(with_reaper(w, NO_REAPER, other), ours)
        else:
            yield from _reaper_writes(m, w, i)


MAY: Final = frozenset({"reaper:drop_wake_request", "reaper:spent"})
OWES: Final = {
    "reaper:start": OWES_START,
    "reaper:repeat_start": OWES_START,
    "reaper:climb": OWES_START,
    "reaper:climb a rung": OWES_START,
    "reaper:stop_order": OWES_STOP,
    "reaper:fail and stop": OWES_STOP,
}


def _reaper_writes(m: Model, w: World, place: int) -> Steps:
    mine, other = w.reapers[place], w.reapers[1 - place]
    known = m.leases.all[mine.lease]
    alone = with_reaper(w, NO_REAPER, other)
    seen = known.stopped_seen is not None
    acts = _reaper_may(known.state, off=mine.view == OFF, up=mine.view == ON, seen=seen)
    for op in (*acts, *_reaper_notes(m, known, off=mine.view == OFF)):
        done = write(m, alone, op, mine.lease)
        if done is None:
            continue
        after, lease = done
        kind = MERCY if op in MAY else NORMAL
        if op == "reaper:force":  # of a dead engine it is the policy's own, and somebody may depend on it
            if not w.faults:
                continue
            kind, after = FAULT, after._replace(faults=w.faults - 1)
        owes = OWES.get(op)
        if owes is None:
            yield op, kind, after
        else:
            rest = next((r for r in after.reapers if r != NO_REAPER), NO_REAPER)
            yield op, kind, with_reaper(after, Reaper(lease, OFF, owes), rest)


def _reaper_may(state: State, *, off: bool, up: bool, seen: bool) -> Iterator[str]:
    """What a policy could ask for; the explorer does not know which policy, so all of it."""
    if state in (State.NEW, State.STARTING, State.RUNNING, State.DRAINING):
        yield "reaper:force"
    if state in (State.NEW, State.RUNNING, State.DRAINING):
        yield "reaper:seen_stopped" if off and not seen else "reaper:lost" if off else "reaper:seen_stopped no more"
    match state:
        case State.RUNNING:
            yield "reaper:drain"
        case State.DRAINING:
            yield "reaper:resume"
        case State.STARTING:
            yield from ("reaper:repeat_start", "reaper:climb", "reaper:fail") if off else ("reaper:fail and stop",)
        case State.STOPPING:
            yield "reaper:stopped" if off else "reaper:stop_order"
        case State.STOPPED | State.FAILED:
            yield from _reaper_may_off(state, off=off, up=up, seen=seen)


def _reaper_notes(m: Model, known: Lease, *, off: bool) -> Iterator[str]:
    """The budget's end and the ladder's types, where the search is about them."""
    if m.options.dead_engines and m.options.force_dead and known.dead and known.state is State.RUNNING:
        yield "reaper:force a dead engine"
    if m.options.budget:
        yield "reaper:spent no more" if known.spent(NOW) else "reaper:spent"
    if not m.options.ladder:
        return
    if known.state is State.STARTING and off and not known.rung:
        yield "reaper:climb a rung"
    if known.state in (State.STOPPED, State.FAILED) and off and known.rung:
        yield "reaper:restore"
    if known.type_at is not None:
        yield "reaper:restored"


def _reaper_may_off(state: State, *, off: bool, up: bool, seen: bool) -> Iterator[str]:
    yield "reaper:drop_wake_request"
    if off:
        yield "reaper:start"
    if state is State.FAILED and off and not seen:
        yield "reaper:seen_stopped"
    if up:
        yield "reaper:stop_order" if state is State.FAILED and not seen else "reaper:adopt"
