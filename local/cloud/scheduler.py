"""EventBridge Scheduler's clock: moto keeps the schedules, this fires them.

One thread sleeps until the next schedule is due, or until one was made, changed or deleted. A tick that was missed (the
computer slept) fires once, late. Targets are Lambda functions; another kind is reported in the log.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from typing import Any, ClassVar, Final

from moto.scheduler import urls
from moto.scheduler.models import EventBridgeSchedulerBackend, Schedule, scheduler_backends

from core.errors import CloudError
from local.cloud import lambdas
from local.cloud.lambdas import Runner
from local.cloud.schedule import Expression, fill_input

log = logging.getLogger(__name__)

_LONGEST_SLEEP_S: Final = 30.0  # the wall clock may be set while we sleep
_MAX_AGE_S: Final = 86400.0  # EventBridge Scheduler's own maximum event age


class Scheduler:
    """Fires the enabled schedules of every region."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._changed = threading.Condition()
        self._closing = False
        self._due: dict[str, tuple[tuple[Any, ...], float | None]] = {}  # arn → (what it depends on, seconds)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        threading.Thread(target=self._run, name="schedules", daemon=True).start()

    def wake(self) -> None:
        """A schedule was made, changed or deleted."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """End the thread."""
        self._closing = True
        self.wake()

    def report(self) -> list[dict[str, Any]]:
        """For the status: `next_due` in seconds since 1970."""
        return [
            {
                "name": schedule.name,
                "state": schedule.state,
                "expression": schedule.schedule_expression,
                "target": schedule.target.get("Arn"),
                "next_due": self._due.get(schedule.arn, (None, None))[1],
            }
            for schedule in all_schedules()
        ]

    def _run(self) -> None:
        while not self._closing:
            with self._changed:
                wait_s = min((due - time.time() for due in self._plan()), default=_LONGEST_SLEEP_S)
                if wait_s > 0:
                    self._changed.wait(min(wait_s, _LONGEST_SLEEP_S))
            if not self._closing:
                self._fire_due()

    def _plan(self) -> list[float]:
        """When each enabled schedule is due next."""
        schedules = {s.arn: s for s in all_schedules() if s.state == "ENABLED"}
        self._due = {arn: due for arn, due in self._due.items() if arn in schedules}
        for arn, schedule in schedules.items():
            basis = (schedule.schedule_expression, schedule.schedule_expression_timezone, schedule.last_modified_date)
            if arn not in self._due or self._due[arn][0] != basis:
                self._due[arn] = (basis, _next_due(schedule, float(schedule.last_modified_date) - 1))
        return [due for _, due in self._due.values() if due is not None]

    def _fire_due(self) -> None:
        now = time.time()
        for schedule in all_schedules():
            basis, due = self._due.get(schedule.arn, (None, None))
            if schedule.state == "ENABLED" and basis is not None and due is not None and due <= now:
                self._due[schedule.arn] = (basis, _next_due(schedule, now))
                self._fire(schedule, due)

    def _fire(self, schedule: Schedule, due_s: float) -> None:
        function = lambdas.find(schedule.target["Arn"])
        if function is None:
            log.error("schedule %s: no function %s", schedule.name, schedule.target["Arn"])
            return
        template = schedule.target.get("Input") or "{}"
        body = fill_input(template, arn=schedule.arn, due_s=due_s, execution_id=uuid.uuid4().hex)
        age_s = schedule.target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds") or _MAX_AGE_S
        self._runner.send(function, body.encode(), max_age_s=float(age_s))


def _next_due(schedule: Schedule, after_s: float) -> float | None:
    """None also for an expression that cannot be read: said once in the log, and the schedule never fires."""
    anchor = float(schedule.last_modified_date)
    try:
        return Expression(schedule.schedule_expression, schedule.schedule_expression_timezone, anchor).next_due(after_s)
    except (CloudError, ValueError) as error:
        log.error("schedule %s never fires: %s", schedule.name, error)
        return None


def all_schedules() -> list[Schedule]:
    """Every schedule of every region."""
    backends: list[Any] = [backend for _, _, backend in scheduler_backends.iter_backends()]
    return [
        s
        for backend in backends
        for group in list(backend.schedule_groups.values())
        for s in list(group.schedules.values())
    ]


def install(scheduler: Scheduler) -> None:
    """Put TickingBackend where moto makes Scheduler backends."""
    TickingBackend.scheduler = scheduler
    scheduler_backends.backend = TickingBackend


class TickingBackend(EventBridgeSchedulerBackend):
    """EventBridge Scheduler that tells the clock of changes."""

    scheduler: ClassVar[Scheduler]

    @property
    def _url_module(self) -> Any:
        return urls

    def create_schedule(self, *args: Any, **kwargs: Any) -> Schedule:
        """CreateSchedule."""
        schedule = super().create_schedule(*args, **kwargs)
        self.scheduler.wake()
        return schedule

    def update_schedule(self, *args: Any, **kwargs: Any) -> Schedule:
        """UpdateSchedule."""
        schedule = super().update_schedule(*args, **kwargs)
        self.scheduler.wake()
        return schedule

    def delete_schedule(self, group_name: str | None, name: str) -> None:
        """DeleteSchedule."""
        super().delete_schedule(group_name, name)
        self.scheduler.wake()
