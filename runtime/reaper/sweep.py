"""One pass over all units: read the leases, ask EC2 once, decide, act, tell. One broken unit never stops the pass.

What a unit's items say is a stranger's word where stacks share a control: whatever it breaks, it breaks for that unit,
which becomes an alert; and orders go to machines whose own tags name the unit and the control, to no other.

The leases are read before EC2 is asked. The other way round, a machine that a relay starts in between would look
stopped under a running lease, or started by hand under a stopped one.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from core.contract import UnitSettings
from core.errors import ContractError, PilotlightError
from core.lease import Lease
from core.money import ledger
from core.money.ledger import spending
from core.policy import Action, Decision, Facts, asks_past, decide
from core.policy.carry_out import GOES_ON, ROUNDS
from core.wakes import Wake, wakes
from runtime.lease_store import LeaseStore, StoreUnavailable
from runtime.power import Machine, Power, PowerUnanswered
from runtime.reaper.act import Actor
from runtime.reaper.alerts import Alerts
from runtime.reaper.fleet import by_unit, give_lease, is_ours, twins
from runtime.reaper.spending import Histories
from runtime.reaper.tell import News, Teller

log = logging.getLogger("pilotlight.reaper")
LONGEST_REASON: Final = 1000  # characters that are told of a unit that cannot be handled
_SAID: Final = (PilotlightError, StoreUnavailable, PowerUnanswered)  # whose text is for people as it is
SAY_KEPT: Final = 100  # a pass over more units logs only those for which something was done or is wrong


class FleetPower(Power, Protocol):
    """Power that describes many machines in one call."""

    def describe_fleet(self, machines: Mapping[str, str]) -> dict[str, Machine]:
        """By id the machine of each unit (unit → id), `missing` where there is none, and others with a unit's tag."""
        ...


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

    def due_in_s(self, unit: str) -> float | None:
        """Seconds until the unit is worth another look; None: it is not."""
        outcome = self.outcomes.get(unit)
        if outcome is None or outcome.due is None:
            return None
        return max(0.0, outcome.due - time.monotonic())

    def summary(self) -> dict[str, Any]:
        """For the Lambda's answer and its log."""
        acted = {u: f"{o.action}: {o.reason}" for u, o in self.outcomes.items() if o.action != Action.KEEP}
        return {"units": len(self.outcomes.keys() | self.broken.keys()), "acted": acted, "broken": self.broken}


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

    Keeps between passes, while the Lambda is warm, which broken units it has told about and the histories that budgets
    are reckoned from. A fleet costs a Query a megabyte of settings, a BatchGet a hundred leases and a DescribeInstances
    a thousand machines.
    """

    def __init__(
        self, store: LeaseStore, power: FleetPower, alerts: Alerts, topic: str = "", control: str = ""
    ) -> None:
        """`topic` hears of units whose own topic cannot be read; `control` is what the machines' control tag says."""
        self._store, self._power, self._topic, self._control = store, power, topic, control
        self._past: dict[str, tuple[int, tuple[Wake, ...]]] = {}  # a history changes with the epoch only
        self._teller = Teller(store, alerts)
        self._histories = Histories(store)
        self._say_kept = True

    def run(self, units: Sequence[str] | None = None) -> Report:
        """One pass over `units`, or all. Raises StoreUnavailable or PowerUnanswered where nothing could be done."""
        report = Report()
        self._histories.next_pass()
        settings = self._store.all_settings() if units is None else {u: self._settings(u) for u in units}
        self._say_kept = len(settings) <= SAY_KEPT
        known = self._read(settings, report)
        asked = {name: u.lease.instance_id if u.lease else u.settings.instance_id for name, u in known.items()}
        machines = self._power.describe_fleet(asked) if asked else {}
        carriers = by_unit(machines.values())
        for name, unit in known.items():
            try:
                others = twins(carriers.get(name, ()), asked[name])
                report.outcomes[name] = self._one(unit, machines[asked[name]], others)
            except Exception as error:
                log.exception("unit %s cannot be handled", name)
                self._broken(report, name, unit.settings.alerts_topic_arn, error)
        report.broken |= self._teller.tell(report.outcomes)
        return report

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
        lease, ours = unit.lease, is_ours(machine, unit.settings.unit, self._control)
        if lease is None:
            given = give_lease(self._store, unit.settings, machine, unit.table_now(), ours=ours)
            return Outcome(given.action, given.reason)
        spent, problem = None, ""
        if not self._histories.can_wait(lease, unit.table_now()):
            past = self._histories.until(lease).events(lease.unit) if unit.settings.monthly_budget_usd else ()
            spent, problem = spending(ledger.of(past), unit.settings, machine.instance_type, unit.table_now())
        seen = (machine.state, machine.state_reason, machine.tags)
        facts = Facts(*seen, spent, problem, instance_type=machine.instance_type, ours=ours, twins=others)
        if asks_past(lease, facts, unit.settings, unit.table_now()):
            facts = dataclasses.replace(facts, wakes=self._wakes(lease))
        decision = Decision(Action.KEEP, "")
        for _ in range(ROUNDS):  # a lease that names another machine meanwhile loses its write
            decision = decide(lease, facts, unit.settings, unit.table_now())
            actor = Actor(self._store, self._power, unit.table_now)
            done = actor.do(lease, decision, unit.settings)
            if self._say_kept or decision.action is not Action.KEEP or decision.alert:
                _say(lease, decision, done.note)
            lease = done.lease
            if done.lost_race or decision.action not in GOES_ON:
                break
        words = done.note or decision.words
        if not done.lost_race:  # whoever was first tells
            alert, now = done.alert or decision.alert, unit.table_now()
            self._teller.hear(News(unit.settings, lease, decision, alert, words, now, spent, machine.instance_type))
        return Outcome(decision.action, words, _due(decision, lease, unit))

    def _wakes(self, lease: Lease) -> tuple[Wake, ...]:
        epoch, past = self._past.get(lease.unit, (-1, ()))
        if epoch != lease.epoch:
            past = wakes(self._store.events(lease.unit))
            self._past[lease.unit] = (lease.epoch, past)
        return past

    def _broken(self, report: Report, name: str, topic: str, error: Exception) -> None:
        """A unit that cannot be handled is an alert, once while its reason stays the same."""
        reason = str(error) if isinstance(error, _SAID) else f"{type(error).__name__}: {error}"
        report.broken[name] = reason = reason[:LONGEST_REASON]
        log.error("unit %s: %s", name, reason, extra={"facts": {"unit": name, "error": type(error).__name__}})
        self._teller.hear_broken(name, topic or self._topic, reason)


def _due(decision: Decision, lease: Lease, unit: _Unit) -> float | None:
    """A decision's own time, or at once where a failed start is worth a retry."""
    if decision.look_again_at is None:
        return time.monotonic() if lease.failure == "capacity" and decision.action is not Action.KEEP else None
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
