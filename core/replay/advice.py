"""Prices on replays: what each setting costs, which are worth a look (the Pareto front), which one to take. Pure.

`Terms` say what an hour of the host and a minute of waiting cost, in one currency. What a setting is judged by is the
month's money plus its priced waiting; the Pareto front leaves the price of waiting out: cost against cold hits.
To add a setting that is replayed: `settings` below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import SettingsError
from core.money.prices import HOURS_A_MONTH
from core.profiles import PROFILES
from core.replay.optimum import clairvoyant, waiting_of_a_start_s
from core.replay.simulate import START_TIMEOUT_S, Adaptive, Fixed, IdleRule, Outcome, replay
from core.replay.trace import Trace
from core.times.durations import show, spell
from core.times.schedule import Schedule

MINUTE, HOUR = 60.0, 3600.0
IDLE_MINUTES: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240)
START_S: Final = (60.0, 3600.0)  # the shortest and the longest start that a replay takes
ALWAYS_ON: Final = "always on"
ADAPTIVE: Final = "adaptive"


@dataclass(frozen=True)
class Terms:
    """`hour`: an hour of the host, on; `standing_month`: what goes on while it is off; `waiting_minute`: a minute of
    one caller's waiting; all in `currency`. `start_s`: from a start until the host answers.
    """

    hour: float
    standing_month: float
    waiting_minute: float
    currency: str
    start_s: float
    start_timeout_s: float = START_TIMEOUT_S

    def __post_init__(self) -> None:
        least, most = START_S
        if not least <= self.start_s <= most:
            raise SettingsError(f"A start of {show(self.start_s)}: write one from {show(least)} to {show(most)}.")
        if self.hour <= 0:
            raise SettingsError(f"An hour of the host for {self.hour:g} {self.currency}: write an amount above 0.")
        if min(self.waiting_minute, self.standing_month) < 0:
            raise SettingsError("An amount below 0: write 0 or more.")

    @property
    def waiting_price(self) -> float:
        """A second of waiting in seconds of the host's price."""
        return self.waiting_minute * 60 / self.hour

    def stake_s(self, waiting_s: float) -> float:
        """B: what a start costs for which callers wait so long, in seconds of the host's price."""
        return self.start_s + self.waiting_price * waiting_s


@dataclass(frozen=True)
class Setting:
    """What a stack file could say. `limit_s` None: never stopped for being idle. `name` is as a user would write it."""

    name: str
    limit_s: float | None
    schedule: Schedule | None = None
    kind: str = "idle"  # idle, schedule, profile, adaptive, reference: a line of the picture

    def rule(self, terms: Terms, zone: str) -> IdleRule:
        """A rule that has learned nothing yet."""
        return Adaptive(terms.start_s, terms.waiting_price, zone) if self.kind == ADAPTIVE else Fixed(self.limit_s)


@dataclass(frozen=True)
class Result:
    """A setting's month: money (`host`, `standing`), priced waiting, and what callers would have seen."""

    setting: Setting
    hours_on: float
    starts: float
    cold_hits: float
    wait_p50_s: float
    wait_p95_s: float
    waiting_minutes: float
    host: float
    standing: float
    waiting: float

    @property
    def cost(self) -> float:
        """Money a month, without the price of waiting."""
        return self.host + self.standing

    @property
    def total(self) -> float:
        """What a setting is judged by."""
        return self.cost + self.waiting


def settings(schedule: Schedule | None, zone: str) -> Iterator[Setting]:
    """Every idle time, alone and beside office hours (and a schedule of one's own), every profile, and adaptive."""
    office = PROFILES["office-hours"].schedule
    hours = {"office-hours": Schedule(office.start_at, office.stop_at, zone)}
    if schedule is not None and schedule != hours["office-hours"]:
        hours["schedule"] = schedule
    for minutes in IDLE_MINUTES:
        yield Setting(f"stopAfter {spell(minutes * MINUTE)}", minutes * MINUTE)
    for name, when in hours.items():
        for minutes in IDLE_MINUTES:
            yield Setting(f"{name}, stopAfter {spell(minutes * MINUTE)}", minutes * MINUTE, when, "schedule")
    for name, profile in PROFILES.items():
        its = hours["office-hours"] if profile.schedule.start_at else None
        yield Setting(f"profile {name}", profile.stop_after_s, its, "profile")
    yield Setting(f"{ADAPTIVE} (replay only)", None, None, ADAPTIVE)


def priced(setting: Setting, outcome: Outcome, elapsed_s: float, terms: Terms) -> Result:
    """A replay's outcome as a month of `HOURS_A_MONTH`."""
    months = elapsed_s / (HOURS_A_MONTH * HOUR)
    return Result(
        setting,
        outcome.on_s / HOUR / months,
        len(outcome.on) / months,
        outcome.cold_hits / months,
        outcome.wait_s(50),
        outcome.wait_s(95),
        outcome.waiting_s / MINUTE / months,
        outcome.on_s / HOUR / months * terms.hour,
        terms.standing_month,
        outcome.waiting_s / MINUTE / months * terms.waiting_minute,
    )


def results(trace: Trace, wanted: Sequence[Setting], terms: Terms, zone: str) -> list[Result]:
    """Every setting replayed."""
    return [
        priced(
            setting,
            replay(
                trace,
                setting.rule(terms, zone),
                start_s=terms.start_s,
                schedule=setting.schedule,
                start_timeout_s=terms.start_timeout_s,
            ),
            trace.elapsed_s,
            terms,
        )
        for setting in wanted
    ]


@dataclass(frozen=True)
class References:
    """Lines to compare with, each a month's money and priced waiting: the two clairvoyants, and the ski-rental rule,
    whose idle time is B, `b_s`. `always_on`: never off, nobody waits.
    """

    clairvoyant: float
    ahead: float
    ski_rental: Result
    always_on: float
    b_s: float


def references(trace: Trace, terms: Terms, zone: str) -> References:
    """The lines of one trace."""
    months = trace.elapsed_s / (HOURS_A_MONTH * HOUR)

    def least(*, ahead: bool) -> float:
        cost_s = clairvoyant(trace, start_s=terms.start_s, waiting_price=terms.waiting_price, ahead=ahead)
        return cost_s / HOUR * terms.hour / months + terms.standing_month

    b_s = terms.stake_s(waiting_of_a_start_s(trace, start_s=terms.start_s, longer_than_s=terms.stake_s(terms.start_s)))
    ski = Setting(f"ski rental, stopAfter {spell(b_s)}", b_s, None, "reference")
    always_on = HOURS_A_MONTH * terms.hour + terms.standing_month
    found = results(trace, [ski], terms, zone)[0]
    return References(least(ahead=False), least(ahead=True), found, always_on, b_s)


def pareto(found: Sequence[Result]) -> list[Result]:
    """Those that no other beats in money and in cold hits both, the cheapest first; of equal ones the first."""
    front = list[Result]()
    for result in sorted(found, key=lambda r: (r.cost, r.cold_hits)):
        if not front or result.cold_hits < front[-1].cold_hits:
            front.append(result)
    return front


def best(found: Sequence[Result]) -> Result:
    """The least money and priced waiting together; of equal ones the first."""
    return min(found, key=lambda result: result.total)


def best_fixed(found: Sequence[Result]) -> Result:
    """The best idle time alone, in hindsight."""
    return best([result for result in found if result.setting.kind == "idle"])
