"""What somebody would have paid who knew every request beforehand: the line that no setting gets under. Pure.

Two of them. One knows how long each pause will be and starts when asked, as every idle time does: it decides only
whether to stop at the beginning of a pause (of more than a minute, since the reaper looks once a minute). The bounds of
`core.policy.adaptive` are about this one. The other may start ahead as well, so that the host is ready at the very
moment: no schedule and no forecast can be better.

Exact, by dynamic programming over the runs of requests between pauses. What makes it more than a sum is that a cold
start serves its callers late, which shortens the pause after them, or closes it. (Where a minute of waiting costs
something, but less than a minute of the host, half a start ahead could be cheaper still; that is not tried.)
"""

from __future__ import annotations

import math

import numpy as np

from core.replay.simulate import TICK_S, waiting_s
from core.replay.trace import Trace


def clairvoyant(trace: Trace, *, start_s: float, waiting_price: float, ahead: bool = False) -> float:
    """The least that host and waiting could have cost, in seconds of the host's price; a start takes `start_s`.

    `waiting_price`: such seconds a second of waiting. `ahead`: it may start of its own accord. The host is off at first
    and at the end.
    """
    return _Search(trace, start_s, waiting_price, ahead=ahead).least() if len(trace.arrivals) else 0.0


def waiting_of_a_start_s(trace: Trace, *, start_s: float, longer_than_s: float) -> float:
    """How long callers wait for one start on average, all together, s: of starts after pauses of more than so long."""
    firsts = [0, *(trace.before_pauses(longer_than_s) + 1).tolist()] if len(trace.arrivals) else []
    waits = [_waiting_s(trace, first, start_s) for first in firsts]
    return sum(waits) / len(waits) if waits else start_s


def _waiting_s(trace: Trace, first: int, start_s: float) -> float:
    """The waiting of the callers of a start that request `first` causes, s."""
    ready = float(trace.arrivals[first]) + start_s
    here = slice(first, int(np.searchsorted(trace.arrivals, ready, side="left")))
    return waiting_s(ready - trace.arrivals[here], trace.callers[here])


class _Search:
    """Least costs, by run of requests: `off`, up to its first request, with the host off until then; `awake`, up to it,
    on a host that answers at once; `done`, up to its end, on a host that has served everybody.
    """

    def __init__(self, trace: Trace, start_s: float, waiting_price: float, *, ahead: bool) -> None:
        self.trace, self.start_s, self.price, self.ahead = trace, start_s, waiting_price, ahead
        before = trace.before_pauses(TICK_S)
        self.first = [0, *(before + 1).tolist()]  # the number of each run's first request
        self.begin = trace.arrivals[self.first].tolist()
        self.end = np.minimum(trace.busy_until[[*before.tolist(), -1]], trace.until).tolist()
        runs = len(self.first)
        self.off, self.awake, self.done = ([math.inf] * (runs + 1) for _ in range(3))

    def least(self) -> float:
        """The least cost of all runs."""
        self._stop(0, 0.0, self.trace.since)
        for run in range(len(self.first)):
            self._cold(run)
            done = min(self.done[run], self.awake[run] + self.end[run] - self.begin[run])
            self._rest(run + 1, done, self.end[run])
        return self.off[-1]

    def _rest(self, run: int, cost: float, at: float) -> None:
        """Before `run` nothing is in flight from `at` on: stay on, or stop."""
        self._stop(run, cost, at)
        if run < len(self.first):
            self.awake[run] = min(self.awake[run], cost + self.begin[run] - at)

    def _stop(self, run: int, cost: float, at: float) -> None:
        self.off[run] = min(self.off[run], cost)
        if self.ahead and run < len(self.first) and self.begin[run] - at >= self.start_s:
            self.awake[run] = min(self.awake[run], cost + self.start_s)

    def _cold(self, run: int) -> None:
        """The first request of `run` starts the host; its callers are served at `late`, and that may take a while."""
        began, trace = self.begin[run], self.trace
        ready = began + self.start_s
        last = int(np.searchsorted(trace.arrivals, ready, side="left"))
        cost = self.off[run] + self.price * _waiting_s(trace, self.first[run], self.start_s) - began
        late = min(ready + float(trace.durations[self.first[run] : last].max()), trace.until)
        while late > self.end[run]:
            run += 1
            if run == len(self.first) or late < self.begin[run]:
                self._rest(run, cost + late, late)
                return
        self.done[run] = min(self.done[run], cost + self.end[run])
