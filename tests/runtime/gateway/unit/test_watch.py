"""The relay's rounds over a lease in memory: what it writes, orders and opens, and what it leaves alone."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from core import lease as protocol
from core.contract import intervals
from core.lease import State
from runtime.backends.power import PowerUnanswered
from runtime.gateway.errors import Refusal
from runtime.gateway.unit.steps import ORDER_FRESH_S, WAKE_REQUEST_RENEW_S
from runtime.gateway.unit.wake import ORDER_PAUSE_MAX_S
from runtime.gateway.unit.watch import EVENTS_READ, LEASE_READ_WAITING_S
from tests.runtime.gateway.stage import UNIT, Stage, refused


def test_running_opens_the_routes_and_beats() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    assert stage.routes.open is True
    assert stage.view.awake
    assert stage.lease.relay_at == stage.clock()


def test_beats_only_now_and_then() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    first = stage.lease.relay_at
    stage.look(later_s=intervals.HEARTBEAT_S - 1)
    assert stage.lease.relay_at == first
    stage.look(later_s=1)
    assert stage.lease.relay_at == stage.clock()


@pytest.mark.parametrize("state", [s for s in State if s is not State.RUNNING])
def test_every_other_state_closes_them(state: State) -> None:
    stage = Stage().bring_to(state)
    stage.look()
    assert stage.routes.open is False
    assert not stage.view.awake


def test_draining_is_cordoned_after_the_routes_are_closed() -> None:
    stage = Stage().bring_to(State.DRAINING)
    stage.look()
    assert stage.routes.open is False
    assert stage.lease.cordon_epoch == stage.lease.epoch


def test_no_cordon_where_haproxy_does_not_answer() -> None:
    stage = Stage().bring_to(State.DRAINING)
    stage.routes.unavailable = True
    stage.look()
    assert stage.lease.cordon_epoch is None


def test_demand_while_draining_resumes_and_leaves_no_wake_request() -> None:
    stage = Stage().bring_to(State.DRAINING)
    stage.queue.ask("tiny")
    stage.look()
    assert (stage.lease.state, stage.lease.by, stage.lease.wake_until) == (State.RUNNING, "relay", None)
    assert stage.routes.open is True
    assert not stage.queue.wanted


def test_demand_while_stopped_requests_starts_and_orders_in_one_round() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.look()
    stage.queue.ask("tiny")
    before = stage.store.writes
    stage.look()
    assert stage.store.writes - before == 1, "a wake is one write, then the order"
    assert stage.lease.state is State.STARTING
    assert stage.power.starts == 1
    assert stage.lease.wake_until == stage.clock() + stage.config.queue_timeout_s + intervals.WAKE_REQUEST_EXTRA_S
    assert not stage.queue.wanted, "the wake request is in the lease; the caller may go"
    stage.look(later_s=1)
    assert stage.power.starts == 1


@pytest.mark.parametrize(
    ("keys", "who"),
    [
        ([], "relay"),
        (["ann"], "key ann"),
        (["ann", "ann"], "key ann"),
        (["", "ann"], "key ann"),
        (["key-1"], "key-1"),
        (["webui"], "the chat page"),
        (["bob", "ann"], "key bob and 1 other"),
        (["bob", "webui", "bob", "ann"], "key bob and 2 others"),
    ],
)
def test_a_wake_says_whose_keys_asked(keys: list[str], who: str) -> None:
    stage = Stage().bring_to(State.STOPPED)
    for key in keys or [""]:
        stage.queue.ask("tiny", key)
    stage.look()
    assert (stage.lease.wake_by, stage.lease.by) == (who, "relay")
    assert (stage.store.events(UNIT)[-1].reason, stage.store.events(UNIT)[-1].by) == (f"wanted by {who}", "relay")


def test_who_still_waits_is_named_and_who_left_long_ago_is_not() -> None:
    stage = Stage().bring_to(State.STARTING)
    stage.queue.ask("tiny", "bob")
    with stage.queue.place("tiny", "ann"):
        stage.look()
        assert stage.lease.wake_by == "key bob and 1 other"
        stage.look(later_s=WAKE_REQUEST_RENEW_S + 1)
        assert stage.lease.wake_by == "key ann"


def test_another_s_wake_request_keeps_its_name() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.act(protocol.request_wake, by="ann (fab wake)", until=stage.clock() + 60)
    stage.look()
    assert (stage.lease.reason, stage.lease.wake_by) == ("wanted by ann (fab wake)", "ann (fab wake)")


def test_a_resumed_drain_says_who_asked() -> None:
    stage = Stage().bring_to(State.DRAINING)
    stage.queue.ask("tiny", "ann")
    stage.look()
    assert stage.lease.reason == "wanted by key ann"


def test_demand_while_stopping_starts_at_stopped() -> None:
    stage = Stage().bring_to(State.STOPPING)
    stage.queue.ask("tiny")
    stage.look()
    assert stage.lease.state is State.STOPPING
    assert stage.lease.wanted(stage.clock())
    stage.power.state = "stopped"
    stage.look(later_s=intervals.DESCRIBE_S)
    assert stage.lease.state is State.STARTING
    assert stage.history()[-2:] == ["STOPPING→STOPPED relay", "STOPPED→STARTING relay"]
    stage.agent_ready("boot-2")
    stage.look(later_s=0.2)
    assert stage.view.awake, "what EC2 said of the last boot is forgotten"


def test_stopping_without_demand_ends_at_stopped_and_asks_ec2_once_a_second() -> None:
    stage = Stage().bring_to(State.STOPPING)
    for _ in range(4):
        stage.look(later_s=intervals.DESCRIBE_S / 2)
    assert stage.power.described == 2
    stage.power.state = "stopped"
    stage.look(later_s=intervals.DESCRIBE_S)
    stage.look(later_s=10)
    assert stage.lease.state is State.STOPPED
    assert stage.power.starts == 0


def test_a_wake_that_another_was_faster_with_keeps_its_demand() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.act(protocol.request_wake, by="fab wake", until=stage.clock() + 60)
    stage.queue.ask("tiny")
    stage.store.intrude = lambda: stage.act(protocol.start, by="reaper")
    assert stage.look() is True
    assert stage.queue.wanted, "our wake request was not written"
    stage.look()
    assert stage.lease.wake_until == stage.clock() + stage.config.queue_timeout_s + intervals.WAKE_REQUEST_EXTRA_S
    assert (stage.lease.wake_by, stage.power.starts, stage.queue.wanted) == ("relay", 0, False)


def test_a_wake_whose_answer_is_lost_has_wished_and_gives_its_order() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.store.lose = 1
    stage.look()
    assert (stage.lease.state, stage.lease.wanted(stage.clock()), stage.power.starts) == (State.STARTING, True, 0)
    stage.look()
    assert stage.power.starts == 1


def test_another_s_wake_request_that_the_budget_refuses_meanwhile_starts_nothing() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.act(protocol.request_wake, by="fab wake", until=stage.clock() + 60)
    stage.store.intrude = lambda: drop_wake_request(stage)
    assert stage.look() is True
    stage.look()
    assert (stage.lease.state, stage.power.starts) == (State.STOPPED, 0)


def drop_wake_request(stage: Stage) -> None:
    stage.act(lambda lease, now, nonce: protocol.drop_wake_request(lease, nonce=nonce))


def test_demand_under_a_live_stop_order_is_a_wake_request_until_it_is_over() -> None:
    stage = Stage().bring_to(State.FAILED)
    stage.clock.now += 600
    stage.act(protocol.stop_order)
    stage.queue.ask("tiny")
    stage.look()
    assert (stage.lease.state, stage.lease.wanted(stage.clock()), stage.power.starts) == (State.FAILED, True, 0)
    stage.look(later_s=intervals.STOP_ORDER_LIFE_S + intervals.ORDER_MARGIN_S)
    assert (stage.lease.state, stage.power.starts) == (State.STARTING, 1)


def test_somebody_elses_wake_request_starts_too() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.act(protocol.request_wake, by="fab wake", until=stage.clock() + 60)
    stage.look()
    assert stage.power.starts == 1


def test_the_reaper_was_faster() -> None:
    """Between our reading and our write the reaper has started the host: no second order from us."""
    stage = Stage().bring_to(State.STOPPED)
    stage.act(protocol.request_wake, by="fab wake", until=stage.clock() + 60)
    stage.store.intrude = lambda: stage.act(protocol.start, by="reaper")
    assert stage.look() is True, "read again at once"
    stage.look()
    assert (stage.lease.by, stage.power.starts) == ("reaper", 0)


def test_lost_answer_of_the_start_still_gives_the_order() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.act(protocol.request_wake, by="fab wake", until=stage.clock() + 60)
    stage.store.lose = 1
    stage.look()
    assert (stage.lease.state, stage.power.starts) == (State.STARTING, 0)
    stage.look()
    assert stage.power.starts == 1


def test_order_without_an_answer_is_repeated() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.power.refusals = [PowerUnanswered("start_instances: timed out")]
    stage.look()
    stage.look(later_s=intervals.DESCRIBE_S / 2)
    stage.look(later_s=intervals.DESCRIBE_S)
    assert stage.power.starts == 2


def test_order_that_came_too_early_is_repeated_a_little_later() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.power.refusals = [refused("IncorrectInstanceState")]
    stage.look()
    stage.look(later_s=intervals.DESCRIBE_S / 2)
    assert stage.power.starts == 1
    stage.look(later_s=intervals.DESCRIBE_S)
    assert (stage.lease.state, stage.power.starts) == (State.STARTING, 2)


def test_an_order_that_waited_too_long_is_claimed_anew_before_it_is_sent() -> None:
    """A reaper that reads the old `order_at` may count our order as dead, and order a stop."""
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.power.refusals = [PowerUnanswered("start_instances: timed out")]
    stage.look()
    sent: list[float] = []
    start = stage.power.start

    def watched(instance_id: str) -> None:
        sent.append(stage.clock() - (stage.lease.order_at or 0.0))
        start(instance_id)

    stage.power.start = watched  # type: ignore[method-assign]
    stage.look(later_s=intervals.START_ORDER_LIFE_S + intervals.ORDER_MARGIN_S)
    assert (sent, stage.lease.attempts, stage.lease.state) == ([0.0], 1, State.STARTING)
    stage.look(later_s=1)
    assert sent == [0.0], "confirmed: nothing is owed"


def test_an_order_is_not_sent_where_the_claim_is_lost_to_the_reaper() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.power.refusals = [PowerUnanswered("start_instances: timed out")]
    stage.look()
    stage.store.intrude = lambda: stage.act(protocol.fail, by="reaper", reason="r", failure="f", order=True)
    assert stage.look(later_s=intervals.START_ORDER_LIFE_S + intervals.ORDER_MARGIN_S) is True, "read again at once"
    stage.look()
    assert (stage.lease.state, stage.power.starts) == (State.FAILED, 1)


@pytest.mark.parametrize("looks", [150, pytest.param(1000, marks=pytest.mark.thorough)])
def test_an_order_that_ec2_never_takes_is_claimed_anew_slower_each_time_and_never_a_failure(looks: int) -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.power.refusals = [refused("IncorrectInstanceState")] * 1000
    stage.look()
    ages: list[float] = []
    began = stage.clock()
    for _ in range(looks):
        before = stage.power.starts
        stage.look(later_s=intervals.DESCRIBE_S / 2)
        if stage.power.starts > before:
            ages.append(stage.clock() - (stage.lease.order_at or 0.0))
    assert max(ages) < ORDER_FRESH_S
    assert (stage.lease.state, stage.lease.attempts) == (State.STARTING, 0)
    assert stage.power.starts <= 5 + (stage.clock() - began) / ORDER_PAUSE_MAX_S


def test_no_capacity_fails_with_ec2s_words_and_calls_the_reaper() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.power.refusals = [refused("InsufficientInstanceCapacity")]
    stage.look()
    assert (stage.lease.state, stage.lease.failure, stage.invoked) == (State.FAILED, "capacity", 1)
    assert "EC2's words" in stage.lease.reason
    stage.view.refuse_if_hopeless("tiny", wakes=True)  # the reaper has its grace: callers wait
    stage.look(later_s=intervals.CAPACITY_GRACE_S / 2)
    assert stage.power.starts == 1, "the ladder is the reaper's"


def test_no_capacity_is_said_after_the_grace_whatever_retries_came_between() -> None:
    stage = Stage().bring_to(State.FAILED, failure="capacity")
    stage.look()
    for _ in range(4):
        stage.act(protocol.request_wake, by="relay", until=stage.clock() + 600)
        stage.act(protocol.start, by="reaper")
        stage.look(later_s=1)
        stage.act(protocol.fail, by="reaper", reason="EC2's words", failure="capacity", order=False)
        stage.look(later_s=intervals.CAPACITY_GRACE_S / 3)
    with pytest.raises(Refusal) as caught:
        stage.view.refuse_if_hopeless("tiny", wakes=True)
    assert (caught.value.status, caught.value.code) == (503, "no_capacity")
    assert caught.value.headers() == {"x-should-retry": "false"}


def test_other_refusals_fail_at_once_with_the_code_and_without_the_reaper() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.power.refusals = [refused("VcpuLimitExceeded")]
    stage.look()
    assert (stage.lease.state, stage.lease.failure, stage.invoked) == (State.FAILED, "quota", 0)
    assert "EC2's words" in stage.lease.reason
    with pytest.raises(Refusal, match="a quota of its cloud account is used up"):
        stage.view.refuse_if_hopeless("tiny", wakes=True)


def test_store_down_changes_nothing() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    stage.store.down = True
    stage.look(later_s=60)
    assert stage.routes.open is True
    assert stage.view.awake
    assert stage.view.store_down == "throttled"
    stage.store.down = False
    stage.look(later_s=1)
    assert stage.view.store_down == ""


def test_store_down_from_the_start_knows_nothing_and_opens_nothing() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.store.down = True
    stage.look()
    assert stage.routes.open is None
    assert stage.view.state == "unknown"
    stage.view.refuse_if_hopeless("tiny", wakes=True)


def test_no_lease_is_not_deployed() -> None:
    stage = Stage()
    stage.look()
    assert stage.routes.open is False
    with pytest.raises(Refusal, match=r"fab deploy -s lab"):
        stage.view.refuse_if_hopeless("tiny", wakes=True)


def test_running_by_the_lease_but_stopped_by_ec2_is_off_and_the_reaper_is_called_twice() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    stage.power.state = "stopped"
    stage.view.doubted = True
    stage.queue.ask("tiny")
    stage.look()
    assert stage.view.off
    assert stage.routes.open is False
    assert stage.queue.wanted, "no wake request can be written while RUNNING: demand is kept"
    assert stage.invoked == 1
    stage.look(later_s=10)
    assert stage.invoked == 1
    stage.look(later_s=intervals.STOPPED_TWICE_S)
    assert stage.invoked == 2


def test_an_engine_that_refuses_has_the_watch_look_now() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    assert not stage.queue.arrived.is_set()
    stage.unit.note_refused("tiny")
    assert stage.queue.arrived.is_set()
    before = stage.power.described
    stage.look()
    assert stage.power.described == before + 1


def test_running_again_by_ec2_is_awake_again() -> None:
    stage = Stage().bring_to(State.RUNNING)
    stage.look()
    stage.power.state = "missing"  # EC2 is eventually consistent
    stage.view.doubted = True
    stage.look()
    assert stage.view.off
    stage.power.state = "running"
    stage.look(later_s=intervals.DESCRIBE_S)
    assert stage.view.awake
    assert stage.routes.open is True


def test_relay_that_may_not_wake_neither_requests_nor_starts() -> None:
    stage = Stage(wakes=False).bring_to(State.STOPPED)
    stage.queue.ask("tiny")
    stage.look()
    assert (stage.lease.wake_until, stage.power.starts) == (None, 0)
    with pytest.raises(Refusal, match="may not wake"):
        stage.view.refuse_if_hopeless("tiny", wakes=False)


def test_wake_request_is_renewed_while_callers_wait_and_not_after() -> None:
    stage = Stage().bring_to(State.STARTING)
    with stage.queue.place("tiny"):
        stage.look()
        first = stage.lease.wake_until
        stage.look(later_s=WAKE_REQUEST_RENEW_S - 1)
        assert stage.lease.wake_until == first
        stage.look(later_s=2)
        assert stage.lease.wake_until == stage.clock() + 540 + intervals.WAKE_REQUEST_EXTRA_S
    last = stage.lease.wake_until
    stage.look(later_s=WAKE_REQUEST_RENEW_S * 2)
    assert stage.lease.wake_until == last


def test_intervals() -> None:
    stage = Stage().bring_to(State.RUNNING)
    assert stage.watch.interval_s() == intervals.LEASE_READ_OTHERWISE_S, "nothing is known yet"
    stage.look()
    assert stage.watch.interval_s() == intervals.LEASE_READ_RUNNING_S
    stage.act(protocol.drain, reason="idle")
    stage.look()
    assert stage.watch.interval_s() == intervals.LEASE_READ_OTHERWISE_S
    starting = Stage().bring_to(State.STARTING)
    starting.look()
    assert starting.watch.interval_s() == intervals.LEASE_READ_OTHERWISE_S
    with starting.queue.place("tiny"):
        assert starting.watch.interval_s() == LEASE_READ_WAITING_S


def test_the_history_is_read_by_its_last_events_and_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three years of one are 2 s of work; callers wait in this loop."""
    stage, loop_thread = Stage().bring_to(State.RUNNING), threading.get_ident()
    read: list[tuple[range | None, int]] = []
    events = stage.store.events

    def watched(unit: str, **asked: Any) -> Any:
        read.append((asked.get("epochs"), threading.get_ident()))
        return events(unit, **asked)

    monkeypatch.setattr(stage.store, "events", watched)
    stage.look()
    epochs, thread = read[-1]
    assert epochs is not None
    assert len(epochs) <= EVENTS_READ + 1
    assert epochs[-1] == stage.lease.epoch
    assert thread != loop_thread


def test_learns_how_long_a_wake_takes() -> None:
    stage = Stage().bring_to(State.STARTING)
    stage.clock.now += 9
    stage.agent_ready("boot-2")
    stage.look()
    assert stage.view.usual_wake_s == pytest.approx(40.0)  # 31 s in bring_to, and 9
