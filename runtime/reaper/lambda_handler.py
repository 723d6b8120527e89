"""The reaper as a Lambda: `handler` is the function's entry point (`core.contract.documents.REAPER_HANDLER`).

Events:
- from the schedule: `{"scheduled_at": "<ISO 8601>"}`; one more than `LATE_EVENT_S` old is ignored, since the world has
  moved on and the next minute's event is on its way;
- from the relay: `{"unit": "<stack>/<unit>"}`, for that unit only, which lingers some seconds where a retry is near.

Environment: TABLE, AWS_REGION, DEPLOYMENT_ID (what the machines' control tag says), ALERTS_TOPIC (for what is no
readable unit's), PLAIN_INSTANCES=on where machines without an agent are looked after too (`plain.py`).
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from core.contract.documents import (
    EVENT_SCHEDULED_AT,
    EVENT_UNIT,
    REAPER_ENV_DEPLOYMENT,
    REAPER_ENV_PLAIN,
    REAPER_ENV_TABLE,
    REAPER_ENV_TOPIC,
    Place,
)
from core.errors import ContractError
from runtime import logs

if TYPE_CHECKING:
    from runtime.reaper.passes import Reaper

LATE_EVENT_S: Final = 90.0
log = logging.getLogger("pilotlight.reaper")
_reaper: Reaper | None = None


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """One pass. Returns a summary; raises only where the pass could not do its work, so that the alarm sees it."""
    logs.to_stdout()
    late = _lateness(event, time.time())
    if late > LATE_EVENT_S:
        log.warning("ignored an event that is %.0f s late", late)
        return {"ignored": f"{late:.0f} s late"}
    first, unit = _reaper is None, event.get(EVENT_UNIT)
    summary = _warm().run(lambda: context.get_remaining_time_in_millis() / 1000, None if unit is None else str(unit))
    if first:
        gc.freeze()  # boto's descriptions of AWS stay: later collections need not walk over them
    return summary


def _warm() -> Reaper:
    """Made by the first event that is not ignored, and kept while the Lambda is warm."""
    global _reaper
    if _reaper is None:
        from runtime import backends
        from runtime.reaper.passes import Whom, reaper

        table, region = _environment(REAPER_ENV_TABLE), _environment("AWS_REGION")
        control = _environment(REAPER_ENV_DEPLOYMENT)
        place = Place("ec2", region, table, control)
        plain = os.environ.get(REAPER_ENV_PLAIN) == "on"
        _reaper = reaper(backends.open(place), Whom(control, os.environ.get(REAPER_ENV_TOPIC, ""), plain))
    return _reaper


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ContractError(f"The reaper's environment lacks {name}. Run `pulumi up`.")
    return value


def _lateness(event: Mapping[str, Any], now: float) -> float:
    """Seconds since the event was due; 0 for one that does not say."""
    due = event.get(EVENT_SCHEDULED_AT)
    return 0.0 if due is None else now - datetime.fromisoformat(str(due)).timestamp()
