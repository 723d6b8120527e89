"""One notification a kind, as the code itself makes it: what docs/notifications.md shows and what the notifier's tests
send.

`python -m tests.core.notifications.examples` prints them for the page.
"""

from __future__ import annotations

import json
import sys
from typing import Final

from core.lease import Event, Lease, State
from core.notifications import Kind, Notification, standing
from core.notifications.history import told
from core.soon import Soon

STACK: Final = "qwen7b"
UNIT: Final = "qwen7b/host"
T: Final = 1_795_510_800.0  # 2026-11-24 09:00 UTC
WANTED: Final = {"wanted_by": "key ann"}
IDLE: Final = "no demand for 30m, the limit is 30m"
READY: Final = {"boot_s": 28.5, "engine_qwen7b_s": 74.9}
MAX_LEASE: Final = "maxLease: no demand for 12h, the limit is 12h"
NO_ROOM: Final = "no capacity: g6.xlarge (InsufficientInstanceCapacity), g5.xlarge (InsufficientInstanceCapacity)"


HISTORY: Final = (
    Event(11, T + 0, State.STOPPED, State.STARTING, "relay", "wanted by key ann", WANTED),
    Event(12, T + 103.4, State.STARTING, State.RUNNING, "agent", "one real completion succeeded", READY),
    Event(13, T + 7600, State.RUNNING, State.DRAINING, "reaper", IDLE),
    Event(14, T + 7611, State.DRAINING, State.STOPPING, "agent", IDLE),
    Event(15, T + 7640, State.STOPPING, State.STOPPED, "reaper", IDLE),
    Event(16, T + 90000, State.STOPPED, State.STARTING, "relay", "wanted by key ann", WANTED),
    Event(17, T + 90041, State.STARTING, State.FAILED, "reaper", NO_ROOM, {"failure": "capacity"}),
    Event(18, T + 90400, State.FAILED, State.STARTING, "reaper", "wanted by key ann", WANTED),
    Event(
        19, T + 90505, State.STARTING, State.RUNNING, "agent", "one real completion succeeded", {"rung": "g5.xlarge"}
    ),
    Event(20, T + 133705, State.RUNNING, State.STOPPING, "reaper", MAX_LEASE, {"forced": True}),
)
LEASE: Final = Lease(UNIT, State.RUNNING, 12, T + 103.4, "one real completion succeeded", "agent", instance_id="i-1")


def _examples() -> dict[Kind, Notification]:
    found: dict[Kind, Notification] = {}
    for _, notification in told(HISTORY, after=10, stack=STACK, unit=UNIT, instance_type="g6.xlarge"):
        found.setdefault(notification.kind, notification)
    soon = Soon("idle", T + 7600, T + 5800, 1800.0)
    reason = "last demand 25m ago; stops in 5m"
    found[Kind.ABOUT_TO_STOP] = standing.about_to_stop(LEASE, soon, stack=STACK, reason=reason, now=T + 7300)
    money = {"stack": STACK, "spent_usd": 120.41, "budget_usd": 150.0}
    found[Kind.BUDGET] = standing.budget(LEASE, 80, **money, now=T)[1]  # type: ignore[arg-type]
    words = "the agent is silent for 3m; stopped by force in 27m"
    found[Kind.ALERT] = standing.alert(LEASE, "silent", stack=STACK, reason=words, now=T + 600)
    return {kind: found[kind] for kind in Kind}


EXAMPLES: Final = _examples()


def shown(notification: Notification) -> str:
    """As the page shows it: the same JSON, a field a line."""
    return json.dumps(json.loads(notification.to_json()), indent=2, sort_keys=True)


if __name__ == "__main__":
    sys.stdout.write("\n".join(f"### {n.kind}\n\n```json\n{shown(n)}\n```\n" for n in EXAMPLES.values()))
