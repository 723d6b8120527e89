"""Access logs of several makers, read into a trace: what was used, what was left out, and why. Pure: lines in.

A line is looked at by what it is, so a file may be mixed: a JSON object (this project's HAProxy log, LiteLLM's spend
logs, anybody's JSON lines), an access log of nginx or Apache (combined, with or without the seconds that a request
took), HAProxy's own HTTP format, or a row under a CSV header (OpenAI's usage, LiteLLM's table). What a journal puts
before a line is skipped. To add a format: a reader that returns a `Seen` or None, and its place in `_READERS`; to add a
name of a column: `_TIMES`, `_SECONDS`, `_MILLISECONDS`, `_CALLERS`.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from core.contract.dialects import BY_PATH
from core.errors import SettingsError
from core.replay import trace
from core.replay.trace import Trace
from core.times.bounds import YEAR_S
from core.times.zones import zone as zone_of

DURATION_S: Final = 5.0  # of a request whose log does not say how long it took
EARLIEST, LATEST = 946684800.0, 4102444800.0  # 2000 and 2100: what else is no time of a request
BUCKET_MAX_S: Final = 3600.0  # counts over longer times say nothing about pauses
LONGEST_S: Final = YEAR_S  # a log of more than a year has a clock that was wrong, or is cut
GAP_S: Final = 3 * 86400.0  # so long without a line is said
TOOK_MAX_S: Final = 86400.0  # no request takes longer: it is in another unit (Traefik's nanoseconds), or broken
LINE_MAX: Final = 65536  # characters that a web server's line has at most: HAProxy's own limit
_SHOWN: Final = 60
_DAY: Final = len("2026-11-25")

# Columns and keys by which a value is known, the surest first. All in lower case.
_TIMES: Final = ("at", "starttime", "start_time", "start_time_iso", "timestamp", "time", "time_local", "time_iso8601")
_MORE_TIMES: Final = ("ts", "date", "datetime", "@timestamp", "created", "created_at", "request_time_iso")
_ENDS: Final = ("endtime", "end_time", "end_time_iso")
_SECONDS: Final = ("duration_s", "took_s", "duration", "request_time", "latency_s", "elapsed")
_MILLISECONDS: Final = ("ms", "duration_ms", "took_ms", "latency_ms", "elapsed_ms", "request_duration_ms")
_COUNTS: Final = ("num_model_requests", "n_requests", "num_requests")
_CALLERS: Final = ("user", "end_user", "key", "api_key", "api_key_id", "user_id", "caller", "remote_addr", "ip")
_STATUS: Final = ("status", "status_code")
_METHODS: Final = ("method", "request_method")
_PATHS: Final = ("path", "uri", "request_uri", "url")
_OURS: Final = frozenset({"at", "to", "ms", "ms_first_byte", "ended", "path"})  # keys of the gateway's own log
INNER: Final = "inner_"  # how the names of its backends begin that the relay sends requests to
_NOTHING: Final = (None, "", "-", "null", "None")


@dataclass(frozen=True, slots=True)
class Seen:
    """One line's requests: `count` of them from `at` on, evenly over `over_s` where a row is a count."""

    at: float
    duration_s: float | None
    caller: str = ""
    count: int = 1
    over_s: float = 0.0


@dataclass(frozen=True)
class Read:
    """A log that was read. `left_out`: how many lines for which reason; `first_left_out`: an example of each.

    `notes`: what else somebody should know who believes the replay.
    """

    trace: Trace
    lines: int
    used: int
    left_out: Mapping[str, int]
    first_left_out: Mapping[str, str]
    notes: tuple[str, ...]


class _LeftOut(Exception):
    """This line is no demand, or cannot be read; the message says why, in few words."""


@dataclass
class _Reader:
    zone: str
    header: list[str] = field(default_factory=list)
    separator: str = ","
    without_zone: int = 0
    counted: float = 0.0  # the longest time that a row counts over
    left_out: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    # ------------------------------------------------------------ lines
    def read(self, lines: Iterable[str]) -> Iterator[Seen]:
        for number, line in enumerate(lines, 1):
            text = line.strip().strip("\ufeff")
            if not text or text in "[]":
                continue
            try:
                if (seen := self._line(text)) is not None:
                    yield seen
            except _LeftOut as why:
                self.left_out[str(why)] += 1
                self.first.setdefault(str(why), f"line {number}: {_shown(text)}")

    def _line(self, text: str) -> Seen | None:
        """None: the header of what follows."""
        brace = text.find("{")
        if brace == 0 or (brace > 0 and text.rstrip(",").endswith("}")):
            return self._object(_json(text[brace:].rstrip(",")))
        start = text[:LINE_MAX]
        if (match := _COMBINED.search(start)) is not None:
            return self._combined(match)
        if (match := _HAPROXY.search(start)) is not None:
            return self._haproxy(match)
        if self.header:
            values = _cells(text, self.separator)
            if len(values) != len(self.header):
                raise _LeftOut("not as many columns as the header has")
            return self._object(dict(zip(self.header, values, strict=True)))
        if self._is_header(text):
            return None
        raise _LeftOut("not a line of a known format")

    def _is_header(self, text: str) -> bool:
        for separator in (",", ";", "\t"):
            names = [name.strip().lower() for name in _cells(text, separator)]
            if len(names) > 1 and any(name in (*_TIMES, *_MORE_TIMES) for name in names):
                self.header, self.separator = names, separator
                return True
        return False

    # ------------------------------------------------------------ formats
    def _object(self, raw: Mapping[str, Any]) -> Seen:
        named = {key.lower(): value for key, value in raw.items() if value not in _NOTHING}
        _demand(str(_first(named, _METHODS) or ""), str(_first(named, _PATHS) or ""), _first(named, _STATUS))
        if raw.keys() >= _OURS:
            _our_demand(str(raw["to"]), str(raw["path"]))
        at = self._moment(_first(named, (*_TIMES, *_MORE_TIMES)))
        count, ended = _first(named, _COUNTS), _first(named, _ENDS)
        if count is not None:
            return self._counted(at, count, ended)
        took = _number(_first(named, _SECONDS))
        if took is None and (ms := _number(_first(named, _MILLISECONDS))) is not None:
            took = ms / 1000
        if took is None and ended is not None:
            took = self._moment(ended) - at
        return Seen(at, took, str(_first(named, _CALLERS) or ""))

    def _counted(self, at: float, count: Any, ended: Any) -> Seen:
        number = _number(count)
        if number is None or number != int(number) or not 0 <= number <= 10_000_000:
            raise _LeftOut("a count that is no whole number")
        if not number:
            raise _LeftOut("a count of no requests")
        over = self._moment(ended) - at if ended is not None else 86400.0
        if not 0 < over <= BUCKET_MAX_S:
            self.counted = max(self.counted, over)
            raise _LeftOut(f"counts over more than {BUCKET_MAX_S / 3600:.0f}h: pauses cannot be seen in them")
        self.counted = max(self.counted, over)
        return Seen(at, None, count=int(number), over_s=over)

    def _combined(self, match: re.Match[str]) -> Seen:
        _demand(match["method"], match["path"], match["status"])
        return Seen(self._clf(match["at"]), _number(match["took"]), match["caller"])

    def _haproxy(self, match: re.Match[str]) -> Seen:
        _demand(match["method"], match["path"], match["status"])
        ms = _number(match["ms"])
        return Seen(self._clf(match["at"]), None if ms is None else ms / 1000, match["caller"])

    # ------------------------------------------------------------ times
    def _moment(self, value: Any) -> float:
        if value in _NOTHING:
            raise _LeftOut("no time in it")
        number = _number(value)
        if number is not None:
            at = number / 1000 if number > LATEST else number  # milliseconds, as JavaScript counts
        elif "/" in str(value)[:8] and _CLF.fullmatch(str(value)):
            at = self._clf(str(value))
        else:
            at = self._iso(str(value).strip())
        return _of_a_request(at)

    def _iso(self, text: str) -> float:
        try:
            moment = datetime.fromisoformat(text.removesuffix(" UTC"))
        except ValueError:
            raise _LeftOut("a time that cannot be read") from None
        if len(text) <= _DAY:  # LiteLLM's /spend/logs answers so where it is asked for two dates
            raise _LeftOut("a day without a time: pauses cannot be seen")
        if moment.tzinfo is None:
            if text.endswith(" UTC"):
                return moment.replace(tzinfo=UTC).timestamp()
            self.without_zone += 1
            moment = moment.replace(tzinfo=zone_of(self.zone))
        return moment.timestamp()

    def _clf(self, text: str) -> float:
        """`25/Nov/2026:16:21:16.123 +0100`, as nginx, Apache and HAProxy write times; without a zone the log's."""
        match = _CLF.fullmatch(text)
        if match is None or match["month"] not in _MONTHS:
            raise _LeftOut("a time that cannot be read")
        zone = match["zone"]
        self.without_zone += zone is None
        hour = _hour(match["date"], match["month"], match["h"], "UTC" if zone else self.zone)
        if hour is None:
            raise _LeftOut("a time that cannot be read")
        at = hour + int(match["m"]) * 60 + float(match["s"])
        if zone:
            at -= (1 if zone[0] == "+" else -1) * (int(zone[1:3]) * 3600 + int(zone[3:]) * 60)
        return _of_a_request(at)


def _of_a_request(at: float) -> float:
    if not EARLIEST <= at <= LATEST:
        raise _LeftOut("a time before 2000 or after 2100")
    return at


_MONTH_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = dict(zip(_MONTH_NAMES, range(1, 13), strict=True))
_CLF: Final = re.compile(
    r"(?P<date>\d\d/(?P<month>\w{3})/\d{4}):(?P<h>[01]\d|2[0-3]):(?P<m>[0-5]\d):(?P<s>(?:[0-5]\d|60)(?:\.\d+)?)"
    r"(?: (?P<zone>[+-][01]\d[0-5]\d))?"
)
_COMBINED: Final = re.compile(
    r'(?<!\S)(?P<caller>\S+) \S+ \S+ \[(?P<at>[^\]]{1,40})\] "(?P<method>[A-Z]{1,20}) (?P<path>[^\s"]++)[^"]*+"'
    r' (?P<status>\d{3}) \S+(?: "[^"]*" "[^"]*")?(?: (?P<took>\d+\.\d+)\b)?'
)
_HAPROXY: Final = re.compile(
    r"(?<!\S)(?P<caller>\S+):\d+ \[(?P<at>[^\]]{1,40})\] \S+ \S+ (?:-?\d+/){4}\+?(?P<ms>-?\d+) (?P<status>-?\d+) .*"
    r'"(?P<method>[A-Z]+) (?P<path>\S+)'
)
_KEPT: Final[dict[tuple[str, str, str], float | None]] = {}


def _hour(date: str, month: str, hour: str, zone: str) -> float | None:
    """The instant when an hour of a day begins; a log has few, so each is reckoned once. By the hour: not every day
    has 24 of them.
    """
    asked = date, hour, zone
    if asked not in _KEPT:
        if len(_KEPT) > 4096:
            _KEPT.clear()
        try:
            begin = datetime(int(date[7:]), _MONTHS[month], int(date[:2]), int(hour), tzinfo=zone_of(zone))
            _KEPT[asked] = begin.timestamp()
        except ValueError:
            _KEPT[asked] = None
    return _KEPT[asked]


def _shown(text: str) -> str:
    """The start of a line for a terminal, which must not obey what stands in a log."""
    start = "".join(letter if letter.isprintable() else "\ufffd" for letter in text[:_SHOWN])
    return f"{start}…" if len(text) > _SHOWN else start


def _cells(text: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([text], delimiter=separator), [])
    except csv.Error:
        raise _LeftOut("broken CSV") from None


def _json(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _LeftOut("broken JSON") from None
    if not isinstance(found, dict):
        raise _LeftOut("broken JSON")
    return found


def _first(named: Mapping[str, Any], keys: Iterable[str]) -> Any:
    """The first of the keys that has a value."""
    return next((named[key] for key in keys if key in named), None)


def _number(value: Any) -> float | None:
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _our_demand(to: str, path: str) -> None:
    """The gateway's log has more than what callers send to engines: the chat page, and the relay's own hop to them."""
    if to.startswith(INNER):
        raise _LeftOut("the relay's own hop of a request that has a line already")
    if path not in BY_PATH or not BY_PATH[path].wakes:
        raise _LeftOut("no generation (another path of the gateway)")


def _demand(method: str, path: str, status: Any) -> None:
    """What starts no host is left out: everything but POST, lists of models, refusals."""
    if method and method.upper() != "POST":
        raise _LeftOut(f"no generation ({method.upper()})")
    if path.partition("?")[0].rstrip("/").endswith("/v1/models"):
        raise _LeftOut("no generation (a list of models)")
    number = _number(status)
    if number is not None and 400 <= number < 500:
        raise _LeftOut(f"refused with {number:.0f}")


# ---------------------------------------------------------------- the whole log
def read(lines: Iterable[str], *, name: str, zone: str = "UTC", duration_s: float = DURATION_S) -> Read:
    """A log as a trace, and what was left out of it.

    `zone`: of times that do not say theirs. `duration_s`: of requests that do not say theirs.

    Raises:
        SettingsError: no line can be used, or they lie too close together; it says why.
    """
    reader, total = _Reader(zone), 0

    def counted() -> Iterator[str]:
        nonlocal total
        for line in _rows(lines):
            total += bool(line.strip())
            yield line

    seen = list(reader.read(counted()))
    if not seen:
        raise SettingsError(_nothing(name, total, reader))
    first, last = min(s.at for s in seen), max(s.at for s in seen)
    if last - first > LONGEST_S:
        raise SettingsError(
            f"The lines of {name} are from {_day(first)} to {_day(last)}, more than {LONGEST_S / 86400:.0f} days: "
            "leave out those that are too old, or whose clock was wrong."
        )
    notes = list(_notes(seen, reader, duration_s))
    return Read(_trace(seen, name, duration_s), total, len(seen), dict(reader.left_out), reader.first, tuple(notes))


def _rows(lines: Iterable[str]) -> Iterator[str]:
    """The lines; of a JSON array, on one line (as LiteLLM's /spend/logs answers) or indented, its members, one each."""
    rest = iter(lines)
    for line in rest:
        if line.strip().strip("\ufeff").startswith("["):
            kept = [line.strip().strip("\ufeff"), *rest]
            try:
                found = json.loads("\n".join(kept))
            except (ValueError, RecursionError):  # lines that begin with a bracket, or an array that is cut
                yield from kept
            else:
                yield from (json.dumps(member) for member in found)
            return
        yield line
        if line.strip():
            break
    yield from rest


def _day(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"


def _nothing(name: str, total: int, reader: _Reader) -> str:
    if not total:
        return f"{name} is empty: a log with one request a line is needed."
    why = "; ".join(f"{count} {reason} ({reader.first[reason]})" for reason, count in reader.left_out.most_common(3))
    return (
        f"None of the {total} lines of {name} can be used: {why}. Known are this project's log (`fab logs`), nginx's "
        "and HAProxy's, OpenAI's usage and LiteLLM's as CSV, and JSON lines with a time (`at`, `timestamp`, …)."
    )


def _possible(took_s: float) -> bool:
    return 0 <= took_s <= TOOK_MAX_S


def _trace(seen: list[Seen], name: str, duration_s: float) -> Trace:
    counts = np.array([s.count for s in seen])
    begins = np.repeat(np.array([s.at for s in seen]), counts)
    steps = np.repeat(np.array([s.over_s / s.count for s in seen]), counts)
    within = np.arange(len(begins)) - np.repeat(np.cumsum(counts) - counts, counts)
    takes = np.array(
        [s.duration_s if s.duration_s is not None and _possible(s.duration_s) else duration_s for s in seen]
    )
    numbers: dict[str, int] = {}
    who = np.repeat([numbers.setdefault(s.caller, len(numbers)) if s.caller else -1 for s in seen], counts)
    who = np.where(who < 0, -1 - np.arange(len(who)), who)  # not told: somebody else each
    at = begins + steps * (within + 0.5 * (steps > 0))
    ends = at + np.repeat(takes, counts)
    whole = max(s.at + s.over_s for s in seen)
    return trace.of(
        at,
        np.repeat(takes, counts),
        who,
        since=float(at.min()) if not steps.any() else min(s.at for s in seen),
        until=float(max(ends.max(), whole)),
        name=name,
    )


def _notes(seen: list[Seen], reader: _Reader, duration_s: float) -> Iterator[str]:
    at = np.array([s.at for s in seen])
    if late := int((at[1:] < np.maximum.accumulate(at)[:-1]).sum()):
        yield f"{late} lines are older than one before them: sorted"
    if reader.without_zone:
        yield f"{reader.without_zone} times do not say their zone: taken as {reader.zone} (--zone)"
    if untold := sum(s.duration_s is None for s in seen):
        yield f"{untold} lines do not say how long it took: {duration_s:g}s each (--took)"
    if wrong := sum(s.duration_s is not None and not _possible(s.duration_s) for s in seen):
        yield f"{wrong} lines say that it took less than nothing, or longer than a day: {duration_s:g}s each (--took)"
    if reader.counted and any(s.over_s for s in seen):
        yield f"rows are counts over {reader.counted / 60:g} minutes: spread evenly, so shorter pauses cannot be seen"
    if not any(s.caller for s in seen):
        yield "no line says whose it is: each waits for itself"
    at = np.sort(at)
    gaps = np.flatnonzero(np.diff(at) > GAP_S)
    if len(gaps):
        yield (
            f"{len(gaps)} gaps of more than {GAP_S / 86400:.0f} days, the first from {_day(float(at[gaps[0]]))}: "
            "replayed as time without requests; if lines are missing, replay the parts"
        )
    elapsed = float(at[-1] - at[0])
    if elapsed < 7 * 86400:
        yield f"the log covers {elapsed / 86400:.1f} days: a month is reckoned from that; a week or more says more"
