"""The pasts of units (`core/past.py`), as far as a pass needs them: read on from where they were counted to, and kept.

Three places: this process, while the Lambda is warm; an item of the unit's, for the next cold one; the events, from
which a past is counted the first time, from the beginning of this month. What was counted is kept at once, so a pass
that runs out of time, or is killed, has learnt it for good.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Iterable
from typing import Final

from core.lease import Lease
from core.past import Past, begin
from core.times.moments import first_of_month
from runtime.backends.leases import LeaseStore, StoreUnavailable

log = logging.getLogger("pilotlight.reaper")
READS_A_PASS: Final = 200  # of events, some hundred each; a fleet's cold pass has time for so many
READS_A_UNIT: Final = 8  # of them, in one pass: a stranger's history is not everybody's time
CHUNK: Final = 500  # events a read
KEPT_EVERY: Final = 20  # events: so many are read again at most by a cold Lambda
LOOK_BACK: Final = 64  # events before the month: what the host was on as when it began, and the last wakes


class Pasts:
    """Pasts by unit. `monotonic` is injectable so that tests own the time."""

    def __init__(self, store: LeaseStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store, self._monotonic = store, monotonic
        self._known: dict[str, Past] = {}
        self._kept: dict[str, int] = {}  # the epoch of the item
        self._asked = set[str]()  # units whose item was read
        self._left, self._until = READS_A_PASS, float("inf")

    def next_pass(self, until: float) -> None:
        """A pass begins, and reads until then (monotonic, s)."""
        self._left, self._until = READS_A_PASS, until

    def fetch(self, units: Iterable[str]) -> None:
        """Read the items of units that are not known yet, a hundred a call."""
        new = [unit for unit in units if unit not in self._asked]
        found = self._store.pasts(new) if new else {}
        self._asked.update(new)
        for unit, past in found.items():
            self._known[unit], self._kept[unit] = past, past.epoch

    def of(self, lease: Lease, now: float) -> Past | None:
        """The past up to the lease's epoch. None: a later pass reads the rest of it, and nobody waits for a start."""
        unit, reads = lease.unit, 0
        self.fetch([unit])
        past = self._known.get(unit)
        while past is None or past.epoch < lease.epoch:
            if reads >= READS_A_UNIT or self._monotonic() > self._until or (self._left <= 0 and not lease.wanted(now)):
                return None
            self._left, reads = self._left - 1, reads + 1
            past = self._known[unit] = self._read_on(lease, past, now)
            self._keep(unit, past)
        return past

    def _read_on(self, lease: Lease, past: Past | None, now: float) -> Past:
        if past is None:
            return self._begin(lease, first_of_month(now))
        events = self._store.events(lease.unit, epochs=range(past.epoch + 1, lease.epoch + 1), limit=CHUNK)
        return past.add(events, upto=events[-1].epoch if len(events) >= CHUNK else lease.epoch)

    def _begin(self, lease: Lease, since: float) -> Past:
        """From some events before `since` on; nearly always those are among the last ones."""
        first = max(1, lease.epoch + 1 - CHUNK)
        events = self._store.events(lease.unit, epochs=range(first, lease.epoch + 1), limit=CHUNK)
        if first == 1 or (events and events[0].at < since):
            skipped = sum(1 for _ in itertools.takewhile(lambda event: event.at < since, events))
            return begin(events[max(0, skipped - LOOK_BACK) :], upto=lease.epoch)
        first = self._first(lease.unit, since, first)
        events = self._store.events(lease.unit, epochs=range(first, lease.epoch + 1), limit=CHUNK)
        return begin(events, upto=events[-1].epoch if events else lease.epoch)

    def _first(self, unit: str, since: float, end: int) -> int:
        """The epoch to begin at: some events before the first one from `since` on, found by halving, an event a read.

        A stranger's times need not grow with the epochs; then this ends all the same, somewhere.
        """
        low, high = 1, end
        while low < high:
            middle, self._left = (low + high) // 2, self._left - 1
            found = self._store.events(unit, epochs=range(middle, end), limit=1)
            if found and found[0].at < since:
                low = found[0].epoch + 1
            else:
                high = middle
        return max(1, min(low, end) - LOOK_BACK)

    def _keep(self, unit: str, past: Past) -> None:
        kept = self._kept.get(unit)
        if kept is not None and past.epoch - kept < KEPT_EVERY:
            return
        try:
            self._store.put_past(unit, past)
        except StoreUnavailable as error:
            log.warning("unit %s: what was counted of its past is not kept: %s", unit, error)
            return
        self._kept[unit] = past.epoch
