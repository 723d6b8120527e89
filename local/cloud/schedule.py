"""When an EventBridge schedule is due, and what its target gets. Pure: the time is an argument (seconds since 1970).

Source: EventBridge Scheduler user guide, "Schedule types". A rate begins when the schedule is made and fires at once; a
cron expression has six fields, day-of-week counts from 1 = Sunday; precision on AWS is a minute, here a second.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim

from core.errors import CloudError

_UNITS: Final = {"minute": 60, "hour": 3600, "day": 86400}


@dataclass(frozen=True)
class Expression:
    """A schedule expression with its time zone; `anchor_s` is when the schedule was made or last changed."""

    text: str
    zone: str = "UTC"
    anchor_s: float = 0.0

    def next_due(self, after_s: float) -> float | None:
        """The first time strictly after `after_s`; None where there is none (a past `at`). CloudError if malformed."""
        kind, _, rest = self.text.partition("(")
        body = rest.rstrip().removesuffix(")").strip()
        if kind == "rate":
            return self._next_rate(body, after_s)
        if kind == "cron":
            return self._next_cron(body, after_s)
        if kind == "at":
            return self._next_at(body, after_s)
        raise CloudError(f"Schedule expression `{self.text}` is not one of rate(…), cron(…), at(…).")

    def _next_rate(self, body: str, after_s: float) -> float:
        match = re.fullmatch(r"([1-9]\d*) (minute|hour|day)s?", body)
        if not match:
            raise CloudError(f"Schedule expression `{self.text}`: write e.g. rate(1 minute), rate(5 minutes).")
        period = int(match[1]) * _UNITS[match[2]]
        return self.anchor_s + max(0, int((after_s - self.anchor_s) // period) + 1) * period

    def _next_cron(self, body: str, after_s: float) -> float:
        start = dt.datetime.fromtimestamp(after_s, ZoneInfo(self.zone))
        return next(CronSim(classic_cron(body), start)).timestamp()

    def _next_at(self, body: str, after_s: float) -> float | None:
        due = dt.datetime.fromisoformat(body).replace(tzinfo=ZoneInfo(self.zone)).timestamp()
        return due if due > after_s else None


def classic_cron(aws: str) -> str:
    """AWS's six cron fields as the five of cron. CloudError for what five cannot say (a year)."""
    fields = aws.split()
    if len(fields) != 6 or fields[5] not in {"*", "?"}:
        raise CloudError(f"cron({aws}): the embedded cloud takes six fields with `*` as the year.")
    minute, hour, day, month, weekday, _ = (field.replace("?", "*") for field in fields)
    classic = re.sub(r"(?<![#\d/])\d+", lambda m: str(int(m[0]) - 1), weekday)
    return " ".join((minute, hour, day, month, classic))


def fill_input(template: str, *, arn: str, due_s: float, execution_id: str) -> str:
    """The target's input with EventBridge Scheduler's context attributes filled in (`<aws.scheduler.…>`)."""
    stamp = dt.datetime.fromtimestamp(due_s, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = {"schedule-arn": arn, "scheduled-time": stamp, "execution-id": execution_id, "attempt-number": "1"}
    for name, value in values.items():
        template = template.replace(f"<aws.scheduler.{name}>", value)
    return template
