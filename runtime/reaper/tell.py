"""Telling people what happened, at the end of a pass, when every unit has been driven.

At least once: a notification is sent first and noted in the lease afterwards. The other way round a reaper that ends
between the two would lose it; this way two reapers, or one that ends there, send it twice with the same id. What cannot
be sent is sent by a later pass, since the lease still owes it. A unit on which nothing happened costs no call. What is
told when is `core/notifications/`.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from core import lease as protocol
from core.codes import Alert
from core.contract.documents import UnitSettings
from core.lease import Lease, Outcome, Refused
from core.notifications import Notification, standing
from core.notifications.history import told
from core.policy import Decision
from runtime.backends.leases import LeaseStore, StoreUnavailable
from runtime.backends.notifications import Notifications

log = logging.getLogger("pilotlight.reaper")
TELL_FOR_S: Final = 10.0  # of a pass's 50 s; what is left then is told by the next pass
LONGEST_REASON: Final = 1000  # characters of what is told of such a unit
EVENTS_A_PASS: Final = 20  # of one unit
LOOK_BACK: Final = 40  # events before those, from which it is counted how long something took


@dataclass(frozen=True)
class News:
    """A unit when the pass was done with it. `alert` and `words` are the decision's, or what its doing brought."""

    settings: UnitSettings
    lease: Lease
    decision: Decision
    alert: str
    words: str
    now: float
    spent_usd: float | None
    instance_type: str

    @property
    def history(self) -> bool:
        """Events since those that people were told of."""
        return self.lease.notified is not None and self.lease.notified < self.lease.epoch

    @property
    def stop(self) -> bool:
        """A stop that is near and was not announced."""
        return self.decision.soon is not None and self.decision.soon.key != self.lease.warned

    @property
    def percent(self) -> int:
        """A part of the budget that was not told; 0: none."""
        budget = self.settings.monthly_budget_usd
        return standing.budget_part(self.lease, spent_usd=self.spent_usd, budget_usd=budget, now=self.now)

    @property
    def changed_alert(self) -> bool:
        """Another alert than the last one, which no kind of its own tells."""
        told = standing.told_by_a_kind(self.lease, self.decision.action, self.alert)
        return self.alert != self.lease.alerted and not told


class Teller:
    """Collects a pass's news and sends them. Keeps between passes which broken units it has told about."""

    def __init__(self, store: LeaseStore, notifications: Notifications) -> None:
        self._store, self._notifications = store, notifications
        self._news: list[News] = []
        self._broken: dict[str, tuple[str, str]] = {}  # topic and reason
        self._told: dict[str, str] = {}
        self._dead: set[str] = set()  # topics that took nothing in this pass

    def hear(self, news: News) -> None:
        """Keep what is to be told; most units of a pass have nothing."""
        if news.history or news.stop or news.changed_alert or news.percent:
            self._news.append(news)

    def hear_broken(self, unit: str, topic: str, reason: str) -> None:
        """A unit that could not be handled: told once while its reason stays the same."""
        self._broken[unit] = (topic, reason)

    def tell(self, well: Iterable[str]) -> dict[str, str]:
        """Send what was heard; `well` are the units that could be handled. Returns those that broke here, and why."""
        until, news, broke = time.monotonic() + TELL_FOR_S, self._news, dict[str, str]()
        self._news, self._dead = [], set()
        for said, one in enumerate(news):
            if time.monotonic() > until:
                log.warning("%d units are told about later: out of time", len(news) - said)
                break
            try:
                self._tell_one(one)
            except StoreUnavailable as error:
                log.error("unit %s: what is told of it waits: %s", one.lease.unit, error)
            except Exception as error:  # a stranger's history: it is told as that unit's trouble, and nobody else's
                log.exception("unit %s: what is told of it cannot be read", one.lease.unit)
                broke[one.lease.unit] = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
                self.hear_broken(one.lease.unit, one.settings.alerts_topic_arn, broke[one.lease.unit])
        self._tell_broken(well, until)
        return broke

    def _tell_one(self, news: News) -> None:
        if news.history:
            self._history(news)
        if news.stop:
            self._stop(news)
        if news.percent:
            self._budget(news)
        if news.changed_alert:
            self._alert(news)

    def _history(self, news: News) -> None:
        lease, settings = news.lease, news.settings
        before = lease.notified or 0
        upto = min(lease.epoch, before + EVENTS_A_PASS)
        events = self._store.events(lease.unit, epochs=range(before + 1 - LOOK_BACK, upto + 1))
        of = {"stack": settings.stack, "unit": lease.unit, "instance_type": news.instance_type}
        for epoch, notification in told(events, after=before, **of):
            if not self._send(settings.alerts_topic_arn, notification):
                upto = epoch - 1
                break
        self._note(protocol.notified(lease, epoch=upto, nonce=_nonce()))

    def _stop(self, news: News) -> None:
        soon = news.decision.soon
        assert soon is not None
        stack, reason = news.settings.stack, news.decision.words
        notification = standing.about_to_stop(news.lease, soon, stack=stack, reason=reason, now=news.now)
        self._send_then(news, notification, protocol.warned(news.lease, stop=soon.key, nonce=_nonce()))

    def _budget(self, news: News) -> None:
        spent, limit = news.spent_usd or 0.0, news.settings.monthly_budget_usd or 0.0
        part, notification = standing.budget(
            news.lease, news.percent, stack=news.settings.stack, spent_usd=spent, budget_usd=limit, now=news.now
        )
        self._send_then(news, notification, protocol.budgeted(news.lease, part=part, nonce=_nonce()))

    def _alert(self, news: News) -> None:
        notification = standing.alert(
            news.lease, news.alert, stack=news.settings.stack, reason=news.words, now=news.now
        )
        self._send_then(news, notification, protocol.alert_sent(news.lease, reason=news.alert, nonce=_nonce()))

    def _tell_broken(self, well: Iterable[str], until: float) -> None:
        broken, self._broken = self._broken, {}
        for unit in well:
            if unit not in broken:
                self._told.pop(unit, None)
        for unit, (topic, reason) in broken.items():
            if self._told.get(unit) == reason or time.monotonic() > until:
                continue
            stack, now = unit.partition("/")[0], time.time()
            try:
                sent = self._send(topic, standing.trouble(unit, Alert.BROKEN, stack=stack, reason=reason, now=now))
            except Exception:  # a topic that no client takes for one
                log.exception("unit %s: its trouble cannot be told", unit)
                continue
            if sent:
                self._told[unit] = reason

    def _send_then(self, news: News, notification: Notification, outcome: Outcome) -> None:
        if self._send(news.settings.alerts_topic_arn, notification):
            self._note(outcome)

    def _send(self, topic: str, notification: Notification) -> bool:
        """False where the topic took nothing: it is not asked again in this pass."""
        if topic in self._dead:
            return False
        sent = self._notifications.send(topic, notification)
        if not sent:
            self._dead.add(topic)
        return sent

    def _note(self, outcome: Outcome) -> None:
        """What another reaper noted meanwhile stays; it is told once more at the worst."""
        if not isinstance(outcome, Refused):
            self._store.write(outcome)


def _nonce() -> str:
    return uuid.uuid4().hex
