"""One sample of what `up` tells the reaper, for every test that needs a unit; each test names only what it is about."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from core.contract.documents import SCHEMA_VERSION, UnitSettings

UNIT_SETTINGS: Final = UnitSettings(
    schema_version=SCHEMA_VERSION,
    stack="demo",
    unit="demo/host",
    instance_id="i-1",
    region="us-east-1",
    profile="online",
    stop_after_s=1800.0,
    schedule_on="",
    schedule_off="",
    time_zone="UTC",
    max_lease_s=7200.0,
    max_silence_s=1800.0,
    hard_cap_s=0.0,
    start_timeout_s=600.0,
    instance_types=("g6.xlarge",),
    monthly_budget_usd=None,
    alerts_topic_arn="",
)


def unit_settings(**changes: Any) -> UnitSettings:
    """The sample with some fields changed."""
    return dataclasses.replace(UNIT_SETTINGS, **changes)
