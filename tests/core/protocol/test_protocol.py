"""The model check: the real lease holds in every state within small bounds, and breaking it is noticed.

Larger bounds: `python -m bench.protocol`. What the model leaves out: `docs/adr/0004-the-protocol-and-its-model.md`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import pytest

from core import lease as protocol
from tests.core.protocol.leases import Leases
from tests.core.protocol.mutations import MUTATIONS, Mutation
from tests.core.protocol.search import Search, Verdict
from tests.core.protocol.world import Options

# One request through every interleaving without faults; then every single fault and everything that people do; then an
# engine that dies. The notes of budget and ladder: as far as each of them takes part (`bench.protocol` searches all).
WHOLE, SOME, FIRST = 1_000_000, 40_000, 20_000
Bounds = tuple[tuple[Options, int], ...]
SMALL: Bounds = (
    (Options(requests=1, faults=0, reapers=1, strangers=True), WHOLE),
    (Options(requests=0, faults=1, reapers=1), WHOLE),
    (Options(requests=1, faults=0, reapers=1, dead_engines=True), WHOLE),
    (Options(requests=0, faults=1, reapers=1, budget=True), SOME),
    (Options(requests=0, faults=1, reapers=1, ladder=True), SOME),
    (Options(requests=0, faults=1, reapers=1, pair=True), FIRST),
)
# The same without the long ends: every single fault whole, with its liveness; what takes a request, as far as each of
# its transitions
QUICK: Bounds = tuple((options, limit if options.faults else FIRST) for options, limit in SMALL)
AT_LEAST = 100_000
LEFT_OUT = {  # they decide nothing here: the model has no hours, no alerts, nobody who is told, and no policy
    "relay_beat": "the time of a heartbeat decides in the policy alone",
    "pin": "the policy starts and keeps for a pin; the protocol only clears it",
    "unpin": "as pin",
    "alert_sent": "what people were told",
    "notified": "what people were told",
    "warned": "what people were told",
    "budgeted": "what people were told",
    "override_budget": "it takes the budget's mark away, as `spent` does; that the policy writes no new one is its own",
    "end_override": "as override_budget: what it changes, the policy reads",
}
BUILDING_BLOCKS = "core.lease.guards"  # what every write is made of


def writes_of_the_lease() -> set[str]:
    """Every public function of the package that makes a write, in whichever of its modules it stands."""
    found = set[str]()
    for module in pkgutil.iter_modules(protocol.__path__, f"{protocol.__name__}."):
        for name, thing in vars(importlib.import_module(module.name)).items():
            if not inspect.isfunction(thing) or thing.__module__ != module.name or name.startswith("_"):
                continue
            asked = inspect.signature(thing)
            writes = "nonce" in asked.parameters or re.search(r"\b(Outcome|Write)\b", str(asked.return_annotation))
            if writes and module.name != BUILDING_BLOCKS:
                found.add(name)
    return found


def run(options: Options, limit: int = WHOLE) -> tuple[Verdict, Leases]:
    search = Search(options, limit)
    return search.run(), search.model.leases


@pytest.mark.parametrize("bounds", [QUICK, pytest.param(SMALL, marks=pytest.mark.thorough)], ids=["quick", "small"])
def test_the_protocol_holds_and_every_transition_fires(bounds: Bounds) -> None:
    states, fired = 0, set[str]()
    for options, limit in bounds:
        verdict, leases = run(options, limit)
        assert verdict.complete is (limit == WHOLE)
        assert not verdict.wrong, str(verdict)
        states += verdict.states
        fired |= leases.fired
    never = {op for op in leases.ops if not op.startswith("stranger:")} - fired
    assert not never, f"never fired: {sorted(never)}"
    assert not [op for op in fired if op.startswith("stranger:")], "an agent on another machine wrote"
    assert states >= AT_LEAST


def test_every_write_of_the_lease_is_in_the_model() -> None:
    modelled = {op.partition(":")[2].partition(" ")[0] for op in Leases().ops} | {"create"}
    writes = writes_of_the_lease()
    assert {"create", "drain", "request_wake", "climb", "restore", "restored", "spent"} <= writes  # one of each module
    assert writes - modelled == set(LEFT_OUT)
    assert not modelled - writes, "the model calls what is no public write"
    assert writes <= set(protocol.__all__)


@pytest.mark.parametrize(
    "mutation", [pytest.param(m, id=m.what, marks=[pytest.mark.thorough] if m.long else []) for m in MUTATIONS]
)
def test_a_broken_protocol_is_caught(mutation: Mutation) -> None:
    verdict, _ = run(mutation.options)
    assert mutation.found in verdict.wrong, f"{mutation.what}: {verdict}"
    assert verdict.trace[-1] == f"then: {verdict.wrong}"
