"""The ledger: when a host was on, as which instance type, and what its hours have cost this month. Pure.

Its source is the history of the lease. An event into STARTING begins an interval, one into STOPPED or FAILED ends it;
what an event records of the type (`instance_type`, which the agent asks the machine for, or `rung`, which the capacity
ladder set) is the price of the interval it lies in. Reaper (budget), `fab status`, the forecast and the demo all count
here, so they agree to the cent.

A `Ledger` is a fold: it has counted the events up to some epoch, and the next ones are added. Months are UTC's, as on
AWS's bill. EC2 bills by the second, at least a minute a start; a start that EC2 refused is not billed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from core.capacity import ladder, power_errors
from core.capacity.power_errors import PASSING, Kind
from core.contract.documents import UnitSettings
from core.lease import ON, Event, State
from core.money import prices
from core.money.prices import PriceUnknown
from core.times.moments import first_of_month, midnight, next_midnight, next_month

HOUR_S: Final = 3600.0
MINIMUM_S: Final = 60.0  # that EC2 bills a start
DAYS_KEPT: Final = 2  # today, and the one before, which a run over midnight ends in
_BILLED: Final = frozenset({*ON, State.STOPPING})
_REFUSALS: Final = frozenset(Kind) - PASSING - {Kind.OTHER}
Seconds = Mapping[str, float]  # by instance type; "" where no event says which


@dataclass(frozen=True)
class Interval:
    """The host was on from `start` to `end` (table time, s), as `instance_type`; "" where no event says which."""

    start: float
    end: float
    instance_type: str = ""

    @property
    def billed_s(self) -> float:
        """At least a minute."""
        return self.billed_since(self.start)

    def billed_since(self, moment: float) -> float:
        """The billed seconds from `moment` on; what a short start is rounded up by counts where it began."""
        rounding = max(0.0, MINIMUM_S - (self.end - self.start)) if self.start >= moment else 0.0
        return max(0.0, self.end - max(self.start, moment)) + rounding


@dataclass(frozen=True)
class On:
    """The host is on since `start`. `began` is its last step into STARTING, `ready` that it was RUNNING since."""

    start: float
    instance_type: str = ""
    began: float = 0.0
    ready: bool = False


def step(on: On | None, event: Event) -> tuple[On | None, Interval | None]:
    """What an event makes of the time the host is on: that time now, and an interval that ended."""
    if event.after not in _BILLED:
        billed = on is not None and (on.ready or not _refused(event))
        kind = recorded(event)
        return None, Interval(on.start, event.at, kind or on.instance_type) if on is not None and billed else None
    if on is None:
        return On(event.at, recorded(event), event.at, event.after == State.RUNNING), None
    if event.after == State.STARTING:
        on = dataclasses.replace(on, began=event.at)
    elif event.after == State.RUNNING:
        on = dataclasses.replace(on, ready=True)
    kind = recorded(event)
    if not kind or kind == on.instance_type:
        return on, None
    ended = Interval(on.start, on.began, on.instance_type) if on.instance_type and on.began > on.start else None
    start = on.began if ended else on.start  # stopped, changed and started by hand before anybody looked
    return dataclasses.replace(on, start=start, instance_type=kind), ended


def recorded(event: Event) -> str:
    """The instance type that an event names; "" where it names none."""
    return str(event.facts.get("instance_type") or event.facts.get("rung") or "")


def _refused(event: Event) -> bool:
    """A start that EC2 did not carry out: no machine ran, nothing is billed."""
    return power_errors.failure(str(event.facts.get("failure", ""))) in _REFUSALS


def intervals(
    events: Sequence[Event],
    *,
    now: float,
    since: float | None = None,
    state: State = State.STOPPED,
    instance_type: str = "",
) -> list[Interval]:
    """When the host was on, from its history (oldest first); an open interval ends `now`.

    With `since` (s) the history may begin later than the host did: it was on from then if its first event, or without
    any the lease's `state`, says so. `instance_type` is what an open interval is that does not say.
    """
    on, found = begun(events, since=since, state=state), list[Interval]()
    for event in events:
        on, ended = step(on, event)
        found += [ended] if ended else []
    return found + ([Interval(on.start, now, on.instance_type or instance_type)] if on else [])


def begun(events: Sequence[Event], *, since: float | None, state: State) -> On | None:
    """The time that the host is on already when a history begins that is not whole."""
    if since is None:
        return None
    first = State(events[0].before or State.STOPPED) if events else state
    start = min(since, events[0].at) if events else since
    return On(start, "", start, first is not State.STARTING) if first in _BILLED else None


# ---------------------------------------------------------------- months
def month_of(moment: float) -> str:
    """The month of a moment in UTC, as `2026-11`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m}"


def day_of(moment: float) -> str:
    """The day of a moment in UTC, as `2026-11-25`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def _by_month(interval: Interval) -> Iterable[tuple[str, float]]:
    return _by(interval, next_month, month_of)


def _by_day(interval: Interval) -> Iterable[tuple[str, float]]:
    return _by(interval, next_midnight, day_of)


def _by(
    interval: Interval, following: Callable[[float], float], name: Callable[[float], str]
) -> Iterable[tuple[str, float]]:
    at, left = interval.start, interval.billed_since(interval.start)
    while left > 0:
        name_of, at = name(at), following(at)
        later = interval.billed_since(at)
        yield name_of, left - later
        left = later


@dataclass(frozen=True)
class Ledger:
    """What a history adds up to so far: `months` that are billed ("2026-11" → type → s), the time that is open, and the
    newest DAYS_KEPT of the `days` on which the host was on ("2026-11-25" → type → s).
    """

    months: Mapping[str, Seconds] = field(default_factory=lambda: MappingProxyType({}))
    on: On | None = None
    days: Mapping[str, Seconds] = field(default_factory=lambda: MappingProxyType({}))

    def add(self, events: Iterable[Event]) -> Ledger:
        """With the next events of the history, oldest first."""
        on = self.on
        months, days = ({name: dict(s) for name, s in kept.items()} for kept in (self.months, self.days))
        for event in events:
            on, ended = step(on, event)
            if ended is not None:
                _count(months, _by_month(ended), ended.instance_type)
                _count(days, _by_day(ended), ended.instance_type)
        return Ledger(months, on, {day: days[day] for day in sorted(days)[-DAYS_KEPT:]})

    def month(self, now: float, instance_type: str = "") -> Seconds:
        """This month's billed seconds by type; `instance_type` is what an open interval is that does not say."""
        return self._with_open(self.months.get(month_of(now), {}), first_of_month(now), now, instance_type)

    def day(self, now: float, instance_type: str = "") -> Seconds:
        """The same for the day of UTC."""
        return self._with_open(self.days.get(day_of(now), {}), midnight(now, "UTC"), now, instance_type)

    def _with_open(self, counted: Seconds, since: float, now: float, instance_type: str) -> Seconds:
        found = dict(counted)
        if self.on is not None:
            kind = self.on.instance_type or instance_type
            open_s = Interval(self.on.start, max(now, self.on.start)).billed_since(since)
            found[kind] = found.get(kind, 0.0) + open_s
        return found


def _count(kept: dict[str, dict[str, float]], parts: Iterable[tuple[str, float]], kind: str) -> None:
    for name, seconds in parts:
        by_type = kept.setdefault(name, {})
        by_type[kind] = by_type.get(kind, 0.0) + seconds


def of(events: Sequence[Event], *, since: float | None = None, state: State = State.STOPPED) -> Ledger:
    """The ledger of a history; `since` and `state` as for `intervals`."""
    return Ledger(on=begun(events, since=since, state=state)).add(events)


def exact(number: float) -> Decimal:
    """A measured number (seconds, a ratio) as money is multiplied by it: as it is printed, not as it is stored."""
    return Decimal(repr(float(number)))


def host_usd(seconds: Seconds, region: str, otherwise: str) -> Decimal:
    """What hours of the host cost, `otherwise` for those of no recorded type; PriceUnknown names what has no price."""
    priced = (exact(s) * prices.instance_hour(region, kind or otherwise) for kind, s in seconds.items())
    return sum(priced, Decimal(0)) / exact(HOUR_S)


@dataclass(frozen=True)
class Spent:
    """US dollars of the host's hours this month and this day (UTC's); None: unknown, and `problem` says why, or nobody
    asked.
    """

    month_usd: float | None = None
    problem: str = ""
    day_usd: float | None = None


def spending(ledger: Ledger, settings: UnitSettings, instance_type: str, now: float) -> Spent:
    """What the host's hours cost so far. No budget: not asked.

    What goes on while the host is off (disk, gateway) is not what a stop could save. Nothing is guessed: without a
    price the spending is unknown, and people are told. `instance_type` is what the machine is now, "" unknown. Floats:
    the policy only compares them with limits.
    """
    if not settings.budgeted:
        return Spent()
    current = instance_type or settings.instance_types[0]
    otherwise = ladder.preferred(settings.instance_types, current)
    try:
        both = (ledger.month(now, current), ledger.day(now, current))
        month, day = (host_usd(seconds, settings.region, otherwise) for seconds in both)
    except PriceUnknown as error:
        return Spent(problem=f"the budget is not enforced: {error}")
    return Spent(float(month), "", float(day))
