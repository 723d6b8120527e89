"""What a pass sees beyond single leases: machines that share a unit's tag, and units that have no lease yet."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping

from core.codes import Writer
from core.contract.documents import UnitSettings
from core.contract.tags import TAG_UNIT
from core.errors import LeaseError
from core.policy import Action, Decision, without_lease
from core.policy.case import GONE
from core.policy.reconcile import foreign_words, names
from runtime.backends.leases import LeaseStore, create
from runtime.backends.power import Machine


def by_unit(machines: Iterable[Machine]) -> Mapping[str, tuple[Machine, ...]]:
    """Machines that are not gone, by the unit that their tag names."""
    found: defaultdict[str, list[Machine]] = defaultdict(list)
    for machine in machines:
        if TAG_UNIT in machine.tags and machine.state not in GONE:
            found[machine.tags[TAG_UNIT]].append(machine)
    return {unit: tuple(several) for unit, several in found.items()}


def duplicates(carriers: Iterable[Machine], instance_id: str) -> tuple[str, ...]:
    """Those of a unit's carriers that are not the lease's machine, as the policy takes them."""
    return tuple(f"{m.instance_id} ({m.state})" for m in carriers if m.instance_id != instance_id)


def is_ours(machine: Machine, unit: str, control: str) -> bool:
    """Its own tags say so; of one that is gone nothing is asked, and nothing is ordered."""
    return machine.state in GONE or names(machine.tags, unit, control)


def give_lease(store: LeaseStore, settings: UnitSettings, machine: Machine, now: float, *, ours: bool) -> Decision:
    """The lease for a machine that is up without one; somebody who makes it at the same moment is as good.

    LeaseError where it cannot be made: an alert, since nothing bounds the machine.
    """
    decision = without_lease(machine.state)
    if decision.action is Action.CREATE and not ours:
        raise LeaseError(foreign_words(machine.instance_id, settings.stack))
    if decision.action is Action.CREATE:
        nonce = uuid.uuid4().hex
        create(store, settings.unit, machine.instance_id, by=Writer.REAPER, now=now, nonce=nonce)
    return decision
