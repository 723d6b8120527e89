"""`fab keys.*`: who may call a stack's API, and how much. Nothing here wakes a host: keys are the gateway's alone.

A secret exists in the clear only in what `add` and `rotate` return.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core import keys
from core.contract.documents import ApiKey, ApiKeys
from core.contract.network import WEBUI_KEY
from core.errors import DeployError, SettingsError
from core.keys import Change, KeyState
from core.times import durations, moments
from remote.machines import inventory
from remote.machines.transport import Machine
from remote.services.keys import Key, Keys, Seen, Used, make
from remote.verbs import flags

UNKNOWN = "–"  # in a table: nobody knows


@dataclass(frozen=True)
class Door:
    """A stack's keys, and what answers about them are written with."""

    stack: str
    api_url: str
    zone: str
    keys: Keys


@dataclass(frozen=True)
class Wanted:
    """What `add` was asked for; `expires` is a duration or a time of the stack's clock, "" for never."""

    name: str
    quiet: bool = False
    operator: bool = False
    rpm: int | None = None
    tokens_per_day: int | None = None
    expires: str = ""

    def record(self, key: Key, now: float, end: float | None) -> ApiKey:
        """What the gateway gets."""
        return ApiKey(
            self.name,
            key.hash,
            created=now,
            quiet=self.quiet,
            operator=self.operator,
            rpm=self.rpm,
            tokens_per_day=self.tokens_per_day,
            expires=end,
        )


@dataclass(frozen=True)
class Made:
    """A key that was made now. `old_until`: what the name had before works so long; None where it does not."""

    key: Key
    record: ApiKey
    running: bool
    old_until: float | None = None

    def as_dict(self, zone: str) -> dict[str, Any]:
        """For `--json`: the only time that the secret is shown."""
        told = record_of(self.record, zone) | {"key": self.key.secret, "live": self.running}
        return told | {"old_until": _iso(self.old_until, zone)}


@dataclass(frozen=True)
class Row:
    """One record as `list` shows it. `used` None: HAProxy remembers no request. `tokens`: since midnight UTC, of a key
    whose tokens are counted; None: they are not, or nobody can tell.
    """

    record: ApiKey
    state: KeyState
    used: Used | None
    tokens: int | None = None

    def as_dict(self, zone: str) -> dict[str, Any]:
        """For `--json`."""
        used = {"last_used": _iso(self.used.at, zone), "requests": self.used.requests} if self.used else {}
        told = record_of(self.record, zone) | {"state": self.state.value, "last_used": None, "requests": None}
        return told | used | {"tokens_today": self.tokens}


def door(stack: str, identity: str = "") -> Door:
    """Connect to the machine that has the stack's keys. DeployError: not deployed, or no answer."""
    found = inventory.load(stack, identity=identity)
    machine = Machine(found.gateway or found.host)
    machine.connect()
    return Door(found.stack, found.api_url, found.settings.idle.time_zone, Keys(machine))


def wanted(name: str, *, quiet: bool, operator: bool, rpm: str, tokens_per_day: str, expires: str) -> Wanted:
    """The flags as they were typed. SettingsError: what can be said before any machine is asked."""
    keys.check(name)
    limits = (flags.positive("rpm", rpm), flags.positive("tokens-per-day", tokens_per_day))
    if expires:
        _moment(expires, "UTC", 0.0)
    return Wanted(name, quiet, operator, *limits, expires)


def add(at: Door, asked: Wanted) -> Made:
    """Make a key. SettingsError: its name is taken, or it would expire before it begins."""
    key, records = make(asked.name), list[ApiKey]()

    def decide(there: ApiKeys, now: float) -> Change:
        end = _moment(asked.expires, at.zone, now) if asked.expires else None
        records.append(asked.record(key, now, end))
        return keys.add(there, records[-1], now)

    return Made(key, *_end(at.keys.change(decide), records))


def rotate(at: Door, name: str, *, grace_s: float = 0.0) -> Made:
    """Another secret for a name, with all its limits; the old one works for `grace_s` longer."""
    key, records, old = make(name), list[ApiKey](), list[float | None]()

    def decide(there: ApiKeys, now: float) -> Change:
        change = keys.rotate(there, name, key.hash, now=now, grace_s=grace_s)
        records.append(change.new[-1])
        old.append(change.new[0].expires if len(change.new) > 1 else None)
        return change

    return Made(key, *_end(at.keys.change(decide), records), old[-1])


def revoke(at: Door, name: str) -> bool:
    """No key of this name, from now on; what runs may finish. False: no HAProxy runs, and none will know it."""
    return at.keys.change(lambda there, _: keys.revoke(there, name)).running


@dataclass(frozen=True)
class Listed:
    """What `list` shows; `problem` says why tokens are not known, "" where they are."""

    rows: tuple[Row, ...]
    problem: str = ""

    def as_dict(self, zone: str) -> dict[str, Any]:
        """For `--json`."""
        return {"keys": [row.as_dict(zone) for row in self.rows], "tokens_problem": self.problem or None}


def listed(at: Door) -> Listed:
    """Every key, the chat page's own too, in the order in which they were made."""
    seen, problem = at.keys.read(usage=True), ""
    tokens: Mapping[str, int] | None = {}
    if any(record.tokens_per_day is not None for record in seen.keys.keys):
        try:
            tokens = at.keys.tokens()
        except DeployError as error:
            tokens, problem = None, str(error)
    return Listed(tuple(_row(seen, record, tokens) for record in seen.keys.keys), problem)


def _row(seen: Seen, record: ApiKey, tokens: Mapping[str, int] | None) -> Row:
    state, own = keys.state(seen.keys, record, seen.now), seen.keys.named(record.name) == record
    if not own:  # what is counted is counted by name
        return Row(record, state, None)
    known = tokens is not None and record.tokens_per_day is not None
    return Row(record, state, seen.used.get(record.name), (tokens or {}).get(record.name, 0) if known else None)


def _end(seen: Seen, records: Sequence[ApiKey]) -> tuple[ApiKey, bool]:
    return records[-1], seen.running


def _moment(text: str, zone: str, now: float) -> float:
    """`30d` from now, or a time of the stack's clock."""
    with contextlib.suppress(SettingsError):
        return now + durations.positive(text)
    try:
        return moments.parse(text, zone, now)
    except SettingsError as error:
        raise SettingsError(f'--expires "{text[:40]}": write e.g. 30d, 12h or 2027-01-31 18:00.') from error


# ---------------------------------------------------------------- words
def words(made: Made, at: Door) -> list[str]:
    """What a person reads after `add` and `rotate`; the secret is in the first line."""
    record = made.record
    lines = [f"API key {record.name}, shown this once: {made.key.secret}"]
    lines.append(f"For {at.api_url}: {limits(record, at.zone)}.")
    if made.old_until is not None:
        lines.append(f"The old one works until {moments.with_year(made.old_until, at.zone)} ({at.zone}).")
    if not made.running:
        lines.append(not_live(at))
    return lines


def not_live(at: Door) -> str:
    """The change is on disk, and HAProxy reads it when it starts."""
    return f"HAProxy does not run on the gateway; it reads the keys when it starts. See `fab logs -s {at.stack}`."


def limits(record: ApiKey, zone: str) -> str:
    """`10 requests a minute, wakes nothing, until Mon 23 Nov 2026 09:00`; `no limits`."""
    found = [
        f"{record.rpm:,} requests a minute" if record.rpm else "",
        f"{record.tokens_per_day:,} tokens a day" if record.tokens_per_day else "",
        "wakes nothing" if record.quiet else "",
        "operates the dashboard" if record.operator else "",
        f"until {moments.with_year(record.expires, zone)} ({zone})" if record.expires is not None else "",
    ]
    return ", ".join(each for each in found if each) or "no limits"


def table(rows: Sequence[Row], zone: str) -> Any:
    """For people."""
    from rich.table import Table

    caption = "Requests, last use: since HAProxy was started or reloaded last. Tokens: since midnight UTC."
    shown = Table(caption=caption, caption_justify="left")
    for column in ("key", "state", "limits", "made", "last used", "requests", "tokens today"):
        shown.add_column(column, overflow="fold")
    for row in rows:
        name = f"{row.record.name} (the chat page's)" if row.record.name == WEBUI_KEY else row.record.name
        used = (moments.show(row.used.at, zone), f"{row.used.requests:,}") if row.used else (UNKNOWN, UNKNOWN)
        made = moments.with_year(row.record.created, zone)
        tokens = UNKNOWN if row.tokens is None else f"{row.tokens:,}"
        shown.add_row(name, row.state.value, limits(row.record, zone), made, *used, tokens)
    return shown


def record_of(record: ApiKey, zone: str) -> dict[str, Any]:
    """A key for `--json`; times are ISO 8601 in `zone`, what is not there is None."""
    told = dataclasses.asdict(record)
    del told["sha256"]
    return told | {"created": _iso(record.created, zone), "expires": _iso(record.expires, zone)}


def _iso(moment: float | None, zone: str) -> str | None:
    return None if moment is None else moments.iso(moment, zone)
