"""A look at the plain instances: find them, ask CloudWatch about those that may stop, decide (`core/plain.py`), stop.

On only where the control's settings say so (`pilotlight:control.plainInstances`; the environment then names whom to
tell). Kept between passes while the Lambda is warm: what was told of each, and until when nothing can have changed.
A cold start forgets both, and at worst says a malformed tag once more.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from core.codes import Alert
from core.notifications import standing
from core.plain import PERIOD_S, PlainMachine, Usage, Verdict, Window, decide, needs
from runtime.backends.notifications import Notifications
from runtime.backends.power import Plain, PowerRefused, PowerUnanswered

log = logging.getLogger("pilotlight.reaper")
EVERY_S: Final = PERIOD_S  # there is nothing new in between
FLEET: Final = "plain instances"  # whom an alert is about that is about all of them


class PlainInstances:
    """Looks at most every five minutes. `topic` hears of what was stopped and of tags that cannot be read."""

    def __init__(
        self, power: Plain, notifications: Notifications, topic: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._power, self._notifications, self._topic, self._clock = power, notifications, topic, clock
        self._next = 0.0
        self._quiet_until: dict[str, tuple[PlainMachine, float]] = {}  # for the machine as it was: tag and last start
        self._told: dict[str, tuple[str, str]] = {}

    def look(self) -> dict[str, str]:
        """What each is kept or stopped for; {} between looks. A cloud that does not answer is told, and tried again."""
        now = self._clock()
        if now < self._next:
            return {}
        self._next = now + EVERY_S - 1.0  # the schedule's minutes are not exact
        try:
            return self._look(now)
        except (PowerRefused, PowerUnanswered) as error:
            log.error("plain instances: %s", error)
            self._tell(FLEET, Alert.PLAIN_BROKEN, str(error))
            return {FLEET: str(error)}

    def _look(self, now: float) -> dict[str, str]:
        machines = {m.instance_id: m for m in self._power.machines()}
        verdicts, windows = self._first(machines, now)
        starts = {i: window.start for i, window in windows.items()}
        usage = self._power.usage(starts, now) if starts else {}
        verdicts |= {i: decide(machines[i], usage.get(i, Usage()), now) for i in starts}
        said = {i: self._carry_out(machines[i], verdict) for i, verdict in verdicts.items()}
        self._forget(machines)
        return said

    def _first(self, machines: Mapping[str, PlainMachine], now: float) -> tuple[dict[str, Verdict], dict[str, Window]]:
        """What needs no figures, and whose figures are worth asking for."""
        verdicts: dict[str, Verdict] = {}
        windows: dict[str, Window] = {}
        for i, machine in machines.items():
            wanted = needs(machine, now)
            if isinstance(wanted, Verdict):
                verdicts[i] = wanted
            elif not self._is_quiet(machine, now):
                windows[i] = wanted
        return verdicts, windows

    def _is_quiet(self, machine: PlainMachine, now: float) -> bool:
        """It was in use so short a time ago that it cannot be stopped yet, and nothing about it has changed."""
        as_it_was, until = self._quiet_until.get(machine.instance_id, (machine, 0.0))
        return as_it_was == machine and now < until

    def _carry_out(self, machine: PlainMachine, verdict: Verdict) -> str:
        instance_id, alert, reason = machine.instance_id, verdict.alert, verdict.reason
        self._quiet_until[instance_id] = (machine, verdict.look_again_at or 0.0)
        if verdict.stop:
            try:
                self._power.stop(instance_id)
                reason = f"stopped {instance_id}: {reason}"
            except (PowerRefused, PowerUnanswered) as error:
                alert, reason = Alert.PLAIN_REFUSED, f"{instance_id} could not be stopped ({error}): {reason}"
            log.info("%s", reason, extra={"facts": {"instance": instance_id, "action": "plain-stop"}})
        self._tell(instance_id, alert, reason)
        return reason

    def _tell(self, about: str, alert: str, reason: str) -> None:
        """Once per change; an alert that could not be sent is sent later."""
        if not alert:
            self._told.pop(about, None)
            return
        notification = standing.trouble(about, alert, stack="", reason=reason, now=self._clock())
        if self._told.get(about) != (alert, reason) and self._notifications.send(self._topic, notification):
            self._told[about] = (alert, reason)

    def _forget(self, machines: Mapping[str, PlainMachine]) -> None:
        """One that is off or gone begins anew when it comes back."""
        self._told = {i: said for i, said in self._told.items() if i in machines}
        self._quiet_until = {i: quiet for i, quiet in self._quiet_until.items() if i in machines}
