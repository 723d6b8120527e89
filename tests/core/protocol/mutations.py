"""Ways to break the protocol on purpose; the search must find each. A mutation changes the real functions' writes or
the environment, never a copy of the lease. To add one: an entry in `MUTATIONS` with the bounds that suffice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from core.lease import Clause, Lease, Outcome, Refused, State, Write
from tests.core.protocol.leases import OTHER_BOOT, THIS_BOOT, Op
from tests.core.protocol.world import Options


@dataclass(frozen=True)
class Mutation:
    """`options` break something; a search within them must end with words that contain `found`. `long`: it takes
    seconds, since what never happens is known only when everything was searched."""

    what: str
    options: Options
    found: str
    long: bool = False


def _each(ops: Mapping[str, Op], names: tuple[str, ...], change: Callable[[Write], Write]) -> dict[str, Op]:
    """The ops with the writes of `names` changed."""

    def changed(op: Op) -> Op:
        def call(lease: Lease) -> Outcome:
            outcome = op(lease)
            return outcome if isinstance(outcome, Refused) else change(outcome)

        return call

    return {name: changed(op) if name in names else op for name, op in ops.items()}


def _without(*clauses: str) -> Callable[[Write], Write]:
    """The write without the clauses on these attributes."""

    def change(write: Write) -> Write:
        kept: tuple[Clause, ...] = tuple(c for c in write.clauses if c.name not in clauses)
        return replace(write, clauses=kept)

    return change


def _keeps_wake_request(write: Write) -> Write:
    return replace(write, sets={k: v for k, v in write.sets.items() if not k.startswith("wake_")})


def stop_without_condition(ops: dict[str, Op]) -> Mapping[str, Op]:
    """The agent's stop does not ask the table for wake requests and inhibitors."""
    return _each(ops, ("agent:stop",), _without("wake_until", "inhibited_until"))


def never_stops(ops: dict[str, Op]) -> Mapping[str, Op]:
    """The agent never decides that its host may stop."""
    return {**ops, "agent:stop": lambda _: Refused("never")}


def wake_request_kept(ops: dict[str, Op]) -> Mapping[str, Op]:
    """The wake request stays on the way into RUNNING."""
    return _each(ops, ("agent:ready", "agent:resume", "relay:resume", "reaper:resume"), _keeps_wake_request)


def wake_request_any_time(ops: dict[str, Op]) -> Mapping[str, Op]:
    """A wake request is written in every state."""

    def wake_request(lease: Lease) -> Outcome:
        outcome = ops["relay:request_wake"](replace(lease, state=State.STOPPED))
        assert isinstance(outcome, Write)
        return _without("state")(outcome)

    return {**ops, "relay:request_wake": wake_request}


def any_machine(ops: dict[str, Op]) -> Mapping[str, Op]:
    """Instance and boot are in no agent's write: a stranger's idle check counts for this machine."""

    def as_ours(op: Op) -> Op:
        def call(lease: Lease) -> Outcome:
            outcome = op(replace(lease, boot_id=OTHER_BOOT) if lease.boot_id == THIS_BOOT else lease)
            return outcome if isinstance(outcome, Refused) else _without("instance_id", "boot_id")(outcome)

        return call

    return {**ops, "stranger:stop": as_ours(ops["stranger:stop"])}


def stop_order_without_epoch(ops: dict[str, Op]) -> Mapping[str, Op]:
    """The claim of a stop order does not name state and epoch: it may come from an old reading."""
    return _each(ops, ("reaper:stop_order",), _without("state", "epoch"))


def starts_over_stop_orders(ops: dict[str, Op]) -> Mapping[str, Op]:
    """A start does not wait for a stop order that may still land."""

    def start(op: Op) -> Op:
        def call(lease: Lease) -> Outcome:
            outcome = op(replace(lease, order_until=None))
            return outcome if isinstance(outcome, Refused) else _without("order_until")(outcome)

        return call

    starts = ("relay:start", "relay:request_wake and start", "reaper:start", "relay:stopped", "reaper:stopped")
    return {**ops, **{name: start(ops[name]) for name in starts}}


def start_over_budget(ops: dict[str, Op]) -> Mapping[str, Op]:
    """A wake does not ask whether the month's budget is spent."""

    def start(op: Op) -> Op:
        def call(lease: Lease) -> Outcome:
            outcome = op(replace(lease, spent_until=None))
            return outcome if isinstance(outcome, Refused) else _without("spent_until")(outcome)

        return call

    return {**ops, "relay:request_wake and start": start(ops["relay:request_wake and start"])}


def resume_for_a_dead_engine(ops: dict[str, Op]) -> Mapping[str, Op]:
    """Callers resume a drain whether or not anybody answers them."""

    def resume(lease: Lease) -> Outcome:
        outcome = ops["relay:resume"](replace(lease, dead=""))
        return outcome if isinstance(outcome, Refused) else _without("dead")(outcome)

    return {**ops, "relay:resume": resume}


ONE = Options(requests=1, faults=0, reapers=1)
FAULTY = Options(requests=1, faults=1, reapers=1)
CUT = "cut a request in the engine"
ORDERS = "two different live orders"

MUTATIONS: tuple[Mutation, ...] = (
    Mutation("no admission", replace(ONE, admission=False), CUT),
    Mutation("no check of the connections", replace(ONE, check_connections=False), CUT),
    Mutation("pooled connections, not checked", replace(ONE, pooled=True, check_connections=False), CUT),
    Mutation("condition left out of the agent's stop", replace(ONE, mutate=stop_without_condition), "wants"),
    Mutation(
        "epoch left out of the stop order's claim",
        replace(ONE, mutate=stop_order_without_epoch, keep_stale=True),
        ORDERS,
    ),
    Mutation("a stop order lands after its time", replace(ONE, late_orders=True), ORDERS),
    Mutation("a start over a live stop order", replace(ONE, mutate=starts_over_stop_orders), ORDERS),
    Mutation("an agent that never stops", replace(ONE, requests=0, mutate=never_stops), "cannot be stopped"),
    Mutation(
        "a wake request written while RUNNING",
        replace(ONE, wake_request_while_running=True, mutate=wake_request_any_time),
        "cannot be stopped",
        long=True,
    ),
    Mutation(
        "the wake request kept on the way into RUNNING",
        replace(FAULTY, requests=0, mutate=wake_request_kept),
        "cannot be stopped",
        long=True,
    ),
    Mutation(
        "a start over the budget",
        replace(ONE, budget=True, mutate=start_over_budget),
        "started a host over its budget",
    ),
    Mutation(
        "callers of a dead engine resume a drain",
        replace(ONE, dead_engines=True, mutate=resume_for_a_dead_engine),
        "for callers of an engine that does not answer",
    ),
    Mutation(
        "a host whose engine hangs is never forced off",
        replace(ONE, dead_engines=True, force_dead=False),
        "a request waits for ever",
        long=True,
    ),
    Mutation("instance id left out", replace(ONE, strangers=True, mutate=any_machine), CUT),
    Mutation("boot id not compared", replace(FAULTY, agent_checks_boot=False), "has not proved itself"),
    Mutation("admission open from boot on", replace(FAULTY, open_before_ready=True), CUT),
)
