"""`fab history`: what happened to the host, when, by whom and why, from the lease's events."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from core.lease import WANTED_BY, Event
from core.times import moments
from remote.verbs.lease import Front, Record


def history(at: Front, *, since_s: float, limit: int = 0) -> list[Event]:
    """The events of the last `since_s` seconds by the table's clock, oldest first; with `limit` the last so many."""
    events = at.client.events(since_s)
    return events[-limit:] if limit else events


def who(event: Event) -> str:
    """Who asked for it where somebody did, else who did it: `key ann` and not `relay`."""
    return str(event.facts.get(WANTED_BY) or event.by)


def as_dict(event: Event, zone: str) -> Record:
    """One event for `--json`."""
    return {
        "at": moments.iso(event.at, zone),
        "before": event.before or None,
        "after": event.after,
        "by": event.by,
        "who": who(event),
        "reason": event.reason,
        "facts": _facts(event),
    }


def _facts(event: Event) -> Record:
    return {k: v for k, v in event.facts.items() if k != WANTED_BY}


def table(events: Sequence[Event], zone: str) -> Table:
    """One row an event, times on a clock in `zone`."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in (f"when ({zone})", "from", "to", "who", "why", "facts"):
        shown.add_column(column, overflow="fold", no_wrap=column in ("from", "to"))
    for event in events:
        when = f"{moments.day(event.at, zone)} {moments.local(event.at, zone):%H:%M:%S}"
        facts = ", ".join(f"{k} {v}" for k, v in _facts(event).items())
        shown.add_row(when, event.before or "-", event.after, who(event), event.reason, facts)
    return shown
