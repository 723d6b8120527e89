"""One pass over all units: read the leases, ask EC2 once, decide, act, tell. One broken unit never stops the pass.

What a unit's items say is a stranger's word where stacks share a control: whatever it breaks, it breaks for that unit,
which becomes an alert; and orders go to machines whose own tags name the unit and the control, to no other.

The leases are read before EC2 is asked. The other way round, a machine that a relay starts in between would look
stopped under a running lease, or started by hand under a stopped one.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.codes import Failure
from core.contract.documents import UnitSettings
from core.errors import ContractError, PilotlightError
from core.lease import Lease
from core.money.ledger import Spent, spending
from core.policy import Action, Decision, Facts, asks_past, decide
from core.policy.carry_out import GOES_ON, ROUNDS
from runtime.backends.leases import LeaseStore, StoreUnavailable
from runtime.backends.notifications import Notifications
from runtime.backends.power import FleetPower, Machine, PowerUnanswered
from runtime.reaper.act import Actor, Done
from runtime.reaper.fleet import by_unit, duplicates, give_lease, is_ours
from runtime.reaper.past import Pasts
from runtime.reaper.tell import News, Teller

log = logging.getLogger("pilotlight.reaper")
STRIDE: Final = 7919  # units between the places where two minutes' cold passes begin; a prime
LONGEST_REASON: Final = 1000  # characters that are told of a unit that cannot be handled
_SAID: Final = (PilotlightError, StoreUnavailable, PowerUnanswered)  # whose text is for people as it is
SAY_KEPT: Final = 100  # a pass over more units logs only those for which something was done or is wrong


@dataclass
class Outcome:
    """What a pass decided for one unit, and when it is worth a look again (monotonic clock, s)."""

    action: str
    reason: str
    due: float | None = None


@dataclass
class Report:
    """What a pass did."""

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    broken: dict[str, str] = field(default_factory=dict)
    left: tuple[str, ...] = ()  # units that there was no time for

    def due_in_s(self, unit: str) -> float | None:
        """Seconds until the unit is worth another look; None: it is not."""
        outcome = self.outcomes.get(unit)
        if outcome is None or outcome.due is None:
            return None
        return max(0.0, outcome.due - time.monotonic())

    def summary(self) -> dict[str, Any]:
        """For the Lambda's answer and its log."""
        acted = {u: f"{o.action}: {o.reason}" for u, o in self.outcomes.items() if o.action != Action.KEEP}
        told = {"units": len(self.outcomes.keys() | self.broken.keys()), "acted": acted, "broken": self.broken}
        return told | ({"left": len(self.left)} if self.left else {})


@dataclass(frozen=True)
class _Unit:
    """One unit as read: settings, lease (None: not yet), and the table's time at a moment of the monotonic clock."""

    settings: UnitSettings
    lease: Lease | None
    now: float
    read_at: float

    def table_now(self) -> float:
        return self.now + time.monotonic() - self.read_at


class Sweep:
    """Passes over the units of one table.

    Keeps between passes, while the Lambda is warm, which broken units it has told about, what was counted of histories,
    and which units a pass had no time for. A fleet costs a Query a megabyte of settings, a BatchGet a hundred leases
    and a DescribeInstances a thousand machines.
    """

    def __init__(
        self, store: LeaseStore, power: FleetPower, notifications: Notifications, topic: str = "", control: str = ""
    ) -> None:
        """`topic` hears of units whose own topic cannot be read; `control` is what the machines' control tag says."""
        self._store, self._power, self._topic, self._control = store, power, topic, control
        self._teller = Teller(store, notifications)
        self._pasts = Pasts(store)
        self._left: tuple[str, ...] | None = None  # units that the last pass had no time for; None: not known
        self._say_kept = True

    def run(self, units: Sequence[str] | None = None, *, until: float = math.inf) -> Report:
        """One pass over `units`, or all; no unit is begun after `until` (monotonic, s), the next pass begins with it.

        Raises StoreUnavailable or PowerUnanswered where nothing could be done.
        """
        report = Report()
        self._pasts.next_pass(until)
        settings = self._store.all_settings() if units is None else {u: self._settings(u) for u in units}
        self._say_kept = len(settings) <= SAY_KEPT
        known = self._read(settings, report)
        asked = {name: u.lease.instance_id if u.lease else u.settings.instance_id for name, u in known.items()}
        machines = self._power.describe_fleet(asked) if asked else {}
        carriers = by_unit(machines.values())
        self._pasts.fetch(n for n, u in known.items() if u.lease and u.settings.budgeted)
        order = self._order(known)
        for place, name in enumerate(order):
            if time.monotonic() > until:
                report.left = order[place:]
                log.warning("%d of %d units are left to the next pass: out of time", len(report.left), len(order))
                break
            unit = known[name]
            try:
                others = duplicates(carriers.get(name, ()), asked[name])
                report.outcomes[name] = self._one(unit, machines[asked[name]], others)
            except Exception as error:
                log.exception("unit %s cannot be handled", name)
                self._broken(report, name, unit.settings.alerts_topic_arn, error)
        self._left = report.left if units is None else self._left
        report.broken |= self._teller.tell(report.outcomes)
        return report

    def _order(self, known: Mapping[str, object]) -> tuple[str, ...]:
        """Those that the last pass left come first. Where that is not known (a cold start, perhaps after a pass that
        was killed) each minute begins elsewhere, so that nothing keeps the same units last for ever.
        """
        names = tuple(known)
        if self._left is None:
            start = int(time.time() // 60) * STRIDE % max(1, len(names))
            return names[start:] + names[:start]
        first = tuple(name for name in self._left if name in known)
        left = frozenset(first)
        return first + tuple(name for name in names if name not in left)

    def _settings(self, unit: str) -> UnitSettings | ContractError | None:
        try:
            return self._store.listed(unit)
        except ContractError as error:
            return error

    def _read(self, asked: Mapping[str, UnitSettings | ContractError | None], report: Report) -> dict[str, _Unit]:
        readings = self._store.read_many(list(asked))
        at = time.monotonic()  # after the read: late rather than early, so that no order counts as expired too soon
        # the last batch's time is everybody's: the first one's may be seconds old, and an order's life counts from it
        now = max((r.now for r in readings.values() if not isinstance(r, PilotlightError)), default=0.0)
        known: dict[str, _Unit] = {}
        for name, settings in asked.items():
            topic = ""
            try:
                if isinstance(settings, ContractError):
                    raise settings
                if settings is None:
                    report.outcomes[name] = Outcome(Action.KEEP, "no settings: destroyed, or `pulumi up` is to come")
                    continue
                topic = settings.alerts_topic_arn
                reading = readings[name]
                if isinstance(reading, PilotlightError):
                    raise reading
                known[name] = _Unit(settings, reading.lease, now, at)
            except PilotlightError as error:
                self._broken(report, name, topic, error)
        return known

    def _one(self, unit: _Unit, machine: Machine, others: tuple[str, ...]) -> Outcome:
        """Gather, decide and carry out, tell."""
        if unit.lease is None:
            ours = is_ours(machine, unit.settings.unit, self._control)
            given = give_lease(self._store, unit.settings, machine, unit.table_now(), ours=ours)
            return Outcome(given.action, given.reason)
        facts = self._gather(unit, unit.lease, machine, others)
        decision, done = self._drive(unit, unit.lease, facts)
        words = done.note or decision.words
        if not done.lost_race:  # whoever was first tells
            self._tell(unit, decision, done, words, facts)
        return Outcome(decision.action, words, _due(decision, done.lease, unit))

    def _gather(self, unit: _Unit, lease: Lease, machine: Machine, others: tuple[str, ...]) -> Facts:
        """What the policy decides by, beside the lease: the machine, what the month cost, and past wakes if it asks."""
        settings, spent, past = unit.settings, Spent(), None
        if settings.budgeted:
            past = self._pasts.of(lease, unit.table_now())
        if past is not None:
            spent = spending(past.ledger, settings, machine.instance_type, unit.table_now())
        facts = Facts(
            *(machine.state, machine.state_reason, machine.tags, spent.month_usd, spent.problem),
            spent_day_usd=spent.day_usd,
            instance_type=machine.instance_type,
            ours=is_ours(machine, settings.unit, self._control),
            duplicates=others,
        )
        if not asks_past(lease, facts, settings, unit.table_now()):
            return facts
        past = past or self._pasts.of(lease, unit.table_now())
        return dataclasses.replace(facts, wakes=past.wakes if past else ())

    def _drive(self, unit: _Unit, lease: Lease, facts: Facts) -> tuple[Decision, Done]:
        """Decide and carry out, again at once where the one leads to the other (STOPPED, and somebody waits)."""
        decision, done = Decision(Action.KEEP, ""), Done(lease)
        actor = Actor(self._store, self._power, unit.table_now)
        for _ in range(ROUNDS):  # a lease that names another machine meanwhile loses its write
            decision = decide(done.lease, facts, unit.settings, unit.table_now())
            before, done = done.lease, actor.do(done.lease, decision, unit.settings)
            if self._say_kept or decision.action is not Action.KEEP or decision.alert:
                _say(before, decision, done.note)
            if done.lost_race or decision.action not in GOES_ON:
                break
        return decision, done

    def _tell(self, unit: _Unit, decision: Decision, done: Done, words: str, facts: Facts) -> None:
        alert, now = done.alert or decision.alert, unit.table_now()
        news = News(unit.settings, done.lease, decision, alert, words, now, facts.spent_usd, facts.instance_type)
        self._teller.hear(news)

    def _broken(self, report: Report, name: str, topic: str, error: Exception) -> None:
        """A unit that cannot be handled is an alert, once while its reason stays the same."""
        reason = str(error) if isinstance(error, _SAID) else f"{type(error).__name__}: {error}"
        report.broken[name] = reason = reason[:LONGEST_REASON]
        log.error("unit %s: %s", name, reason, extra={"facts": {"unit": name, "error": type(error).__name__}})
        self._teller.hear_broken(name, topic or self._topic, reason)


def _due(decision: Decision, lease: Lease, unit: _Unit) -> float | None:
    """A decision's own time, or at once where a failed start is worth a retry."""
    if decision.look_again_at is None:
        return time.monotonic() if lease.failure == Failure.CAPACITY and decision.action is not Action.KEEP else None
    return time.monotonic() + decision.look_again_at - unit.table_now()


def _say(lease: Lease, decision: Decision, note: str) -> None:
    facts: Mapping[str, Any] = {
        "unit": lease.unit,
        "state": lease.state.value,
        "epoch": lease.epoch,
        "action": decision.action.value,
        "reason": decision.words,
        "note": note,
    }
    log.info("%s %s: %s", lease.unit, decision.action, note or decision.words, extra={"facts": facts})
