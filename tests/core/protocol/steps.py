"""What each process and the environment can do next. A step is (label, kind, world afterwards).

Every step is atomic; the search tries every order. Reading, deciding and ordering are separate steps, so everything
may happen between them; a write's answer is learned in the same step or, as a fault, never. To add an action of a
process: a line in its function; a new process: a function in `PROCESSES`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core.lease import State
from tests.core.protocol.leases import CURRENT, MACHINE, NONE, NOW, THIS_BOOT, Broken
from tests.core.protocol.moves import FAULT, MERCY, NORMAL, Steps, start_sent, with_reaper, write
from tests.core.protocol.reapers import reapers
from tests.core.protocol.world import (
    CHECKED,
    IDLE,
    NO_REAPER,
    OFF,
    ON,
    OWES_START,
    OWES_STOP,
    STOPPING,
    UNSURE,
    Model,
    World,
)


def _enter(m: Model, w: World) -> World:
    """A request enters the engine."""
    if not w.proved and not m.options.open_before_ready:
        raise Broken("a request entered an engine that has not proved itself in this boot")
    return w._replace(uncounted=w.uncounted + 1, pooled=w.pooled or m.options.pooled)


def _reachable(w: World) -> bool:
    """A request that is sent to the engine arrives: through an open admission, or on a connection from before."""
    return w.power == ON and not w.replaced and not w.dead and (w.admission or w.pooled)


# ---------------------------------------------------------------- callers, HAProxy, vLLM
def requests(m: Model, w: World) -> Steps:
    """Arrive, are counted, end; HAProxy falls back to the relay where the engine cannot be reached."""
    if w.new:
        if w.route and _reachable(w):
            yield "HAProxy sends a request to the engine", NORMAL, _enter(m, w._replace(new=w.new - 1))
        else:
            yield "the relay queues a request", NORMAL, w._replace(new=w.new - 1, queued=w.queued + 1)
    if w.queued:
        yield "a queued caller hangs up", MERCY, w._replace(queued=w.queued - 1)
    if w.dead:
        yield "the engine's unit is restarted", MERCY, _crashed(w)._replace(dead=False)
        return
    if m.options.dead_engines and w.proved:
        yield "the engine crashes", MERCY, _crashed(w)._replace(dead=True)
        yield "the engine hangs", MERCY, w._replace(dead=True)
    if w.uncounted:
        yield "vLLM counts it", NORMAL, w._replace(uncounted=w.uncounted - 1, counted=w.counted + 1)
    if w.counted:
        yield "vLLM ends a request", NORMAL, w._replace(counted=w.counted - 1)
    if w.pooled and not w.in_engine:
        yield "an idle connection is closed", MERCY, w._replace(pooled=False)


def _crashed(w: World) -> World:
    """Its callers read that it broke off; nothing of theirs is sent again."""
    return w._replace(uncounted=0, counted=0, pooled=False)


def relay(m: Model, w: World) -> Steps:
    """Reads, routes, releases, requests wakes, cordons, resumes, starts."""
    known = None if w.relay == NONE else m.leases.all[w.relay]
    awake = known is not None and known.state is State.RUNNING
    if w.route != awake:
        yield f"relay {'opens' if awake else 'shuts'} the route", NORMAL, w._replace(route=awake)
    if awake and w.queued and _reachable(w):
        yield "relay releases a request", NORMAL, _enter(m, w._replace(queued=w.queued - 1))
    if known is not None and known.unpaid(NOW) and w.queued:
        yield "relay refuses a request: the budget is spent", NORMAL, w._replace(queued=w.queued - 1)
    if w.owes and not w.cut:
        yield from _relay_orders(m, w)
    if w.cut:
        return
    if w.relay != w.lease:
        yield "relay reads the lease", NORMAL, w._replace(relay=w.lease)
    if known is None:
        return
    for op in _relay_writes(m, w, known.state, wanted=known.wanted(0.0), cordoned=known.cordon_epoch is not None):
        if (done := write(m, w, op, w.relay)) is not None:
            after, lease = done
            starts = op in ("relay:start", "relay:request_wake and start", "relay:repeat_start")
            yield op, NORMAL, after._replace(relay=lease, owes=after.owes or starts)
            if w.faults:
                yield f"{op}, answer lost", FAULT, after._replace(faults=w.faults - 1)


def other_relay(m: Model, w: World) -> Steps:
    """The relay that does not act. Its readings may be of any age, so it may forward at any time; what it writes names
    the epoch, so only what it has read since the last transition counts.
    """
    if not m.options.pair:
        return
    if w.queued and _reachable(w):
        yield "the other relay releases a request", NORMAL, _enter(m, w._replace(queued=w.queued - 1))
    if w.cut or w.lease == NONE:
        return
    lease = m.leases.all[w.lease]
    if w.queued and not lease.wanted(0.0) and not lease.dead and (done := write(m, w, "relay:request_wake", w.lease)):
        yield "the other relay: relay:request_wake", NORMAL, done[0]
    if w.faults:
        left = w._replace(faults=w.faults - 1)
        yield "the relay that acts is killed, the other takes over", FAULT, left._replace(relay=NONE, owes=False)


def _relay_writes(m: Model, w: World, state: State, *, wanted: bool, cordoned: bool) -> Iterator[str]:
    if w.queued and not wanted and (state is not State.RUNNING or m.options.wake_request_while_running):
        yield "relay:request_wake"
    if state is State.DRAINING:
        if w.queued or wanted:
            yield "relay:resume"
        elif not w.route and not cordoned:
            yield "relay:cordon"
    if state is State.STOPPING and w.view == OFF:
        yield "relay:stopped"
    if m.options.pair and state is State.STARTING and w.view == OFF and not w.owes:
        yield "relay:repeat_start"  # another relay wrote the start, and may have ended before its order
    if state in (State.STOPPED, State.FAILED) and not w.owes:
        if wanted:
            yield "relay:start"
        if w.queued:
            yield "relay:request_wake and start"


def _relay_orders(m: Model, w: World) -> Steps:
    yield "relay sends StartInstances", NORMAL, start_sent(w._replace(owes=False), not w.replaced)
    if (done := write(m, w, "relay:fail", w.relay)) is not None:
        yield "EC2 refuses relay's order: relay:fail", MERCY, done[0]._replace(owes=False)
    if (done := write(m, w, "relay:not_now", w.relay)) is not None:
        untaken = done[0]._replace(relay=done[1])
        yield "EC2 does not take relay's order now: relay:not_now", MERCY, untaken
        yield "relay's order lands without an answer: relay:not_now", MERCY, start_sent(untaken, not w.replaced)


# ---------------------------------------------------------------- the host
def agent(m: Model, w: World) -> Steps:
    """Claims, proves, opens and closes admission, checks, stops, vetoes."""
    if w.power != ON:
        return
    if w.lease == NONE:
        yield "agent:create", NORMAL, w._replace(lease=m.leases.created())
    elif w.agent != w.lease:
        yield "agent reads the lease", NORMAL, _agent_reads(m, w)
    if w.agent == NONE or w.replaced:
        return
    known = m.leases.all[w.agent]
    if known.instance_id != MACHINE:
        return
    if known.boot_id != THIS_BOOT and (m.options.agent_checks_boot or not known.boot_id):
        yield from _agent_writes(m, w, "agent:claim_boot")
        return
    yield from _agent_by_state(m, w, known.state, forced=known.by != "agent")


def _agent_reads(m: Model, w: World) -> World:
    """A restarted agent that finds admission closed in DRAINING cannot know whether it had written its stop."""
    now = m.leases.all[w.lease]
    same_drain = w.agent != NONE and m.leases.all[w.agent].epoch == CURRENT
    at = w.at if same_drain else IDLE
    if w.agent == NONE and now.state is State.DRAINING and not w.admission:
        at = UNSURE
    return w._replace(agent=w.lease, at=at)


def _agent_by_state(m: Model, w: World, state: State, *, forced: bool) -> Steps:
    if state in (State.NEW, State.STARTING) and not w.dead:
        yield from _agent_writes(m, w, "agent:ready", proved=True)
    if m.options.dead_engines and state in (State.RUNNING, State.DRAINING):
        yield from _agent_beats(m, w)
    if state is State.RUNNING and not w.admission:
        yield "agent opens admission", NORMAL, w._replace(admission=True, at=IDLE)
    if state is State.DRAINING:
        yield from _agent_drains(m, w)
    if state is State.STOPPING:
        yield "agent powers off", NORMAL, _power_off(w, "the power-off", forced=forced)


def _agent_beats(m: Model, w: World) -> Steps:
    """The heartbeat says whether the engine answers; only what is news is a step."""
    if w.dead == bool(m.leases.all[w.agent].dead):
        return
    op = "agent:agent_beat of a dead engine" if w.dead else "agent:agent_beat of engines that answer"
    if (done := write(m, w, op, w.agent)) is not None:
        yield op, NORMAL, done[0]._replace(agent=done[1])


def _agent_drains(m: Model, w: World) -> Steps:
    if w.admission and m.options.admission:
        yield "agent closes admission", NORMAL, w._replace(admission=False)
        return
    if w.at == CHECKED:
        yield from _agent_writes(m, w, "agent:stop")
        return
    connections = w.in_engine or w.pooled if m.options.check_connections else False
    if not connections and not w.counted:
        yield "agent has checked: nothing in flight", NORMAL, w._replace(at=CHECKED)
    yield from _agent_writes(m, w, "agent:resume")
    if w.faults and w.at != UNSURE:
        yield (
            "agent vetoes, the table is silent, admission opens",
            FAULT,
            w._replace(admission=True, at=IDLE, faults=w.faults - 1),
        )


def _agent_writes(m: Model, w: World, op: str, *, proved: bool = False) -> Steps:
    done = write(m, w, op, w.agent)
    if done is None:
        if w.at == CHECKED:
            yield f"{op} refused by the table", NORMAL, w._replace(at=IDLE)
        return
    after, lease = done
    after = after._replace(proved=w.proved or proved)
    yield op, NORMAL, after._replace(agent=lease, at=IDLE)
    if w.faults:
        unsure = UNSURE if op == "agent:stop" else IDLE
        yield f"{op}, answer lost", FAULT, after._replace(at=unsure, faults=w.faults - 1)


def _power_off(w: World, how: str, *, forced: bool) -> World:
    if w.in_engine and not forced:
        raise Broken(f"{how} cut a request in the engine")
    return _down(w)._replace(power=STOPPING)


def _down(w: World) -> World:
    """Nothing runs on the machine any more; what was in the engine is gone."""
    return w._replace(
        uncounted=0, counted=0, proved=False, admission=False, dead=False, pooled=False, agent=NONE, at=IDLE
    )


def stranger(m: Model, w: World) -> Steps:
    """The agent of a machine that is not (or no longer) this unit's: its engine is idle, it looks at itself."""
    if not m.options.strangers:
        return
    for op in ("stranger:claim_boot", "stranger:ready", "stranger:stop"):
        if (done := write(m, w, op, w.lease)) is not None:
            yield op, NORMAL, done[0]


# ---------------------------------------------------------------- EC2 and time
def ec2(m: Model, w: World) -> Steps:
    """Orders land late, twice or never; what EC2 says lags behind."""
    if w.start_order:
        landed = _boot(m, w) if w.power == OFF else w
        yield "StartInstances lands", NORMAL, landed._replace(start_order=False)
        if w.faults:
            yield "StartInstances lands and will land again", FAULT, landed._replace(faults=w.faults - 1)
    if w.stop_order:
        landed = _stop_lands(m, w)
        yield "StopInstances lands", NORMAL, landed._replace(stop_order=False)
        if w.faults:
            yield "StopInstances lands and will land again", FAULT, landed._replace(faults=w.faults - 1)
        yield "StopInstances is lost", NORMAL, w._replace(stop_order=False)
    if w.power == STOPPING:
        yield "the machine is off", NORMAL, m.readings(_down(w), "new boot")._replace(power=OFF)
    if w.view != w.power:
        yield "EC2 says so", NORMAL, w._replace(view=w.power)


def _stop_lands(m: Model, w: World) -> World:
    if w.power != ON:
        return w
    lease = m.leases.all[w.lease]
    forced = lease.state is State.STOPPING and lease.by != "agent"
    return _power_off(w, "StopInstances", forced=forced)


def clock(m: Model, w: World) -> Steps:
    """Time passes, for one thing at a time."""
    if w.lease == NONE:
        return
    lease, change = m.leases.all[w.lease], m.leases.change
    if lease.wake_until is not None:
        yield "the wake request expires", MERCY, w._replace(lease=change("wake request expires", w.lease))
    if lease.inhibited_until is not None:
        yield "the inhibitor expires", NORMAL, w._replace(lease=change("inhibitor expires", w.lease))
        if (done := write(m, w, "deploy:release", w.lease)) is not None:
            yield "deploy:release", NORMAL, done[0]
    aged = change("thirty seconds", w.lease)
    if aged != w.lease:
        yield "thirty seconds pass", NORMAL, w._replace(lease=aged, view=w.power)
    if lease.order_until is not None and (m.options.late_orders or not w.stop_order):
        over = w._replace(lease=change("stop order's time is over", w.lease))
        yield "a stop order's time is over", NORMAL, _give_up(over, OWES_STOP)
    if lease.order_at is not None and not w.start_order:
        over = w._replace(lease=change("start order's time is over", w.lease), owes=False)
        yield "a start order's time is over", NORMAL, _give_up(over, OWES_START)


def _give_up(w: World, owed: int) -> World:
    """Who claimed an order and is late does not send it any more."""
    first, second = (NO_REAPER if r.at == owed else r for r in w.reapers)
    return with_reaper(w, first, second)


# ---------------------------------------------------------------- faults and people
def faults(m: Model, w: World) -> Steps:
    """What goes wrong, and what people do at the worst moment. Each costs one of the search's faults."""
    if w.cut:
        yield "the gateway reaches the table again", NORMAL, w._replace(cut=False)
    if w.replaced and w.lease != NONE:
        yield from _renewed(m, w)
    if not w.faults or w.lease == NONE:
        return
    left = w._replace(faults=w.faults - 1)
    yield "the relay restarts", FAULT, left._replace(relay=NONE, owes=False, queued=0, route=False)
    if not w.cut:
        yield "the gateway is cut off from the table", FAULT, left._replace(cut=True)
    if w.power == ON:
        yield "the agent restarts", FAULT, left._replace(agent=NONE, at=IDLE)
        yield "somebody reboots the machine", FAULT, _rebooted(m, left)
        yield "somebody stops the machine by hand", FAULT, _down(left)._replace(power=STOPPING)
    if w.power == OFF:
        yield "somebody starts the machine by hand", FAULT, _boot(m, left)
    if not w.replaced:
        other = _rebooted(m, m.readings(left, "other machine"))._replace(power=ON, view=ON, replaced=True)
        other = other._replace(owes=False, start_order=False, stop_order=False)  # they were for the machine before
        yield "pulumi up replaces the machine", FAULT, other
    for op in ("deploy:inhibit", "operator:request_wake", "operator:force"):
        if (done := write(m, left, op, left.lease)) is not None:
            yield op, FAULT, done[0]


def _boot(m: Model, w: World) -> World:
    return w._replace(power=ON, admission=m.options.open_before_ready)


def _rebooted(m: Model, w: World) -> World:
    return m.readings(_down(w), "new boot")._replace(admission=m.options.open_before_ready)


def _renewed(m: Model, w: World) -> Steps:
    if (done := write(m, w, "deploy:new_machine", w.lease)) is not None:
        yield "deploy:new_machine", NORMAL, done[0]._replace(replaced=False, owes=False)


PROCESSES: Final = (requests, relay, other_relay, agent, reapers, ec2, clock, faults, stranger)


def steps(m: Model, w: World) -> Steps:
    """Everything that can happen next. EC2 says at once what its machine does, or (a fault) says so later."""
    for process in PROCESSES:
        for step in process(m, w):
            label, kind, after = step
            if after.power == w.power or after.view != w.power:
                yield step
                continue
            yield label, kind, after._replace(view=after.power)
            if after.faults:
                yield f"{label}; EC2 does not say so yet", FAULT, after._replace(faults=after.faults - 1)
