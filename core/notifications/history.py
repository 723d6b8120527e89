"""Which events of a lease's history people are told, and in which words. Pure: events in, notifications out.

Not told: a drain and its veto, a new lease, and the retries of a failed start. A host that EC2 has no capacity for is
tried again every five minutes for as long as somebody waits; people hear of the first failure, of one that differs, and
of the success. Nor is the relay's capacity failure told once the reaper has gone on to climb the ladder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from core.codes import Failure, Writer
from core.lease import WANTED_BY, Event, State
from core.notifications.record import Fact, Kind, Notification, notification
from core.times.durations import show

RETRY_WITHIN_S: Final = 900.0  # a start this soon after a failure is its retry (policy: after 5 min at the latest)
_OFF: Final = frozenset({"", State.STOPPED, State.FAILED})


def told(
    events: Sequence[Event], *, after: int, stack: str, unit: str, instance_type: str = ""
) -> list[tuple[int, Notification]]:
    """The notifications of the events after the epoch `after`, each with its epoch, oldest first.

    Args:
        events: the history, oldest first, with some events up to `after`: how long something took is counted from them.
        after: people were told of everything up to this epoch.
        stack: the stack's name.
        unit: the lease's key.
        instance_type: what the machine is now, for starts that the ladder left alone.
    """
    story = _Story(stack, unit, instance_type)
    found = [(e.epoch, story.add(e, last=e is events[-1])) for e in events]
    return [(epoch, notification) for epoch, notification in found if notification is not None and epoch > after]


@dataclass
class _Story:
    """What must be remembered of the events before."""

    stack: str
    unit: str
    instance_type: str
    began: Event | None = None  # the step into STARTING
    on_since: float | None = None  # the start order of this stretch of being on
    failure: str = ""  # told last, and nothing but retries since
    failed_at: float | None = None
    retry: bool = False
    forced: bool = False

    def add(self, event: Event, *, last: bool) -> Notification | None:
        """What this event means after those before it; None: nothing for people."""
        step = _STEPS.get(event.after)
        return step(self, event, last) if step else None

    def starting(self, event: Event, _: bool) -> Notification | None:
        if event.before == State.STARTING:
            return None  # rebooted before it was ready
        self.began, self.forced = event, False
        if event.before in _OFF:
            self.on_since = event.at
        soon_after = self.failed_at is not None and event.at - self.failed_at <= RETRY_WITHIN_S
        self.retry = event.before == State.FAILED and soon_after
        if self.retry:
            return None
        self.failure = ""
        facts: dict[str, Fact] = {"by": event.by, "state_before": event.before}
        facts |= {WANTED_BY: event.facts[WANTED_BY]} if WANTED_BY in event.facts else {}
        return self._notification(Kind.WAKING, event, f"is waking: {event.reason}", facts)

    def running(self, event: Event, _: bool) -> Notification | None:
        if event.before not in (State.STARTING, State.NEW):
            return None  # a drain that was given up
        facts: dict[str, Fact] = {"instance_type": self.instance_type} if self.instance_type else {}
        facts |= {"instance_type": event.facts["rung"]} if "rung" in event.facts else {}
        facts |= dict(event.facts)
        words = "is ready"
        if event.before == State.STARTING and self.began is not None:
            took = event.at - self.began.at
            facts["took_s"] = round(took, 1)
            words = f"is ready after {show(took)}"
        return self._notification(Kind.READY, event, words, facts)

    def stopping(self, event: Event, _: bool) -> Notification | None:
        self.forced = bool(event.facts.get("forced"))
        if not self.forced:
            return None  # its end is told
        facts: dict[str, Fact] = {"by": event.by, "state_before": event.before, "forced": True}
        return self._notification(Kind.FORCED, event, f"is stopped by force: {event.reason}", facts)

    def stopped(self, event: Event, _: bool) -> Notification | None:
        unexpected = event.before != State.STOPPING
        facts: dict[str, Fact] = {"by": event.by, "forced": self.forced, "unexpected": unexpected}
        stretch = ""
        if self.on_since is not None:
            facts["on_s"] = round(event.at - self.on_since, 1)
            stretch = f" after {show(event.at - self.on_since)}"
        self._off()
        return self._notification(Kind.STOPPED, event, f"stopped{stretch}: {event.reason}", facts)

    def failed(self, event: Event, last: bool) -> Notification | None:
        code = str(event.facts.get("failure") or event.reason)
        again, self.failed_at = self.retry and code == self.failure, event.at
        facts: dict[str, Fact] = {"by": event.by, "failure": code}
        facts |= {} if self.began is None else {"tried_s": round(event.at - self.began.at, 1)}
        self._off()
        climbs = event.by == Writer.RELAY and code == Failure.CAPACITY and not last
        if again or climbs:
            return None
        self.failure = code
        return self._notification(Kind.FAILED, event, f"failed to start ({code}): {event.reason}", facts)

    def _off(self) -> None:
        self.on_since, self.began, self.forced = None, None, False

    def _notification(self, kind: Kind, event: Event, words: str, facts: Mapping[str, Fact]) -> Notification:
        ident, told = f"{self.unit}:{event.epoch}:{kind}", {**facts, "epoch": event.epoch}
        return notification(
            kind, self.unit, words, id=ident, stack=self.stack, at=event.at, reason=event.reason, facts=told
        )


_STEPS: Final[Mapping[str, Callable[[_Story, Event, bool], Notification | None]]] = {
    State.STARTING: _Story.starting,
    State.RUNNING: _Story.running,
    State.STOPPING: _Story.stopping,
    State.STOPPED: _Story.stopped,
    State.FAILED: _Story.failed,
}
