"""The table's keys: a partition a unit; its lease, settings, events and what was counted of them are items."""

from __future__ import annotations

from typing import Final

# ---------------------------------------------------------------- the table
TABLE_PK: Final = "pk"  # "<stack>/<unit>"
TABLE_SK: Final = "sk"
SK_LEASE: Final = "lease"
SK_SETTINGS: Final = "settings"
PK_UNITS: Final = "units"  # the directory: sk is the unit, body its settings once more; one Query reads a whole fleet
SETTINGS_BODY: Final = "body"  # attribute (S): UnitSettings as JSON
LAST_EPOCH: Final = 10**12 - 1  # what `sk_event` has digits for


def sk_event(epoch: int) -> str:
    """Sort key of the event that the transition to `epoch` wrote; zero-padded so that it sorts by number."""
    return f"event#{epoch:012d}"


SK_PAST: Final = "past"  # what the reaper has counted of the unit's events (core/past.py)
SK_REPORT: Final = "report#"  # prefix: the host's shutdown report; a ring, so that a unit keeps those of its last stops
REPORTS_KEPT: Final = 8


def sk_report(epoch: int) -> str:
    """Sort key of the shutdown report of the stop at `epoch`; they take the place of some older ones."""
    return f"{SK_REPORT}{epoch % REPORTS_KEPT}"


def unit_name(stack: str) -> str:
    """The lease's pk for a stack's one host."""
    return f"{stack}/host"
