"""The requests that are replayed: when each came and how long an engine worked on it. Pure; numpy."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from core.errors import SettingsError

Floats = NDArray[np.float64]
Indexes = NDArray[np.int64]
SHORTEST_S: Final = 3600.0  # a shorter period says nothing about a month


@dataclass(frozen=True)
class Trace:
    """`arrivals`: s since 1970, in order. `durations`: s that each takes while the host is awake. `callers`: a number
    for whoever sent it. All lie between `since` and `until`, which are replayed. `name` is for people.
    """

    arrivals: Floats
    durations: Floats
    callers: Indexes
    since: float
    until: float
    name: str = ""

    def __post_init__(self) -> None:
        if self.elapsed_s < SHORTEST_S:
            raise SettingsError(
                f"The requests lie within {self.elapsed_s:.0f}s: a replay needs an hour at least, and a week or more "
                "to say something about a month."
            )

    @property
    def elapsed_s(self) -> float:
        """How long the replayed time is, s."""
        return self.until - self.since

    @functools.cached_property
    def busy_until(self) -> Floats:
        """For each request the end of it and of all before it, s since 1970, on a host that is always awake."""
        ends: Floats = np.maximum.accumulate(self.arrivals + self.durations)
        return ends

    @functools.cached_property
    def pauses(self) -> Floats:
        """After each request but the last: how long nothing is in flight, s; 0 and less where something is."""
        return self.arrivals[1:] - self.busy_until[:-1]

    def before_pauses(self, longer_than_s: float) -> Indexes:
        """The requests after which nothing is in flight for so long."""
        return np.flatnonzero(self.pauses > longer_than_s)


def of(
    arrivals: Floats,
    durations: Floats,
    callers: Indexes | None = None,
    *,
    since: float,
    until: float,
    name: str = "",
) -> Trace:
    """A trace from requests in any order; without `callers` each is somebody else's."""
    order = np.argsort(arrivals, kind="stable")
    who = np.arange(len(arrivals)) if callers is None else callers
    return Trace(arrivals[order], durations[order], who[order], since, until, name)
