"""`fab history`: what happened to the host, when, by whom and why, from the lease's events."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from core import moments
from remote.verbs.lease import Front, Record


def history(at: Front, *, since_s: float) -> list[Record]:
    """The events of the last `since_s` seconds by the table's clock, oldest first."""
    return at.client.events(since_s)


def table(events: Sequence[Record], zone: str) -> Table:
    """One row an event, times on a clock in `zone`."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in (f"when ({zone})", "from", "to", "by", "why", "facts"):
        shown.add_column(column, overflow="fold", no_wrap=column in ("from", "to"))
    for event in events:
        when = f"{moments.day(event['at'], zone)} {moments.local(event['at'], zone):%H:%M:%S}"
        facts = ", ".join(f"{k} {v}" for k, v in event["facts"].items())
        shown.add_row(when, event["before"] or "-", event["after"], event["by"], event["reason"], facts)
    return shown
