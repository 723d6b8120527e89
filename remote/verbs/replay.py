"""`fab replay`: a log's requests, or made-up ones, replayed with every setting; a table, a picture, a recommendation.

What is reckoned is `core.replay`'s; here are the log's file, the stack's prices and the words.
"""

from __future__ import annotations

import gzip
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from core import money
from core.errors import DeployError, SettingsError
from core.money import prices
from core.money.own import Amount, amount
from core.money.prices import CURRENCY, PriceUnknown
from core.policy.forecast import START_GUESS_S
from core.profiles import PROFILES
from core.replay import advice, loads, logs
from core.replay.advice import References, Result, Setting, Terms
from core.replay.trace import Trace
from core.settings import StackSettings
from core.settings.resolve import shape
from core.times import durations, moments, schedule_words
from core.times.durations import show, spell
from core.times.schedule import Schedule
from core.times.zones import zone as zone_of
from remote import paths, stack_files
from remote.verbs import flags
from remote.verbs.lease import Record, settings_of

WAITING: Final = "0.50 USD"  # a minute: an hour of somebody's time at 30 USD
HOST, REGION = "g6.xlarge", "us-east-1"
ZONE: Final = "Europe/Berlin"  # of made-up traffic
NO_PICTURE: Final = "none"
LEAST: Final = 120  # columns of the table
GZIP: Final = b"\x1f\x8b"  # what a packed file begins with


@dataclass(frozen=True)
class Asked:
    """The verb's flags, as they were typed; "" is the default. `log`: a file, or the name of a made-up load."""

    log: str
    stack: str = ""
    seed: str = ""
    days: str = ""
    host: str = ""
    region: str = ""
    hour: str = ""
    waiting: str = ""
    begin: str = ""
    took: str = ""
    zone: str = ""
    schedule: str = ""


@dataclass(frozen=True)
class Replayed:
    """Everything that a replay found."""

    trace: Trace
    read: logs.Read | None  # None: made-up traffic
    terms: Terms
    priced_as: str
    zone: str
    results: Sequence[Result]
    references: References
    stack: str = ""
    own: str = ""  # the name of the stack's own setting

    @property
    def front(self) -> list[Result]:
        """The Pareto front of what a stack file can say."""
        return advice.pareto(self.settable)

    @property
    def settable(self) -> list[Result]:
        """Without the adaptive rule, which no stack file can choose."""
        return [result for result in self.results if result.setting.kind != advice.ADAPTIVE]

    @property
    def best(self) -> Result:
        """The recommendation."""
        return advice.best(self.settable)

    @property
    def adaptive(self) -> Result:
        """What the adaptive rule would have made of it."""
        return next(result for result in self.results if result.setting.kind == advice.ADAPTIVE)

    def as_dict(self) -> Record:
        """For `--json` (docs/json.md)."""
        return {
            "name": self.trace.name,
            "requests": len(self.trace.arrivals),
            "from": moments.iso(self.trace.since, self.zone),
            "to": moments.iso(self.trace.until, self.zone),
            "log": _read_record(self.read) if self.read else None,
            "currency": self.terms.currency,
            "host_hour": self.terms.hour,
            "standing_month": self.terms.standing_month,
            "waiting_minute": self.terms.waiting_minute,
            "start_s": self.terms.start_s,
            "settings": [_record(result, result in self.front) for result in self.results],
            "recommended": self.best.setting.name,
            "reason": "; ".join(reasons(self)),
            "own": self.own or None,
            "clairvoyant": self.references.clairvoyant,
            "clairvoyant_ahead": self.references.ahead,
            "ski_rental": _record(self.references.ski_rental, front=False),
            "always_on": self.references.always_on,
        }


def _read_record(read: logs.Read) -> Record:
    return {"lines": read.lines, "used": read.used, "left_out": dict(read.left_out), "notes": list(read.notes)}


def _record(result: Result, front: bool) -> Record:
    return {
        "name": result.setting.name,
        "kind": result.setting.kind,
        "stop_after_s": result.setting.limit_s,
        "cost_month": result.cost,
        "waiting_month": result.waiting,
        "total_month": result.total,
        "hours_on": result.hours_on,
        "starts": result.starts,
        "cold_hits": result.cold_hits,
        "wait_p50_s": result.wait_p50_s,
        "wait_p95_s": result.wait_p95_s,
        "pareto": front,
    }


# ---------------------------------------------------------------- the replay
def replay(asked: Asked) -> Replayed:
    """Read or make the requests, and replay every setting.

    Raises:
        SettingsError: a flag, or a log of which no line can be used. DeployError: the log's file, or no such stack.
            PriceUnknown: the table has no price for the host.
    """
    settings = stack_files.settings_of(asked.stack) if asked.stack else None
    unit = settings_of(settings) if settings else None
    zone = asked.zone or (unit.time_zone if unit else ZONE if asked.log in loads.LOADS else "UTC")
    zone_of(zone)
    schedule, own = None, list[Setting]()
    if unit is not None:
        if unit.schedule_on and unit.schedule_off:
            schedule = Schedule(unit.schedule_on, unit.schedule_off, unit.time_zone)
        own = [Setting(f"{asked.stack} as it is", unit.stop_after_s, schedule, "own")]
    if asked.schedule:
        schedule = schedule_words.parse(asked.schedule, zone)
    terms, priced_as = _terms(asked, _costs(asked, settings), unit.start_timeout_s if unit else 0.0)
    trace, read = _requests(asked, zone)
    found = advice.results(trace, [*advice.settings(schedule, zone), *own], terms, zone)
    lines = advice.references(trace, terms, zone)
    return Replayed(trace, read, terms, priced_as, zone, found, lines, asked.stack, own[0].name if own else "")


def _terms(asked: Asked, costs: money.Shape | None, start_timeout_s: float) -> tuple[Terms, str]:
    """What is paid, and in words whose prices these are."""
    waiting = _amount("waiting", asked.waiting or WAITING)
    start_s = durations.positive(asked.begin) if asked.begin else START_GUESS_S
    if asked.hour:
        hour = _amount("hour", asked.hour)
        if not asked.waiting and hour.currency != waiting.currency:
            raise SettingsError(f"--hour is in {hour.currency}: say what a minute of waiting costs in it (--waiting).")
        own, standing, words = float(hour.number), 0.0, "an hour of the host"
    elif costs is not None:
        hour, words = Amount(Decimal(0), CURRENCY), f"an hour of {costs.host_type} in {costs.region}"
        own, standing = float(money.awake_hour(costs)), float(money.asleep_month(costs))
    else:
        host, region = asked.host or HOST, asked.region or REGION
        hour, words = Amount(Decimal(0), CURRENCY), f"an hour of {host} in {region}"
        own, standing = float(prices.instance_hour(region, host)), 0.0
    if hour.currency != waiting.currency:
        raise SettingsError(f"The host is in {hour.currency} and --waiting in {waiting.currency}: write both in one.")
    timeout = {"start_timeout_s": start_timeout_s} if start_timeout_s else {}
    return Terms(own, standing, float(waiting.number), hour.currency, start_s, **timeout), words


def _costs(asked: Asked, settings: StackSettings | None) -> money.Shape | None:
    """What of the stack costs money; None where it is not asked."""
    if settings is None or asked.hour:
        return None
    try:
        return shape(settings)
    except PriceUnknown as error:
        raise PriceUnknown(f"{error}; say what an hour of it costs, e.g. `--hour '$0.10'`.") from error


def _amount(flag: str, text: str) -> Amount:
    try:
        return amount(text)
    except SettingsError as error:
        raise SettingsError(f"--{flag}: {error}") from error


def _requests(asked: Asked, zone: str) -> tuple[Trace, logs.Read | None]:
    if asked.log in loads.LOADS:
        seed, days = flags.whole("seed", asked.seed or "1"), flags.whole("days", asked.days or str(loads.DAYS))
        return loads.generate(asked.log, seed=seed, days=days, zone=zone), None
    took = durations.positive(asked.took) if asked.took else logs.DURATION_S
    path = paths.typed(asked.log)
    try:
        with path.open("rb") as file, _text(file) as lines:
            read = logs.read(lines, name=path.name, zone=zone, duration_s=took)
    except (OSError, EOFError, zlib.error) as error:
        raise DeployError(
            f"The log {path} cannot be read: {getattr(error, 'strerror', '') or error}. Without a log: made-up "
            f"traffic, {', '.join(f'`fab replay {name}`' for name in loads.LOADS)}."
        ) from error
    return read.trace, read


def _text(file: BufferedReader) -> TextIOWrapper:
    """A log's text, by its first bytes: packed or not, whatever its name; UTF-16, as PowerShell's `>` writes it."""
    plain = gzip.GzipFile(fileobj=file) if file.peek(2)[:2] == GZIP else file
    encoding = "utf-16" if plain.peek(2)[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8"
    return TextIOWrapper(plain, encoding=encoding, errors="replace")


# ---------------------------------------------------------------- words
def head(found: Replayed) -> list[str]:
    """What was replayed, what was left out of it, and what it is priced with."""
    trace, terms = found.trace, found.terms
    days = trace.elapsed_s / 86400
    period = f"{_day(trace.since, found.zone)} to {_day(trace.until, found.zone)}"
    lines = [f"{trace.name}: {len(trace.arrivals):,} requests in {days:.1f} days, {period} ({found.zone})"]
    if found.read is None:
        lines[0] += "; made up"
    else:
        lines += list(_read(found.read))
    standing = (
        f", what goes on while it is off {_money(terms.standing_month, terms)} a month" if terms.standing_month else ""
    )
    return [
        *lines,
        f"{found.priced_as} costs {terms.hour:.4g} {terms.currency}{standing}; a start takes {show(terms.start_s)}; "
        f"a caller's minute of waiting costs {terms.waiting_minute:.4g} {terms.currency} (--waiting)",
        *([] if terms.standing_month else ["disks and gateway are not counted: `-s STACK` adds what its file says"]),
    ]


def _read(read: logs.Read) -> Iterator[str]:
    yield f"{read.used:,} of {read.lines:,} lines used"
    for why, count in sorted(read.left_out.items(), key=lambda item: -item[1]):
        yield f"  left out: {count:,} {why}, the first {read.first_left_out[why]}"
    for note in read.notes:
        yield f"  note: {note}"


def table(found: Replayed, *, everything: bool = False) -> Table:
    """The settings worth a look, or all: the front, the profiles, the stack's own, the recommended one."""
    front = found.front
    made = Table(title=f"a month of {prices.HOURS_A_MONTH:.0f} hours; * is on the Pareto front", title_justify="left")
    for name in ("setting", "cost", "cold hits", "wait p50", "wait p95", "hours on", "starts", "waiting", "together"):
        made.add_column(name, justify="left" if name == "setting" else "right", no_wrap=True)
    for result in sorted(found.results, key=lambda r: (r.cost, r.cold_hits)):
        named = result.setting.kind in ("profile", "own", advice.ADAPTIVE) or result == found.best
        if everything or result in front or named:
            style = "bold" if result == found.best else ""
            made.add_row(*_row(result, marked=result in front), style=style)
    return made


def _row(result: Result, *, marked: bool) -> tuple[str, ...]:
    return (
        f"{'*' if marked else ' '} {result.setting.name}",
        f"{result.cost:,.2f}",
        f"{result.cold_hits:,.0f}",
        show(result.wait_p50_s),
        show(result.wait_p95_s),
        f"{result.hours_on:,.0f}",
        f"{result.starts:,.0f}",
        f"{result.waiting:,.2f}",
        f"{result.total:,.2f}",
    )


def tail(found: Replayed) -> list[str]:
    """The lines to compare with, and the recommendation with its reason."""
    terms, lines, best = found.terms, found.references, found.best
    standing = terms.standing_month  # nobody's choice: it is in no ratio
    ratio = (found.adaptive.total - standing) / max(lines.clairvoyant - standing, 0.01)
    return [
        "for comparison, money and waiting together:",
        f"  always on                        {_money(lines.always_on, terms)}",
        f"  ski rental, stopAfter = B        {_money(lines.ski_rental.total, terms)}   (B = {show(lines.b_s)}, what "
        "one start costs in time of the host)",
        f"  adaptive idle time               {_money(found.adaptive.total, terms)}   (learns from past pauses; not "
        "yet a profile that a stack file can name)",
        f"  clairvoyant                      {_money(lines.clairvoyant, terms)}   (knows how long each pause will "
        f"be, starts when asked; adaptive costs {ratio:.2f} times that)",
        f"  clairvoyant, starting ahead      {_money(lines.ahead, terms)}   (nobody ever waits)",
        "  (if pauses were memoryless and B long on average, no rule could come nearer than 1.58 times)",
        "",
        f"recommended: {best.setting.name}",
        *(f"  {words}" for words in reasons(found)),
        f"  in stacks/Pulumi.{found.stack or '<stack>'}.yaml: {stack_lines(best.setting, found.zone)}",
    ]


def reasons(found: Replayed) -> list[str]:
    """Why the recommended setting: its month, and what its neighbours would cost."""
    best, terms = found.best, found.terms
    words = [
        f"{_money(best.total, terms)} a month together: {_money(best.cost, terms)} of money, and "
        f"{best.waiting_minutes:,.0f} minutes of waiting ({_money(best.waiting, terms)}) in {best.starts:.0f} starts"
    ]
    for word, other in zip(("sooner", "later"), _neighbours(found), strict=True):
        if other is not None:
            more = f"{_signed(other.cost - best.cost, terms)} of money"
            waiting = f"{_signed(other.waiting - best.waiting, terms)} of waiting"
            words.append(f"stopping {word} ({spell(other.setting.limit_s or 0)}) would cost {more} and {waiting}")
    own = next((result for result in found.results if result.setting.name == found.own), None)
    if own is not None:
        words.append(f"{found.own}: {_money(own.total, terms)}")
    return words


def _neighbours(found: Replayed) -> tuple[Result | None, Result | None]:
    """The next shorter and the next longer idle time with the same schedule."""
    best = found.best
    if best.setting.limit_s is None:
        return None, None
    alike = [
        r
        for r in found.results
        if r.setting.schedule == best.setting.schedule and r.setting.kind in ("idle", "schedule")
    ]
    shorter = [r for r in alike if (r.setting.limit_s or 0) < best.setting.limit_s]
    longer = [r for r in alike if (r.setting.limit_s or 0) > best.setting.limit_s]
    return (shorter[-1] if shorter else None), (longer[0] if longer else None)


def stack_lines(setting: Setting, zone: str) -> str:
    """A setting as a stack file has it."""
    keys = ["profile: online"]
    office = PROFILES["office-hours"].schedule
    if setting.schedule is not None:
        same = (setting.schedule.on, setting.schedule.off) == (office.start_at, office.stop_at)
        written = f'schedule: {{startAt: "{setting.schedule.on}", stopAt: "{setting.schedule.off}"}}'
        keys = ["profile: office-hours"] if same else [*keys, written]
    if setting.kind == "profile":
        keys = [f"profile: {setting.name.removeprefix('profile ')}"]
    keys.append("stopAfter: off, maxLease: off" if setting.limit_s is None else f"stopAfter: {spell(setting.limit_s)}")
    if setting.schedule is not None:
        keys.append(f"timeZone: {zone}")
    return f"pilotlight:idle: {{{', '.join(keys)}}}"


def _money(value: float, terms: Terms) -> str:
    return f"{value:,.2f} {terms.currency}"


def _signed(value: float, terms: Terms) -> str:
    return f"{abs(value):,.2f} {terms.currency} {'more' if value >= 0 else 'less'}"


def _day(at: float, zone: str) -> str:
    return f"{datetime.fromtimestamp(at, zone_of(zone)):%Y-%m-%d}"


# ---------------------------------------------------------------- the picture
_GROUPS: Final = {"idle": "stopAfter alone", "schedule": "beside a schedule"}
_LABELLED: Final = frozenset({60.0, 300.0, 1800.0, 7200.0})  # idle times that stand beside their points, s


def _label(axes: Any, result: Result, words: str) -> None:
    axes.annotate(words, (result.cold_hits, result.cost), xytext=(5, 7), textcoords="offset points", fontsize=8)


def pictures(found: Replayed, path: Path) -> tuple[Path, ...]:
    """`path`: cost against cold hits; `path`-idle: money and waiting together against the idle time, with the lines to
    compare with. Each as PNG and SVG.
    """
    from remote import plots

    terms, name = found.terms, found.trace.name
    waiting = f"a minute of waiting {terms.waiting_minute:.4g} {terms.currency}"
    priced = f"{found.priced_as}: {terms.hour:.4g} {terms.currency}; a start takes {show(terms.start_s)}"
    front = plots.draw(
        path,
        lambda axes: _paint_front(axes, found),
        title=f"{name}: what idling costs, and what it saves callers",
        x="cold hits a month (requests that had to wait for a start)",
        y="cost a month, without the price of waiting",
        note=priced,
    )
    idle = plots.draw(
        path.with_name(f"{path.name}-idle"),
        lambda axes: _paint_idle(axes, found),
        title=f"{name}: money and waiting together, by idle time",
        x="stopAfter",
        y="a month, money and priced waiting",
        note=f"{priced}; {waiting}",
    )
    return front + idle


def _paint_front(axes: Any, found: Replayed) -> None:
    from remote import plots

    shown = [r for r in found.results if r.setting.kind in _GROUPS]
    for number, (kind, label) in enumerate(_GROUPS.items()):
        of = [r for r in shown if r.setting.kind == kind]
        axes.plot([r.cold_hits for r in of], [r.cost for r in of], label=label, **plots.line(number))
        for result in of:
            if result.setting.limit_s in _LABELLED:
                _label(axes, result, spell(result.setting.limit_s))
    front = [r for r in found.front if r in shown]
    axes.plot([r.cold_hits for r in front], [r.cost for r in front], label="Pareto front", **plots.ring())
    points = {"adaptive": found.adaptive, "ski rental": found.references.ski_rental, "recommended": found.best}
    for number, (label, result) in enumerate(points.items(), 2):
        axes.plot([result.cold_hits], [result.cost], label=label, **plots.point(number))
    _always_on(axes, found, max(result.cost for result in [*shown, *points.values()]))
    plots.counts(axes, max(result.cold_hits for result in shown))
    plots.money(axes, found.terms.currency)


def _paint_idle(axes: Any, found: Replayed) -> None:
    from remote import plots

    for number, (kind, label) in enumerate(_GROUPS.items()):
        of = [r for r in found.results if r.setting.kind == kind]
        of = [r for r in of if r.setting.schedule == of[0].setting.schedule]
        axes.plot([r.setting.limit_s for r in of], [r.total for r in of], label=label, **plots.line(number))
    lines = found.references
    values = {"adaptive": found.adaptive.total, "ski rental": lines.ski_rental.total, "clairvoyant": lines.clairvoyant}
    for number, (label, value) in enumerate(values.items(), 2):
        axes.axhline(value, label=f"{label}: {_money(value, found.terms)}", **plots.rule(number))
    at_thirty = [r.total for r in found.results if r.setting.kind == "idle" and (r.setting.limit_s or 0) >= 900]
    _always_on(axes, found, max([*at_thirty, *values.values()]))
    plots.idle_times(axes, [minutes * 60 for minutes in (1, 5, 15, 30, 60, 120, 240)], spell)
    plots.money(axes, found.terms.currency)


def _always_on(axes: Any, found: Replayed, most: float) -> None:
    """The line of a host that is never off; where it would press the rest together, its figure alone."""
    from remote import plots

    value, words = found.references.always_on, f"always on: {_money(found.references.always_on, found.terms)}"
    axes.set_ylim(0, most * 1.2)
    if value <= most * 1.2:
        axes.axhline(value, label=words, **plots.rule(0))
    else:
        axes.plot([], [], label=f"{words}, above", linestyle="none")
