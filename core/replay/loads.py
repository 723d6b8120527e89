"""Traffic for those who have no log yet: four made-up loads, each the same for the same seed. Pure; numpy.

They are made once from what is said here and were not changed to suit any rule: what a replay finds on them is a
finding. Four weeks from a Monday (2 November 2026) in a time zone. To add one: a function in LOADS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

import numpy as np

from core.errors import SettingsError
from core.replay import trace
from core.replay.trace import Floats, Indexes, Trace
from core.times.zones import zone as zone_of

DAYS: Final = 28
FIRST: Final = datetime(2026, 11, 2)  # a Monday, at midnight
MINUTE, HOUR = 60.0, 3600.0
Draw = np.random.Generator
Made = tuple[Floats, Floats, Indexes]  # seconds since the first midnight by the local clock, durations, callers


def generate(name: str, *, seed: int = 1, days: int = DAYS, zone: str = "Europe/Berlin") -> Trace:
    """A load by name. SettingsError: there is none of this name, or `days` is no number of days from 1 to 366."""
    if name not in LOADS:
        raise SettingsError(f'There is no load "{name}"; there are {", ".join(LOADS)}.')
    if not 1 <= days <= 366:
        raise SettingsError(f"{days} days: write a number from 1 to 366.")
    at, durations, callers = LOADS[name](np.random.default_rng(seed), days)
    inside = (at >= 0) & (at + durations < days * 24 * HOUR)
    since, until = _instant(0.0, zone), _instant(days * 24 * HOUR, zone)
    at, durations, callers = _instants(at[inside], zone), durations[inside], callers[inside]
    return trace.of(at, durations, callers, since=since, until=until, name=name)


def _instant(clock_s: float, zone: str) -> float:
    day, seconds = divmod(clock_s, 24 * HOUR)
    midnight = (FIRST + timedelta(days=day)).replace(tzinfo=zone_of(zone))
    return midnight.timestamp() + seconds


def _instants(clock_s: Floats, zone: str) -> Floats:
    """Clock times as instants: a day's begin at its own midnight, whatever daylight saving does."""
    days = np.floor(clock_s / (24 * HOUR)).astype(int)
    midnights = np.array([_instant(day * 24 * HOUR, zone) for day in range(int(days.max(initial=0)) + 1)])
    found: Floats = midnights[days] + (clock_s - days * 24 * HOUR)
    return found


def _chats(draw: Draw, begins: Floats, people: Indexes, *, requests: float, every_s: float, median_s: float) -> Made:
    """Each person's chat: a number of requests (geometric), a thinking pause between two (exponential)."""
    counts = draw.geometric(1 / requests, size=len(begins))
    thinking = draw.exponential(every_s, size=int(counts.sum()))
    first = np.repeat(np.cumsum(counts) - counts, counts)
    sums = np.cumsum(thinking) - thinking
    at = np.repeat(begins, counts) + sums - sums[first]
    return at, _answers(draw, len(at), median_s), np.repeat(people, counts)


def _answers(draw: Draw, count: int, median_s: float) -> Floats:
    """How long answers take: lognormal, a few much longer than most."""
    return draw.lognormal(np.log(median_s), 0.6, size=count)


def office(draw: Draw, days: int) -> Made:
    """A team of eight: on workdays each has some six chats between 9 and 18, few over lunch; at times an evening."""
    begins, people = list[float](), list[int]()
    for day in range(days):
        midnight, workday = day * 24 * HOUR, day % 7 < 5
        for person in range(8):
            chats = draw.poisson(6.0) if workday and draw.random() < 0.85 else draw.poisson(0.03)
            for _ in range(chats):
                hour = draw.uniform(9, 18) if workday else draw.uniform(10, 22)
                if 12 <= hour < 13 and draw.random() < 0.7:
                    hour = draw.uniform(13, 18)
                begins.append(midnight + hour * HOUR)
                people.append(person)
        if workday and draw.random() < 0.25:
            begins.append(midnight + draw.uniform(19, 23) * HOUR)
            people.append(0)
    return _chats(draw, np.array(begins), np.array(people), requests=6, every_s=75, median_s=6)


# Customers' chats that begin in an hour of the day, on average, on a workday; on Saturday and Sunday 40 %.
_CUSTOMERS: Final = (0.3, 0.2, 0.1, 0.1, 0.1, 0.2, 0.6, 1.5, 4, 7, 8, 7, 6, 6, 7, 7, 6, 6, 5, 5, 4, 3, 1.5, 0.7)


def service(draw: Draw, days: int) -> Made:
    """Customers who write to a service: at random, most by day, some at night, fewer at weekends."""
    rates = np.array([[rate * (1.0 if day % 7 < 5 else 0.4) for rate in _CUSTOMERS] for day in range(days)]).ravel()
    counts = draw.poisson(rates)
    begins = np.repeat(np.arange(len(rates)) * HOUR, counts) + draw.uniform(0, HOUR, size=int(counts.sum()))
    return _chats(draw, begins, np.arange(len(begins)), requests=4, every_s=60, median_s=5)


def batch(draw: Draw, days: int) -> Made:
    """A nightly job at about two: some 600 documents, eight at a time; on one day in five somebody tries it by day."""
    at, durations = list[Floats](), list[Floats]()

    def job(begin: float, documents: int) -> None:
        took = _answers(draw, documents, 20)
        lanes = np.arange(documents) % 8
        starts = np.empty(documents)
        for lane in range(8):
            mine = lanes == lane
            starts[mine] = np.cumsum(took[mine]) - took[mine]
        at.append(begin + starts)
        durations.append(took)

    for day in range(days):
        job(day * 24 * HOUR + 2 * HOUR + abs(draw.normal(0, 4)) * MINUTE, int(draw.normal(600, 120)))
        if draw.random() < 0.2:
            job(day * 24 * HOUR + draw.uniform(10, 17) * HOUR, 5)
    return np.concatenate(at), np.concatenate(durations), np.zeros(sum(map(len, at)), np.int64)


def bursts(draw: Draw, days: int) -> Made:
    """Bursts at any hour with long and short pauses between (lognormal, median 2.5 h): 20 to 200 requests in minutes,
    of forty callers.
    """
    begins = np.cumsum(draw.lognormal(np.log(2.5 * HOUR), 1.1, size=days * 24))
    begins = begins[begins < days * 24 * HOUR]
    counts = draw.integers(20, 201, size=len(begins))
    lengths = draw.uniform(5, 25, size=len(begins)) * MINUTE
    at = np.repeat(begins, counts) + draw.uniform(size=int(counts.sum())) * np.repeat(lengths, counts)
    return at, _answers(draw, len(at), 8), draw.integers(40, size=len(at))


LOADS: Final[Mapping[str, Callable[[Draw, int], Made]]] = MappingProxyType(
    {"office": office, "service": service, "batch": batch, "bursts": bursts}
)
