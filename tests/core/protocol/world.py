"""One state of everything the protocol is about, and the options of a search.

A `World` is small on purpose: what is equal here is searched once. Processes' memories are readings of the lease
(numbers of `leases.Leases`) and where they are in their work; requests are counted, not told apart, since a long
stream differs from a short answer only by how long it stays, and here everything may stay as long as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from tests.core.protocol.leases import NONE, Leases, Mutate

OFF, ON, STOPPING = range(3)  # EC2's stopped, running (pending too), stopping
IDLE, CHECKED, UNSURE = range(3)  # the agent: nothing, has checked and may stop, a stop's answer never came
READ, OWES_START, OWES_STOP = range(3)  # a reaper: has read and may act, has claimed an order that it still sends


class Reaper(NamedTuple):
    """What one reaper read, and what EC2 told it; `lease` NONE: not running."""

    lease: int
    view: int
    at: int


NO_REAPER: Final = Reaper(NONE, OFF, READ)


def in_order(one: Reaper, other: Reaper) -> tuple[Reaper, Reaper]:
    """Two reapers are alike, so which is which does not matter."""
    return (one, other) if one <= other else (other, one)


class World(NamedTuple):
    """Everything. Counts are of requests: on their way, queued by the relay, at an engine and not yet counted by it,
    counted; `faults` is what the environment may still do wrong."""

    lease: int
    new: int
    queued: int
    uncounted: int
    counted: int
    route: bool  # HAProxy: straight to the engine
    relay: int  # its last reading
    owes: bool  # the relay has claimed a start and still sends the order
    cut: bool  # the gateway cannot reach the table; it forwards all the same
    power: int
    view: int  # what EC2 says
    replaced: bool  # `pulumi up` made another machine, the lease does not know yet
    proved: bool  # this boot was READY once
    admission: bool  # open
    dead: bool  # the engine answers nobody: it has crashed, or it hangs with what is in it
    pooled: bool  # an idle connection to the engine is open
    agent: int  # its last reading
    at: int
    reapers: tuple[Reaper, Reaper]
    start_order: bool  # under way to EC2
    stop_order: bool
    faults: int

    @property
    def in_engine(self) -> bool:
        """A request is in the engine."""
        return bool(self.uncounted or self.counted)

    @property
    def served(self) -> bool:
        """Nobody waits for anything."""
        return not (self.new or self.queued or self.uncounted or self.counted)


@dataclass(frozen=True)
class Options:
    """Bounds, and what may be broken on purpose. Most fields beyond the first four break something."""

    requests: int = 1
    faults: int = 1
    reapers: int = 2
    pooled: bool = False  # engines keep idle connections open (ours do not)
    admission: bool = True
    check_connections: bool = True
    late_orders: bool = False
    agent_checks_boot: bool = True
    pair: bool = False  # a second relay: it requests wakes and forwards, and takes over from one that is killed
    strangers: bool = False  # an agent on another machine of the same unit
    open_before_ready: bool = False  # admission is open from boot on
    wake_request_while_running: bool = False
    budget: bool = False  # the month's budget is spent, and no longer
    ladder: bool = False  # the ladder changes the type, which goes back while the host is off
    dead_engines: bool = False  # an engine dies: it crashes, or it hangs
    force_dead: bool = True  # the policy forces a host off whose engine is dead
    keep_stale: bool = False  # stale readings still write: needed where a condition is left out
    mutate: Mutate | None = None


def first(options: Options) -> World:
    """A machine that `pulumi up` just made: running, no lease yet, nobody has asked."""
    return World(
        lease=NONE,
        new=options.requests,
        queued=0,
        uncounted=0,
        counted=0,
        route=False,
        relay=NONE,
        owes=False,
        cut=False,
        power=ON,
        view=ON,
        replaced=False,
        proved=False,
        admission=options.open_before_ready,
        dead=False,
        pooled=False,
        agent=NONE,
        at=IDLE,
        reapers=(NO_REAPER, NO_REAPER),
        start_order=False,
        stop_order=False,
        faults=options.faults,
    )


class Model:
    """The leases and the options that all steps share."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.leases = Leases(options.mutate)
        self.stale = "stale, kept whole" if options.keep_stale else "stale"

    def written(self, world: World, lease: int, *, transition: bool) -> World:
        """The world after a write: after a transition all readings are stale."""
        if not transition:
            return world._replace(lease=lease)
        change, leases = self.stale, self.leases
        return world._replace(
            lease=lease,
            relay=leases.change(change, world.relay),
            agent=leases.change(change, world.agent),
            reapers=in_order(*map(self._stale_reaper, world.reapers)),
        )

    def _stale_reaper(self, reaper: Reaper) -> Reaper:
        """Every write of a reaper names the epoch: one that read before it can only still send what it owes."""
        if reaper.lease == NONE or (reaper.at == READ and not self.options.keep_stale):
            return NO_REAPER
        return reaper._replace(lease=self.leases.change(self.stale, reaper.lease))

    def readings(self, world: World, how: str) -> World:
        """The same change for the lease and for everybody's reading of it: a machine's new boot has a new name."""
        change = self.leases.change
        return world._replace(
            lease=change(how, world.lease),
            relay=change(how, world.relay),
            agent=change(how, world.agent),
            reapers=in_order(*(r._replace(lease=change(how, r.lease)) for r in world.reapers)),
        )
