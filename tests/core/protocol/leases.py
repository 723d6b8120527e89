"""The real `core.lease` as the explorer uses it: leases made equal where they mean the same, every call remembered.

Time is logical. Each function is called with `NOW`; a moment in a lease is *young* or *old*, *ahead* or gone, and a
step of the environment ("thirty seconds pass") makes the one into the other. Epochs are *current* or *stale*: what a
process read before the last transition. So the leases are few, and `Leases.do` asks the real code once for each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from core import lease as protocol
from core.lease import Inhibitor, Lease, Outcome, Refused, State, Write

NOW = 100_000.0
AHEAD = NOW + 50_000.0  # of a wake request or an inhibitor: alive
ORDERED = NOW + 1.0  # of a stop order's end: alive
YOUNG = NOW - 1.0
OLD = 0.0
CURRENT, STALE = 100, 99
UNIT = "stack/host"
ENGINE = "engine"
MACHINE, OTHER_MACHINE = "i-this", "i-other"
THIS_BOOT, OLD_BOOT, OTHER_BOOT = "this-boot", "old-boot", "boot-of-another-machine"

Op = Callable[[Lease], Outcome]
NONE = -1  # no lease, or nothing read


class Broken(Exception):
    """A promise does not hold."""


def ops(nonce: str = "n") -> dict[str, Op]:
    """Every write of every process, by the name that traces show. `:` separates who from what."""
    at: dict[str, Any] = {"now": NOW, "nonce": nonce}
    boot: dict[str, Any] = {**at, "boot_id": THIS_BOOT}
    quiet: dict[str, Any] = {**boot, "busy": 0, "demand": False}
    stranger: dict[str, Any] = {**at, "boot_id": OTHER_BOOT}
    words: dict[str, Any] = {**at, "reason": "why"}
    p = protocol
    return {
        "relay:request_wake": lambda v: p.request_wake(v, by="caller", until=AHEAD, **at),
        "relay:resume": lambda v: p.resume(v, by="relay", engines=(ENGINE,), **words),
        "relay:cordon": lambda v: p.cordon(v, **at),
        "relay:start": lambda v: p.start(v, by="relay", **at),
        "relay:request_wake and start": lambda v: p.start(v, by="relay", wake_until=AHEAD, **at),
        "relay:repeat_start": lambda v: p.repeat_start(v, **at),
        "relay:stopped": lambda v: p.stopped(v, by="relay", **at),
        "relay:not_now": lambda v: p.not_now(v, nonce=nonce),
        "relay:fail": lambda v: p.fail(v, by="relay", failure="capacity", order=False, **words),
        "agent:claim_boot": lambda v: p.claim_boot(v, instance_id=MACHINE, **boot),
        "agent:ready": lambda v: p.ready(v, **boot),
        "agent:agent_beat of a dead engine": lambda v: p.agent_beat(v, dead={ENGINE: NOW}, **quiet),
        "agent:agent_beat of engines that answer": lambda v: p.agent_beat(v, **quiet),
        "agent:resume": lambda v: p.resume(v, by="agent", **{**words, **boot}),
        "agent:stop": lambda v: p.stop(v, **boot),
        "stranger:claim_boot": lambda v: p.claim_boot(v, instance_id=OTHER_MACHINE, **stranger),
        "stranger:ready": lambda v: p.ready(v, **stranger),
        "stranger:stop": lambda v: p.stop(v, **stranger),
        "reaper:drain": lambda v: p.drain(v, **words),
        "reaper:resume": lambda v: p.resume(v, by="reaper", demand=False, **words),
        "reaper:force": lambda v: p.force(v, by="reaper", **words),
        "reaper:stopped": lambda v: p.stopped(v, by="reaper", **at),
        "reaper:seen_stopped": lambda v: p.seen_stopped(v, at=NOW, nonce=nonce),
        "reaper:seen_stopped no more": lambda v: p.seen_stopped(v, at=None, nonce=nonce),
        "reaper:lost": lambda v: p.lost(v, **words),
        "reaper:adopt": lambda v: p.adopt(v, **at),
        "reaper:start": lambda v: p.start(v, by="reaper", **at),
        "reaper:repeat_start": lambda v: p.repeat_start(v, **at),
        "reaper:not_now": lambda v: p.not_now(v, nonce=nonce),
        "reaper:climb": lambda v: p.climb(v, rung="", tried="", **at),
        "reaper:climb a rung": lambda v: p.climb(v, rung="higher", tried="", **at),
        "reaper:restore": lambda v: p.restore(v, **at),
        "reaper:restored": lambda v: p.restored(v, nonce=nonce),
        "reaper:spent": lambda v: p.spent(v, until=AHEAD, nonce=nonce),
        "reaper:spent no more": lambda v: p.spent(v, until=None, nonce=nonce),
        "reaper:stop_order": lambda v: p.stop_order(v, **at),
        "reaper:fail": lambda v: p.fail(v, by="reaper", failure="start-refused", order=False, **words),
        "reaper:fail and stop": lambda v: p.fail(v, by="reaper", failure="start-timeout", order=True, **words),
        "reaper:drop_wake_request": lambda v: p.drop_wake_request(v, nonce=nonce),
        "reaper:force a dead engine": lambda v: p.force(v, by="reaper", dead=True, **words),
        "operator:force": lambda v: p.force(v, by="operator", forget=True, **words),
        "operator:request_wake": lambda v: p.request_wake(v, by="operator", until=AHEAD, **at),
        "deploy:inhibit": lambda v: p.inhibit(v, who="deploy", why="deploy", until=AHEAD, **at),
        "deploy:release": lambda v: p.release(v, who="deploy", **at),
        "deploy:new_machine": lambda v: p.new_machine(v, instance_id=MACHINE, by="deploy", **at),
    }


STARTS = frozenset({"relay:start", "relay:request_wake and start", "reaper:start"})
FORGETS_WAKE_REQUEST = frozenset({"reaper:drop_wake_request", "operator:force"})
Mutate = Callable[[dict[str, Op]], Mapping[str, Op]]


@dataclass(frozen=True)
class Result:
    """What a write did: the lease afterwards, and whether it was a transition (older readings are stale now)."""

    lease: int
    transition: bool
    broken: str = ""


class Leases:
    """Numbers for leases; `do` applies a write that was made from one reading to the lease as it is."""

    def __init__(self, mutate: Mutate | None = None) -> None:
        self.ops: Mapping[str, Op] = mutate(ops()) if mutate else ops()
        self.all: list[Lease] = []
        self.fired: set[str] = set()
        self._ids: dict[Lease, int] = {}
        self._done: dict[tuple[str, int, int], Result | None] = {}
        self._changed: dict[tuple[str, int], int] = {}

    def id(self, lease: Lease) -> int:
        """The number of a lease, the same for leases that mean the same."""
        lease = _plain(lease)
        found = self._ids.get(lease)
        if found is None:
            found = self._ids[lease] = len(self.all)
            self.all.append(lease)
        return found

    def created(self) -> int:
        """The lease that `create` makes."""
        write = protocol.create(UNIT, MACHINE, by="agent", now=NOW, nonce="n")
        after = protocol.apply(None, write)
        assert after is not None
        self.fired.add("agent:create")
        return self.id(replace(protocol.from_item(after), epoch=CURRENT))

    def do(self, op: str, read: int, there: int) -> Result | None:
        """The write `op`, made from the lease `read`, sent to the lease `there`; None where nothing is written."""
        key = (op, read, there)
        if key not in self._done:
            self._done[key] = self._do(op, read, there)
        result = self._done[key]
        if result is not None and result.broken:
            raise Broken(result.broken)
        return result

    def _do(self, op: str, read: int, there: int) -> Result | None:
        outcome = self.ops[op](self.all[read])
        if isinstance(outcome, Refused):
            return None
        before = self.all[there]
        item = protocol.apply(protocol.to_item(before), outcome)
        if item is None:
            return None
        self.fired.add(op)
        after = protocol.from_item(item)
        broken = _broken(op, before, after, outcome)
        return Result(self.id(replace(after, **_current(after, outcome))), outcome.event is not None, broken)

    def change(self, how: str, lease: int) -> int:
        """What the passing of time or of a boot makes of a lease."""
        if lease == NONE:
            return NONE
        key = (how, lease)
        if key not in self._changed:
            self._changed[key] = self.id(CHANGES[how](self.all[lease]))
        return self._changed[key]


def _current(after: Lease, write: Write) -> dict[str, Any]:
    cordon = CURRENT if after.cordon_epoch is not None and not write.event else None
    return {"epoch": CURRENT, "cordon_epoch": cordon}


def _broken(op: str, before: Lease, after: Lease, write: Write) -> str:
    """Promises about a single write."""
    if (
        before.wanted(NOW)
        and not after.wanted(NOW)
        and after.state is not State.RUNNING
        and op not in FORGETS_WAKE_REQUEST
    ):
        return f"{op} lost an unexpired wake request"
    if op == "relay:resume" and before.dead:
        return f"{op} kept a host on for callers of an engine that does not answer"
    if write.event and after.state is State.STARTING and op in STARTS and before.spent(NOW):
        return f"{op} started a host over its budget"
    if write.event and write.event.by == "agent" and after.state is State.STOPPING:
        if held := before.inhibitor(NOW):
            return f"{op} stopped a host that {held.who} holds"
        if before.wanted(NOW):
            return f"{op} stopped a host that {before.wake_by} wants"
    return ""


def _plain(lease: Lease) -> Lease:
    """The lease without what changes no decision; alive moments and gone ones each made one."""
    alive = lease.inhibitor(NOW) is not None
    return Lease(
        unit=UNIT,
        state=lease.state,
        epoch=lease.epoch,
        since=OLD,
        reason="-",
        by="agent" if lease.state is State.STOPPING and lease.by == "agent" else "-",
        instance_id=lease.instance_id,
        boot_id=lease.boot_id,
        wake_by="caller" if lease.wanted(NOW) else "",
        wake_until=AHEAD if lease.wanted(NOW) else None,
        inhibitors=(Inhibitor("deploy", "deploy", AHEAD),) if alive else (),
        inhibited_until=AHEAD if alive else None,
        inhibitors_nonce="h" if alive else "",
        cordon_epoch=lease.cordon_epoch,
        order_at=None if lease.order_at is None or lease.order_at == OLD else YOUNG,
        attempts=lease.attempts if lease.attempts != 2 else 1,
        order_until=ORDERED if lease.order_alive(NOW) else None,
        stopped_seen=None if lease.stopped_seen is None else _age(lease.stopped_seen),
        dead=lease.dead,
        dead_at=None if lease.dead_at is None else OLD,
        rung=lease.rung,
        type_at=None if lease.type_at is None else YOUNG,
        spent_until=AHEAD if lease.spent(NOW) else None,
    )


def _age(moment: float) -> float:
    return OLD if moment == OLD else YOUNG


def _thirty_seconds(lease: Lease) -> Lease:
    return replace(lease, stopped_seen=None if lease.stopped_seen is None else OLD)


def _new_boot(lease: Lease) -> Lease:
    return replace(lease, boot_id=OLD_BOOT if lease.boot_id == THIS_BOOT else lease.boot_id)


def _stale(lease: Lease) -> Lease:
    """What a reading from before the last transition can still do: open or close a route or admission, power off."""
    ours = lease.boot_id == THIS_BOOT and lease.instance_id == MACHINE
    state = lease.state if ours or lease.state is State.RUNNING else State.STOPPED
    if state in (State.NEW, State.STARTING, State.FAILED):
        state = State.STOPPED
    boot = THIS_BOOT if ours and state is not State.STOPPED else ""
    return Lease(UNIT, state, STALE, OLD, "-", lease.by, instance_id=lease.instance_id, boot_id=boot)


CHANGES: dict[str, Callable[[Lease], Lease]] = {
    "stale": _stale,
    "stale, kept whole": lambda v: replace(v, epoch=STALE, cordon_epoch=None),
    "thirty seconds": _thirty_seconds,
    "new boot": _new_boot,
    "wake request expires": lambda v: replace(v, wake_by="", wake_until=None),
    "inhibitor expires": lambda v: replace(v, inhibitors=(), inhibited_until=None, inhibitors_nonce=""),
    "stop order's time is over": lambda v: replace(v, order_until=None),
    "start order's time is over": lambda v: replace(v, order_at=OLD),
    "other machine": lambda v: replace(v, instance_id=OTHER_MACHINE),
}
