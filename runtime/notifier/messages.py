"""What is in a queue, as a notification: the reaper's own, CloudWatch's alarms, and anything else rather than
nothing.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from core.codes import Alert
from core.errors import ContractError
from core.notifications import Kind, Notification, iso, line

RAW_MAX: Final = 1000  # characters of what cannot be read
_NOT_IN_AN_ID: Final = re.compile(r"[^!-~]+")


def read(record: Mapping[str, Any]) -> Notification:
    """The notification in an SQS record; never fails: what cannot be read is an alert that says so, with its text."""
    body = str(record.get("body", ""))
    try:
        return Notification.from_json(body)
    except ContractError as error:
        alarm = _object(body)
        if isinstance(alarm.get("AlarmName"), str):
            return _from_alarm(alarm, _sent(record))
        return _from_raw(body, str(record.get("messageId", "?")), _sent(record), str(error))


def _object(body: str) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _from_alarm(alarm: Mapping[str, Any], sent: float) -> Notification:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html: what SNS gets."""
    name, state = str(alarm["AlarmName"]), str(alarm.get("NewStateValue", "?"))
    what = str(alarm.get("AlarmDescription") or name)
    at = str(alarm.get("StateChangeTime", ""))
    over = state == "OK"
    return Notification(
        id=_NOT_IN_AN_ID.sub("-", f"alarm:{name}:{state}:{at or sent}")[:300],
        kind=Kind.ALERT,
        stack="",
        unit="",
        at=_moment(at, sent),
        summary=line(f"alarm: {what}{': over' if over else ''}"),
        reason=str(alarm.get("NewStateReason", "")),
        facts={"alert": name, "cleared": over, "alarm_state": state},
    )


def _from_raw(body: str, message_id: str, sent: float, why: str) -> Notification:
    return Notification(
        id=_NOT_IN_AN_ID.sub("-", f"raw:{message_id}"),
        kind=Kind.ALERT,
        stack="",
        unit="",
        at=iso(sent),
        summary="a message that is no notification came to the topic",
        reason=f"{why} It was: {body[:RAW_MAX]}",
        facts={"alert": Alert.UNREADABLE, "cleared": False, "truncated": len(body) > RAW_MAX},
    )


def _sent(record: Mapping[str, Any]) -> float:
    """When SQS got it, s since 1970; now where it does not say."""
    stamp = record.get("attributes", {}).get("SentTimestamp", "")
    return int(stamp) / 1000 if str(stamp).isdigit() else time.time()


def _moment(text: str, otherwise: float) -> str:
    try:
        return iso(datetime.fromisoformat(text).astimezone(UTC).timestamp())
    except ValueError:
        return iso(otherwise)
