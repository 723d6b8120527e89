"""The model check: the real lease holds in every state within small bounds, and breaking it is noticed.

Larger bounds: `python -m bench.protocol`. What the model leaves out: `docs/adr/0004-the-protocol-and-its-model.md`.
"""

from __future__ import annotations

import pytest

from core.lease import notes, transitions
from tests.core.protocol.leases import Leases
from tests.core.protocol.mutations import MUTATIONS, Mutation
from tests.core.protocol.search import Search, Verdict
from tests.core.protocol.world import Options

# One request through every interleaving without faults; then every single fault and everything that people do
SMALL = (Options(requests=1, faults=0, reapers=1, strangers=True), Options(requests=0, faults=1, reapers=1))
AT_LEAST = 100_000
ONLY_TIMES = {
    "agent_beat",
    "relay_beat",
    "alert_sent",
    "noticed",
    "warned",
    "budgeted",
    "pin",
    "unpin",
}  # they decide nothing here: the model has no hours, no alerts, nobody who is told, and no policy


def run(options: Options) -> tuple[Verdict, Leases]:
    search = Search(options, limit=1_000_000)
    return search.run(), search.model.leases


def test_the_protocol_holds_and_every_transition_fires() -> None:
    states, fired = 0, set[str]()
    for options in SMALL:
        verdict, leases = run(options)
        assert verdict.complete
        assert not verdict.wrong, str(verdict)
        states += verdict.states
        fired |= leases.fired
    never = {op for op in leases.ops if not op.startswith("stranger:")} - fired
    assert not never, f"never fired: {sorted(never)}"
    assert not [op for op in fired if op.startswith("stranger:")], "an agent on another machine wrote"
    assert states >= AT_LEAST


def test_every_function_of_the_lease_is_in_the_model() -> None:
    public = {
        name
        for module in (notes, transitions)
        for name, thing in vars(module).items()
        if callable(thing) and getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
    }
    leases = Leases()
    leases.created()
    modelled = {op.partition(":")[2].partition(" ")[0] for op in leases.ops} | {"create"}
    assert public - ONLY_TIMES <= modelled


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.what)
def test_a_broken_protocol_is_caught(mutation: Mutation) -> None:
    verdict, _ = run(mutation.options)
    assert mutation.found in verdict.wrong, f"{mutation.what}: {verdict}"
    assert verdict.trace[-1] == f"then: {verdict.wrong}"
