"""The adaptive idle time: how long to idle, and when to start ahead, learned from past pauses. Pure; no numpy.

A pause is the time between the last request and the next one. Idling through it costs its seconds; stopping costs a
start: the seconds of it that are billed, and the callers' waiting at the price that the owner puts on a minute of it.
In seconds of the host's price that is B (`Stake.b_s`). Of the idle times from λB to B/λ (λ = 1/2) the rule takes the
one that would have been cheapest for the past pauses which began at about this time of day; until it knows some, B.

**The bound.** Whoever knew the length g of a pause would pay min(g, B). An idle time T between λB and B/λ pays g where
g ≤ T, so 1/λ times that at most, and T + B where g > T, so (1 + 1/λ) times that at most: 3 times for λ = 1/2, on every
single pause. (T = B alone is the ski-rental rule: 2 times. Memoryless pauses of mean B cost any rule B and the one who
knows B(1 - 1/e), so 1.58 times, whatever is learned.) Starting ahead keeps the bound: it is done once in a pause, not
before B of it is over, and the host then waits no longer than 2B - T less its start; T + start + waiting + B ≤ 3B.

**Starting ahead.** The pauses' ends by time of day, on the same weekday in the four weeks before, or on the last seven
days: the window of them that would have saved the most, if it would have saved anything.

The idea of a histogram of idle times, a window of prewarming and a fallback where it is not sharp: Shahrad et al.,
Serverless in the Wild, USENIX ATC 2020. Ski rental: Karlin et al., Competitive Snoopy Caching, 1988.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from core.times.zones import zone as zone_of

LAMBDA: Final = 0.5
KEPT: Final = 400  # so many past pauses count
STEPS: Final = 4  # idle times that are tried between B and twice B
ENOUGH: Final = 4  # pauses of one time of day; with fewer those of the whole day count
NEAR_S: Final = 2 * 3600.0  # the same time of day
DAY_S: Final = 86400.0
TICK_S: Final = 60.0  # the reaper's own interval: a start ahead is this much earlier, a stop may be this much later


@dataclass(frozen=True)
class Pause:
    """Nothing was in flight from `began` to `ended`, s since 1970."""

    began: float
    ended: float

    @property
    def length_s(self) -> float:
        """How long it was, s."""
        return self.ended - self.began


@dataclass(frozen=True)
class Stake:
    """What one start costs, in seconds of the host's price: its own billed time, and the callers' priced waiting."""

    start_s: float
    waiting_s: float

    @property
    def b_s(self) -> float:
        """The pause from which on a stop is the cheaper way, s."""
        return self.start_s + self.waiting_s


@dataclass(frozen=True)
class Ahead:
    """A start that nobody asked for at `start_at`, s since 1970; with nobody there by `until` the host stops again."""

    start_at: float
    until: float


def clamp(idle_s: float, b_s: float) -> float:
    """The idle time within λB and B/λ, which the bound is about."""
    return min(max(idle_s, LAMBDA * b_s), b_s / LAMBDA)


def cost_s(length_s: float, idle_s: float, b_s: float) -> float:
    """What a pause costs with an idle time, in seconds of the host's price."""
    return length_s if length_s <= idle_s else idle_s + b_s


def stop_after_s(past: Sequence[Pause], stake: Stake, began: float, zone: str) -> float:
    """The idle time of a pause that begins at `began`, s: the cheapest for pauses like it, never outside the clamp."""
    b_s = stake.b_s
    telling = [p for p in past[-KEPT:] if p.length_s > LAMBDA * b_s]  # the others cost the same whatever is chosen
    alike = [p for p in telling if _apart_s(clock_s(p.began, zone), clock_s(began, zone)) <= NEAR_S]
    chosen = alike if len(alike) >= ENOUGH else telling
    if len(chosen) < ENOUGH:
        return b_s
    tried = [clamp(b_s * 2 ** (step / STEPS), b_s) for step in range(-STEPS, STEPS + 1)]
    return min(tried, key=lambda idle_s: sum(cost_s(p.length_s, idle_s, b_s) for p in chosen))


def ahead(past: Sequence[Pause], stake: Stake, began: float, off_at: float, zone: str) -> Ahead | None:
    """When to start in a pause that began at `began`, in which the host went off at `off_at`; None: not at all."""
    longest_s = 2 * stake.b_s - (off_at - began) - stake.start_s - TICK_S
    earliest = max(began + stake.b_s, off_at)
    ends = _ends(past, stake.b_s, zone)
    for offset in range(8 if longest_s > 0 and ends else 0):
        day = _day(began, zone) + timedelta(days=offset)
        window = _best(_alike(ends, day, _day(began, zone)), stake, longest_s)
        if window is None:
            continue
        start_at = max(_instant(day, window[0], zone) - stake.start_s - TICK_S, earliest)
        until = min(_instant(day, window[1], zone) + TICK_S, start_at + stake.start_s + longest_s)
        if start_at + stake.start_s < until:
            return Ahead(start_at, until)
    return None


Ends = dict[date, float | None]  # by day: when its first long pause ended, s of the clock; None: none did


def _ends(past: Sequence[Pause], b_s: float, zone: str) -> Ends:
    """Every day that was seen from its midnight on, and its first end of a pause of more than B."""
    if not past:
        return {}
    found, day, last = Ends(), _day(past[0].began, zone) + timedelta(days=1), _day(past[-1].ended, zone)
    while day <= last:
        found[day] = None
        day += timedelta(days=1)
    for pause in past[-KEPT:]:
        day = _day(pause.ended, zone)
        if pause.length_s > b_s and day in found and found[day] is None:
            found[day] = clock_s(pause.ended, zone)
    return found


def _alike(ends: Ends, day: date, today: date) -> list[float | None]:
    """The days that tell most about `day`: its weekday in the last four weeks, else the last seven days."""
    weekdays = [day - timedelta(days=7 * weeks) for weeks in range(1, 5)]
    same = [ends[d] for d in weekdays if d in ends and d < day]
    if len(same) >= 2:
        return same
    return [ends[d] for back in range(8) if (d := today - timedelta(days=back)) in ends and d < day]


def _best(seen: Sequence[float | None], stake: Stake, longest_s: float) -> tuple[float, float] | None:
    """The window of clock times that would have saved the most, s; None: none would have saved anything."""
    hits = sorted(at for at in seen if at is not None)
    best, most = None, 0.0
    for first, begin in enumerate(hits):
        for last in range(first, len(hits)):
            if hits[last] - begin > longest_s:
                break
            inside = hits[first : last + 1]
            held = sum(at - begin + TICK_S for at in inside)
            missed = (len(seen) - len(inside)) * (stake.start_s + hits[last] - begin + 2 * TICK_S)
            saved = len(inside) * stake.waiting_s - held - missed
            if len(inside) >= 2 and saved > most:
                best, most = (begin, hits[last]), saved
    return best


# ---------------------------------------------------------------- the clock on the wall
@functools.lru_cache(maxsize=4096)
def _local(at: float, zone: str) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone(zone_of(zone))


def _day(at: float, zone: str) -> date:
    return _local(at, zone).date()


def clock_s(at: float, zone: str) -> float:
    """Seconds since midnight on the clock of a time zone."""
    local = _local(at, zone)
    return local.hour * 3600.0 + local.minute * 60 + local.second


def _instant(day: date, seconds: float, zone: str) -> float:
    """When the clock of a zone shows so many seconds after midnight of a day."""
    wall = datetime(day.year, day.month, day.day, tzinfo=zone_of(zone)) + timedelta(seconds=seconds)
    return wall.timestamp()


def _apart_s(one: float, other: float) -> float:
    """How far two times of day lie apart, s; midnight is no border."""
    apart = abs(one - other)
    return min(apart, DAY_S - apart)
