"""What people are told: one schema (`Notification`), and the pure functions that decide what is told when.

| kind | comes from | told once by |
|---|---|---|
| waking, ready, stopped, forced, failed | the lease's history (`history.py`) | `lease.notified`: the last epoch told |
| about-to-stop | the policy's decision (`Decision.soon`) | `lease.warned`: that stop |
| budget | the month's spending | `lease.budgeted`: that part of that month |
| alert | the policy's decision (`Decision.alert`), and what cannot be read | `lease.alerted`: that key |

Each happening has one mechanism. The policy's alert keys for what a kind tells already (a failed start, a forced or an
unexpected stop, a forced stop that is near, the budget) are no alerts to people: `standing.told_by_a_kind` names them.

A notification has an `id` that stays the same when it is sent again: the reaper sends before it notes that it has sent,
and queues deliver at least once. To add a kind: a member of `Kind`, a function in `history.py` or `standing.py` that
makes it, an example in `docs/notifications.md` (its test says what is missing).

This package itself is the schema only: the notifier has neither policy nor schedules.
"""

from __future__ import annotations

from core.notifications.record import (
    NOTIFICATION_VERSION,
    Fact,
    Kind,
    Notification,
    email,
    iso,
    line,
    name_of,
    slack,
    subject,
)

__all__ = [
    "NOTIFICATION_VERSION",
    "Fact",
    "Kind",
    "Notification",
    "email",
    "iso",
    "line",
    "name_of",
    "slack",
    "subject",
]
