"""The reaper: a Lambda that every minute decides for each unit what should happen, and drives its lease there.

`handler` is the entry point (`runtime.reaper.handler`). Events:
- from the schedule: `{"scheduled_at": "<ISO 8601>"}`; one more than `LATE_EVENT_S` old is ignored, since the world has
  moved on and the next minute's event is on its way;
- from the relay: `{"unit": "<stack>/<unit>"}`, for that unit only, which lingers some seconds where a retry is near.

Two reapers at once are safe: whatever they do starts with a conditional write that one of them loses.
Environment: TABLE, AWS_REGION, DEPLOYMENT_ID (what the machines' control tag says), ALERTS_TOPIC (for what is no
readable unit's), PLAIN_INSTANCES=on where machines without an agent are looked after too (`plain.py`). The decisions
are `core/policy/`'s; `sweep.py` is the pass, `act.py` does one decision, `tell.py` tells people. To add an action:
`core/policy/carry_out.py` says how.
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
)
from core.errors import ContractError
from runtime import logs
from runtime.reaper.sweep import Report, Sweep

LATE_EVENT_S: Final = 90.0  # the reaper ignores a scheduled event older than this


if TYPE_CHECKING:
    from runtime.reaper.plain import PlainInstances

LINGER_S: Final = 12.0  # a relay's invocation waits for a retry that is this near
LINGER_ROUNDS: Final = 5
RESERVE_MS: Final = 20_000  # a unit, a round, or a look at plain instances is begun only with this much time left

log = logging.getLogger("pilotlight.reaper")
_sweep: Sweep | None = None
_plain: PlainInstances | None = None


def handler(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
    """One pass. Returns a summary; raises only where the pass could not do its work, so that the alarm sees it."""
    logs.to_stdout()
    late = _lateness(event, time.time())
    if late > LATE_EVENT_S:
        log.warning("ignored an event that is %.0f s late", late)
        return {"ignored": f"{late:.0f} s late"}
    first = _sweep is None
    sweep = _warm_sweep()
    unit = event.get(EVENT_UNIT)
    until = time.monotonic() + (context.get_remaining_time_in_millis() - RESERVE_MS) / 1000
    report = sweep.run(None if unit is None else [str(unit)], until=until)
    if unit is not None:
        report = _linger(sweep, str(unit), report, context)
    if first:
        gc.freeze()  # boto's descriptions of AWS stay: later collections need not walk over them
    summary = report.summary() | (_plain_instances(context) if unit is None else {})
    log.info("%d units, %d acted on", summary["units"], len(summary["acted"]), extra={"facts": summary})
    return summary


def _linger(sweep: Sweep, unit: str, report: Report, context: Any) -> Report:
    """Somebody waits for this unit: a retry that is due in seconds is made now, not at the next minute."""
    for _ in range(LINGER_ROUNDS):
        wait = report.due_in_s(unit)
        if wait is None or wait > LINGER_S or context.get_remaining_time_in_millis() < RESERVE_MS:
            break
        time.sleep(wait)
        report = sweep.run([unit])
    return report


def _warm_sweep() -> Sweep:
    global _sweep
    if _sweep is None:
        from runtime.backends.leases.dynamodb import DynamoLeaseStore
        from runtime.backends.power.fleet import Ec2Fleet
        from runtime.reaper.alerts import SnsAlerts

        table, region = _environment(REAPER_ENV_TABLE), _environment("AWS_REGION")
        control = _environment(REAPER_ENV_DEPLOYMENT)
        power = Ec2Fleet(region, control)
        topic = os.environ.get(REAPER_ENV_TOPIC, "")
        _sweep = Sweep(DynamoLeaseStore(table, region), power, SnsAlerts(region), topic, control)
    return _sweep


def _plain_instances(context: Any) -> dict[str, Any]:
    """For the summary; nothing where the control's settings do not ask for them, or time is short, or between looks."""
    global _plain
    if os.environ.get(REAPER_ENV_PLAIN) != "on" or context.get_remaining_time_in_millis() < RESERVE_MS:
        return {}
    if _plain is None:
        from runtime.backends.power.plain import PlainPower
        from runtime.reaper.alerts import SnsAlerts
        from runtime.reaper.plain import PlainInstances

        region = _environment("AWS_REGION")
        _plain = PlainInstances(PlainPower(region), SnsAlerts(region), os.environ.get(REAPER_ENV_TOPIC, ""))
    said = _plain.look()
    return {"plain": said} if said else {}


def _environment(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ContractError(f"The reaper's environment lacks {name}. Run `pulumi up`.")
    return value


def _lateness(event: Mapping[str, Any], now: float) -> float:
    """Seconds since the event was due; 0 for one that does not say."""
    due = event.get(EVENT_SCHEDULED_AT)
    return 0.0 if due is None else now - datetime.fromisoformat(str(due)).timestamp()
