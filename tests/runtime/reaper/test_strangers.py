"""A control that strangers share: what one unit's items say reaches no other unit and no other's machine."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import lease as protocol
from core.contract.documents import UnitSettings
from core.contract.intervals import STOP_BACKSTOP_AFTER_S
from core.contract.table import SETTINGS_BODY, SK_LEASE, SK_SETTINGS, sk_event
from core.contract.tags import TAG_CONTROL, TAG_UNIT
from core.errors import ContractError
from core.lease import Lease, State, to_item
from core.policy import Action
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.reaper.act import Actor
from runtime.reaper.sweep import Sweep
from tests.runtime.reaper.world import SETTINGS, FakePower, Told, World, wake_requested

VICTIM, THIEF = "a-victim/host", "thief/host"
MONTH_S = 30 * 86400.0


@pytest.fixture
def world() -> World:
    """A victim that serves somebody."""
    made = World()
    made.add(State.RUNNING, "running", VICTIM, busy=3)
    return made


def steal(world: World, state: State, **fields: Any) -> None:
    """The thief's lease names the victim's machine."""
    world.add(state, "running", THIEF, **({"instance_id": f"i-{VICTIM}", "since": world.now - 600} | fields))
    world.power.states[f"i-{VICTIM}"] = "running"


# ---------------------------------------------------------------- orders
@pytest.mark.parametrize(
    ("state", "fields"),
    [
        (State.STOPPING, {}),
        (State.FAILED, {"failure": "start-timeout"}),
        (State.STARTING, {"order_at": 1.0, "since": 1.0}),
        (State.RUNNING, {"agent_at": 1.0, "ready_at": 1.0, "demand_at": 1.0}),
    ],
)
def test_a_lease_that_names_anothers_machine_is_an_alert_and_nothing_is_done(
    world: World, state: State, fields: dict[str, Any]
) -> None:
    world.now += STOP_BACKSTOP_AFTER_S * 60
    world.store.write(protocol.Write(VICTIM, "beat", (), {"agent_at": world.now, "demand_at": world.now}))
    steal(world, state, **fields)
    for _ in range(3):
        assert world.run()[THIEF] == Action.KEEP
        world.now += 60
        world.store.write(protocol.Write(VICTIM, f"{world.now}", (), {"agent_at": world.now}))
    assert (world.power.orders, world.lease(VICTIM).state, world.lease(THIEF).state) == ([], State.RUNNING, state)
    assert (THIEF, "foreign") in world.told.alerts
    assert world.told.alerts.count((THIEF, "foreign")) == 1


@pytest.mark.parametrize("fields", [{}, {"rung": "g5.xlarge"}])
def test_nor_is_anothers_machine_started_or_given_a_type(world: World, fields: dict[str, Any]) -> None:
    world.add(State.STOPPED, "stopped", THIEF, instance_id=f"i-{VICTIM}", **wake_requested(world), **fields)
    world.power.states[f"i-{VICTIM}"] = "stopped"
    assert world.run()[THIEF] == Action.KEEP
    assert world.power.orders == []


@pytest.mark.parametrize("tags", [{}, {TAG_UNIT: VICTIM}, {TAG_CONTROL: "c"}, {TAG_UNIT: VICTIM, TAG_CONTROL: "other"}])
def test_both_the_unit_and_the_control_must_be_in_the_machines_own_tags(tags: dict[str, str]) -> None:
    world = World()
    world.add(State.STOPPED, "stopped", VICTIM, **wake_requested(world))
    world.power.tags[f"i-{VICTIM}"] = tags
    sweep = Sweep(world.store, world.power, world.told, control="c")
    sweep.run()
    assert (world.power.orders, world.told.alerts) == ([], [(VICTIM, "foreign")])
    world.power.tags[f"i-{VICTIM}"] = {TAG_UNIT: VICTIM, TAG_CONTROL: "c"}
    sweep.run()
    assert world.power.orders == [("start", f"i-{VICTIM}")]
    assert world.told.alerts[-1] == (VICTIM, "-foreign")


def test_a_machine_that_is_gone_needs_no_tags(world: World) -> None:
    world.add(State.STARTING, "missing", THIEF, since=world.now - 60)
    world.power.tags[f"i-{THIEF}"] = {}
    assert world.run()[THIEF] == Action.FAIL


def test_a_lease_is_not_made_for_anothers_machine(world: World) -> None:
    world.store.put_settings(dataclasses.replace(SETTINGS, unit="new/host", instance_id=f"i-{VICTIM}"))
    report = world.sweep.run()
    assert "i-a-victim/host" in report.broken["new/host"]
    assert world.store.read("new/host").lease is None
    assert ("new/host", "broken") in world.told.alerts


def test_a_lease_that_changes_its_machine_between_claim_and_order_gets_no_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add(State.STOPPED, "stopped", THIEF, **wake_requested(world))
    write = world.store.write

    def swaps(what: protocol.Write) -> Lease | None:
        after = write(what)
        return after and dataclasses.replace(after, instance_id=f"i-{VICTIM}") if what.unit == THIEF else after

    monkeypatch.setattr(world.store, "write", swaps)
    world.run()
    assert world.power.orders == []


# ---------------------------------------------------------------- whose items
def test_a_lease_cannot_make_the_reaper_write_to_anothers(world: World) -> None:
    world.add(State.STOPPED, "stopped", THIEF)
    item = to_item(world.lease(THIEF)) | wake_requested(world) | {"unit": VICTIM}
    world.store._rows.put(THIEF, SK_LEASE, item)
    before = world.lease(VICTIM)
    report = world.sweep.run()
    assert "says that it is the lease of 'a-victim/host'" in report.broken[THIEF]
    assert world.lease(VICTIM) == before


def test_nor_can_settings(world: World) -> None:
    world.add(State.STOPPED, "stopped", THIEF)
    body = dataclasses.replace(SETTINGS, unit=VICTIM).to_json()
    world.store._rows.put(THIEF, SK_SETTINGS, {SETTINGS_BODY: body})
    assert "those of 'a-victim/host'" in world.sweep.run().broken[THIEF]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("stop_after_s", "30m"),
        ("max_lease_s", float("nan")),
        ("hard_cap_s", float("inf")),
        ("max_silence_s", True),
        ("instance_types", "g6.xlarge"),
        ("instance_types", [None]),
        ("schedule_on", None),
        ("monthly_budget_usd", "much"),
        ("skipped_types", ["g6.xlarge"]),
        ("skipped_types", {"g6.xlarge": 1}),
    ],
)
def test_settings_have_types(field: str, value: Any) -> None:
    raw = json.loads(SETTINGS.to_json()) | {field: value}
    with pytest.raises(ContractError, match=f"UnitSettings: {field} is "):
        UnitSettings.from_json(json.dumps(raw))
    for other in ("[]", "7", "null", '"x"'):
        with pytest.raises(ContractError, match="is a JSON object"):
            UnitSettings.from_json(other)


# ---------------------------------------------------------------- whatever stands there
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["", "x" * 100_000, "RUNNING", "STOPPED", "nan", "\ud800", 1e12, 10**13, -1]),
    st.lists(st.one_of(st.text(max_size=3), st.integers()), max_size=3),
    st.dictionaries(st.text(max_size=3), st.one_of(st.integers(), st.text(max_size=3)), max_size=3),
)
LEASE_FIELDS = st.sampled_from([f.name for f in dataclasses.fields(Lease)])
EVENT_FIELDS = st.sampled_from(["epoch", "at", "before", "after", "by", "reason", "facts", "nonce"])
SETTINGS_FIELDS = st.sampled_from([f.name for f in dataclasses.fields(UnitSettings)])


@st.composite
def partitions(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """A unit's items as a stranger may leave them: right ones with some fields replaced or missing, or no sense."""
    now = 1_000_000.0
    state = draw(st.sampled_from(list(State)))
    lease = Lease(THIEF, state, 3, now - 600, "because", "agent", instance_id=f"i-{THIEF}", boot_id="b", notified=1)
    item = to_item(lease) | draw(st.dictionaries(LEASE_FIELDS, JUNK, max_size=3))
    item = {k: v for k, v in item.items() if k != draw(st.one_of(st.none(), LEASE_FIELDS))}
    found: dict[str, dict[str, Any]] = {SK_LEASE: item}
    for epoch, (before, after) in enumerate((("", "NEW"), ("NEW", "RUNNING"), ("RUNNING", "STOPPING")), 1):
        event = {"epoch": epoch, "at": now - 900 + epoch, "before": before, "after": after, "by": "x", "reason": "y"}
        event |= {"facts": {}, "nonce": "n"} | draw(st.dictionaries(EVENT_FIELDS, JUNK, max_size=2))
        found[sk_event(epoch)] = {k: v for k, v in event.items() if k != draw(st.one_of(st.none(), EVENT_FIELDS))}
    body = json.loads(dataclasses.replace(SETTINGS, unit=THIEF, instance_id=f"i-{THIEF}").to_json())
    body |= {"monthly_budget_usd": 5.0} | draw(st.dictionaries(SETTINGS_FIELDS, JUNK, max_size=2))
    text = draw(st.one_of(st.just(json.dumps(body)), st.just(json.dumps(body)), JUNK))
    return found | {SK_SETTINGS: {SETTINGS_BODY: text}}


@pytest.mark.parametrize("examples", [50, pytest.param(400, marks=pytest.mark.thorough)])
def test_whatever_stands_in_one_units_items_the_others_are_handled(examples: int) -> None:
    machines = st.sampled_from(["running", "stopped", "missing", "pending"])
    several = settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    several(given(partitions(), machines)(others_are_handled))()


def others_are_handled(items: dict[str, Any], machine: str) -> None:
    """Two passes: what is told of the first one, and what is kept of it, are read by the second."""
    world = World()
    world.add(State.STOPPED, "stopped", "after/host", **wake_requested(world))
    world.add(State.RUNNING, "stopped", "before/host", stopped_seen=world.now - 60, notified=3)
    world.add(State.STOPPED, machine, THIEF)
    for sk, item in items.items():
        world.store._rows.put(THIEF, sk, item)
    reports = []
    for _ in range(2):
        reports.append(world.sweep.run())
        world.now += 60
    assert world.lease("after/host").state is State.STARTING
    assert "before/host" in {n.unit for n in world.told.notifications if n.kind == "stopped"}
    for report in reports:
        assert set(report.broken) <= {THIEF}
        assert THIEF in report.outcomes.keys() | report.broken.keys()
    if reports[0].broken:
        assert (THIEF, "broken") in world.told.alerts
    assert {instance for _, instance in world.power.orders} <= {"i-after/host", f"i-{THIEF}"}


def test_an_event_of_the_year_33658_is_one_units_trouble(world: World) -> None:
    """It is told of at the end of a pass, where it used to end the pass."""
    event = {"epoch": 3, "at": 1e12, "before": "STOPPING", "after": "STOPPED", "by": "x", "reason": "y", "facts": {}}
    world.add(State.STOPPED, "stopped", THIEF, notified=2)
    world.store._rows.put(THIEF, sk_event(3), event)
    world.add(State.RUNNING, "stopped", "z/host", stopped_seen=world.now - 60, notified=3)
    report = world.sweep.run()
    assert "year 10000" in report.broken[THIEF]
    assert (THIEF, "broken") in world.told.alerts
    assert [n.unit for n in world.told.notifications if n.kind == "stopped"] == ["z/host"]


def test_what_nobody_thought_of_is_one_units_trouble_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(State.STOPPED, "stopped", THIEF)
    world.add(State.STOPPED, "stopped", "z/host", **wake_requested(world))
    decide = Actor.do

    def breaks(self: Actor, lease: Lease, *rest: Any) -> Any:
        if lease.unit == THIEF:
            raise RecursionError("deeper than anybody looked")
        return decide(self, lease, *rest)

    monkeypatch.setattr(Actor, "do", breaks)
    report = world.sweep.run()
    assert report.broken == {THIEF: "RecursionError: deeper than anybody looked"}
    assert world.lease("z/host").state is State.STARTING


def test_a_huge_fact_does_not_keep_a_notification_from_leaving() -> None:
    store, told, power = MemoryLeaseStore(lambda: 1_000_000.0), Told(), FakePower()
    world = World()
    world.store, world.told, world.power = store, told, power
    facts = {f"f{n}": "x" * 50_000 for n in range(60)}
    lease = Lease(THIEF, State.RUNNING, 2, 999_000.0, "x", "agent", instance_id="i-1", boot_id="b", notified=1)
    beat = {"agent_at": 1_000_000.0, "demand_at": 1_000_000.0}
    store.put_settings(dataclasses.replace(SETTINGS, unit=THIEF, instance_id="i-1"))
    ready = protocol.Event(2, 999_000.0, "STARTING", "RUNNING", "agent", "y", facts)
    store.write(protocol.Write(THIEF, "n", (), to_item(lease) | beat, ready))
    power.states["i-1"], power.units["i-1"] = "running", THIEF
    Sweep(store, power, told).run()
    assert [n.kind for n in told.notifications] == ["ready"]
    assert len(told.notifications[0].to_json()) < 64_000  # SNS takes 256 KiB for all its spellings
