"""A recorded history of a lease, as `python -m runtime.lease_client history` prints it: three runs on two days.

Recorded in the shape of the demo's; times are whole seconds, so that the bill can be added up by hand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.lease import Event

MONDAY = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
NOON = MONDAY + 2 * 86400 + 12 * 3600  # Wednesday
RECORDED: list[dict[str, Any]] = [
    {"epoch": 1, "at": MONDAY + 32400, "before": "", "after": "NEW", "by": "deploy", "reason": "new", "facts": {}},
    {"epoch": 2, "at": MONDAY + 32410, "before": "NEW", "after": "RUNNING", "by": "agent", "reason": "answers",
     "facts": {"instance_type": "g6.xlarge"}},
    {"epoch": 3, "at": MONDAY + 39600, "before": "RUNNING", "after": "DRAINING", "by": "reaper", "reason": "idle",
     "facts": {}},
    {"epoch": 4, "at": MONDAY + 39605, "before": "DRAINING", "after": "STOPPING", "by": "agent", "reason": "idle",
     "facts": {}},
    {"epoch": 5, "at": MONDAY + 39660, "before": "STOPPING", "after": "STOPPED", "by": "relay", "reason": "stopped",
     "facts": {}},
    # woken; no g6 anywhere, so the ladder's next type
    {"epoch": 6, "at": MONDAY + 50000, "before": "STOPPED", "after": "STARTING", "by": "relay", "reason": "wanted",
     "facts": {"wanted_by": "key ann"}},
    {"epoch": 7, "at": MONDAY + 50020, "before": "STARTING", "after": "FAILED", "by": "reaper", "reason": "none left",
     "facts": {"failure": "capacity"}},
    {"epoch": 8, "at": MONDAY + 50030, "before": "FAILED", "after": "STARTING", "by": "reaper", "reason": "ladder",
     "facts": {"rung": "g5.xlarge"}},
    {"epoch": 9, "at": MONDAY + 50210, "before": "STARTING", "after": "RUNNING", "by": "agent", "reason": "answers",
     "facts": {"instance_type": "g5.xlarge"}},
    {"epoch": 10, "at": MONDAY + 57220, "before": "RUNNING", "after": "STOPPING", "by": "reaper", "reason": "maxLease",
     "facts": {"forced": True}},
    {"epoch": 11, "at": MONDAY + 57230, "before": "STOPPING", "after": "STOPPED", "by": "relay", "reason": "stopped",
     "facts": {}},
    # a start that was stopped after 20 s: EC2 bills a minute
    {"epoch": 12, "at": MONDAY + 120000, "before": "STOPPED", "after": "STARTING", "by": "relay", "reason": "wanted",
     "facts": {"instance_type": "g6.xlarge", "wanted_by": "key ann"}},
    {"epoch": 13, "at": MONDAY + 120020, "before": "STARTING", "after": "STOPPED", "by": "reaper", "reason": "by hand",
     "facts": {}},
]  # fmt: skip
EVENTS = [Event(**each) for each in RECORDED]
