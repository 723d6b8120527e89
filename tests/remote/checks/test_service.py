"""Lease and API keys, as lines."""

from __future__ import annotations

import dataclasses

import pytest

from core.codes import Alert
from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.lease import Lease, State
from core.policy import Action, Decision
from remote.checks import Check, Verdict, service
from remote.machines.lease_client import Instance
from remote.verbs.status import Status

NOW = 1_000_000.0
LEASE = Lease("s/host", State.RUNNING, 7, NOON := NOW - 600, "one real completion succeeded", "agent")
SEEN = Status("s", "UTC", "http://a/v1", NOW, "in use", LEASE, Instance(state="running"))


def lines(**changes: object) -> list[Check]:
    return list(service.lease(dataclasses.replace(SEEN, **changes)))  # type: ignore[arg-type]


def test_a_host_that_serves_passes() -> None:
    assert [(c.verdict, c.name, c.said) for c in lines()] == [
        (Verdict.PASS, "lease", "RUNNING for 10m: in use"),
        (Verdict.PASS, "redis", "answers"),
    ]


def test_before_a_first_deployment_that_is_what_to_do() -> None:
    (check,) = lines(lease=None)
    assert (check.verdict, check.fix) == (Verdict.FAIL, "`fab deploy -s s`.")


def test_a_failed_start_an_alert_and_a_dead_engine_fail() -> None:
    assert lines(lease=dataclasses.replace(LEASE, state=State.FAILED))[0].verdict is Verdict.FAIL
    alert = next(iter(Alert))
    told = lines(decision=Decision(Action.KEEP, "a clock is ahead", alert=alert))[1]
    assert (told.verdict, told.name) == (Verdict.FAIL, "alert")
    assert f"`{alert}`" in told.fix
    dead = lines(lease=dataclasses.replace(LEASE, dead="a"))[1]
    assert (dead.name, dead.fix) == ("engine a", "`fab logs -s s --engine a`.")


@pytest.mark.parametrize(("silent_s", "verdict"), [(10.0, Verdict.PASS), (service.SILENT_S + 1, Verdict.FAIL)])
def test_a_relay_that_is_silent_fails(silent_s: float, verdict: Verdict) -> None:
    check = lines(lease=dataclasses.replace(LEASE, relay_at=NOW - silent_s))[1]
    assert (check.name, check.verdict) == ("relay", verdict)


def test_redis_and_prices_are_warnings() -> None:
    assert [c.verdict for c in lines(redis_problem="refused", cost_problem="no price")][1:] == [Verdict.WARN] * 2


@pytest.mark.parametrize(
    ("state", "machine", "off"),
    [
        (State.STOPPED, "stopped", True),
        (State.FAILED, "running", True),
        (State.RUNNING, "stopped", True),
        (State.RUNNING, "running", False),
        (State.STARTING, "pending", False),
    ],
)
def test_a_host_that_is_off(state: State, machine: str, off: bool) -> None:
    seen = dataclasses.replace(SEEN, lease=dataclasses.replace(LEASE, state=state), machine=Instance(state=machine))
    assert bool(service.off(seen)) is off


def keys(*names: str, expires: float | None = None) -> ApiKeys:
    return ApiKeys(SCHEMA_VERSION, tuple(ApiKey(name, name.upper(), 1.0, expires=expires) for name in names))


@pytest.mark.parametrize(
    ("there", "verdicts", "said"),
    [
        (keys(), ["fail"], "no key works"),
        (keys("webui"), ["fail"], "no key works"),
        (keys("ann", expires=NOW - 1), ["fail"], "no key works"),
        (keys("ann", "webui"), ["pass"], "1 works: ann"),
        (keys("bob", "ann", expires=NOW + 30 * 86400), ["pass"], "2 work: ann, bob"),
        (keys("ann", expires=NOW + 3600), ["pass", "warn"], "the key ann ends in 1h"),
    ],
)
def test_api_keys(there: ApiKeys, verdicts: list[str], said: str) -> None:
    found = list(service.api_keys(there, NOW, "s"))
    assert [check.verdict for check in found] == verdicts
    assert said in found[-1].said
