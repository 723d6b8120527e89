"""Of two relays one acts on the lease; the other reads, requests wakes for its callers, and takes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from core import lease as protocol
from core.contract import intervals
from core.lease import State
from runtime.backends.power import PowerUnanswered
from runtime.gateway.unit.acting import Lock
from runtime.gateway.unit.watch import TAKE_OVER_S
from tests.runtime.gateway.stage import Stage


def standby(state: State) -> Stage:
    """A relay beside one that acts."""
    stage = Stage().bring_to(state)
    stage.acting.other = True
    stage.look()
    return stage


def test_a_lock_is_one_relays_until_it_ends(tmp_path: Path) -> None:
    one, other = Lock(tmp_path, "lab/host"), Lock(tmp_path, "lab/host")
    assert (one.take(), other.take(), one.take()) == (True, False, True)
    one.release()
    one.release()
    assert (other.take(), one.take(), other.held, one.held) == (True, False, True, False)
    assert Lock(tmp_path, "lab/other").take(), "each unit has its own"


def test_a_takeover_is_tried_often_enough() -> None:
    assert TAKE_OVER_S < 5


@pytest.mark.parametrize("state", list(State))
def test_without_callers_the_other_relay_writes_nothing(state: State) -> None:
    stage = Stage().bring_to(state)
    stage.acting.other = True
    stage.store.writes = 0
    stage.look(later_s=intervals.HEARTBEAT_S + 1)
    assert (stage.store.writes, stage.power.starts, stage.routes.open) == (0, 0, None)


@pytest.mark.parametrize("state", [State.STOPPED, State.STOPPING, State.DRAINING])
def test_its_callers_become_a_wake_request(state: State) -> None:
    stage = standby(state)
    before = stage.history()
    with stage.queue.place("tiny", "ann"):
        stage.look()
        assert (stage.lease.wake_by, stage.history()) == ("key ann", before)
        stage.acting.other = False
        stage.power.state = "stopped"
        stage.look(later_s=2)
    starts = state is not State.DRAINING
    assert stage.power.starts == starts
    assert stage.lease.state is (State.STARTING if starts else State.RUNNING)


def test_its_callers_of_a_dead_engine_resume_nothing() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.act(protocol.agent_beat, boot_id="boot-1", busy=0, demand=False, dead={"tiny": stage.clock()})
    stage.act(protocol.drain, reason="idle")
    stage.acting.other = True
    with stage.queue.place("tiny"):
        stage.look()
    assert stage.lease.wake_until is None


def test_it_reads_less_often_while_nobody_waits_at_it() -> None:
    stage = standby(State.STOPPED)
    assert stage.watch.interval_s() == intervals.LEASE_READ_RUNNING_S
    with stage.queue.place("tiny"):
        assert stage.watch.interval_s() == intervals.LEASE_READ_OTHERWISE_S


def test_whoever_takes_over_opens_the_routes() -> None:
    stage = standby(State.RUNNING)
    stage.acting.other = False
    stage.look()
    assert stage.routes.open is True
    assert stage.lease.relay_at == stage.clock()


@pytest.mark.parametrize(("machine", "orders"), [("stopped", 1), ("pending", 0), ("running", 0)])
def test_a_start_of_the_relay_before_is_ordered_where_its_machine_is_still_off(machine: str, orders: int) -> None:
    stage = standby(State.STOPPED)
    stage.act(protocol.start, by="relay", wake_until=stage.clock() + 60, wake_by="key ann")
    stage.power.state = machine
    stage.acting.other = False
    for _ in range(3):
        stage.look(later_s=1)
    assert (stage.power.starts, stage.lease.attempts) == (orders, 1 + orders)


def test_a_start_of_the_reapers_is_the_reapers() -> None:
    stage = standby(State.STARTING)
    stage.power.state = "stopped"
    stage.acting.other = False
    stage.look()
    assert stage.power.starts == 0


def test_a_relay_that_ends_leaves_the_lease_and_takes_it_no_more() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    stage.unit.end()
    stage.look()
    assert not stage.acting.held
    stage.look()
    assert not stage.acting.held


def test_a_relay_that_ends_gives_the_order_that_it_owes_first() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.power.refusals = [PowerUnanswered("throttled")]
    with stage.queue.place("tiny"):
        stage.look()
        stage.unit.end()
        stage.look(later_s=0.1)
        assert (stage.acting.held, stage.power.starts) == (True, 1), "EC2 has not taken it"
        stage.look(later_s=2)
        assert stage.power.starts == 2
        stage.look()
    assert not stage.acting.held
