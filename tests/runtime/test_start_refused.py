"""Reaper, relay and `fab wake` give a start order to the same EC2, and judge each of its answers alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from core import lease as protocol
from core.capacity.power_errors import PASSING, Kind, failure
from core.contract.documents import EngineAddress, HostConfig, Place
from core.contract.tags import TAG_UNIT
from core.lease import Lease, State, to_item
from core.policy.reconcile import REPEAT_ORDER_S
from runtime.backends.power import Machine
from runtime.backends.power.ec2 import Ec2Power
from runtime.lease_client import Cli, main
from runtime.reaper.sweep import Sweep
from tests.ec2_answers import ANSWERS, WORDS, response
from tests.runtime.gateway.stage import MACHINE, UNIT, Stage
from tests.samples import unit_settings

SETTINGS = unit_settings(unit=UNIT, instance_id=MACHINE, start_timeout_s=10 * REPEAT_ORDER_S)
HOST = HostConfig(1, "lab", UNIT, Place("made up"), MACHINE, (EngineAddress("m", "127.0.0.1", 8100),), 1800.0)
NO_ANSWER = (EndpointConnectionError(endpoint_url="http://x"), ReadTimeoutError(endpoint_url="http://x"))
CASES = [
    *(pytest.param((ClientError(response(c, s), "StartInstances"), c, k), id=f"{c} {s}") for c, s, k in ANSWERS),
    *(pytest.param((error, "", Kind.UNANSWERED), id=type(error).__name__) for error in NO_ANSWER),
]


class Ec2(Ec2Power):
    """The real door to EC2; the machine is described by the test."""

    def describe(self, instance_id: str) -> Machine:
        return Machine(instance_id, "stopped", "", "g6.xlarge", tags={TAG_UNIT: UNIT})

    def describe_fleet(self, machines: Any) -> dict[str, Machine]:
        return {i: self.describe(i) for i in machines.values()}


class World:
    """A host that is off and wanted, and an EC2 that answers every start order the same way."""

    def __init__(self) -> None:
        self.stage = Stage()
        self.power = self.stage.power = Ec2("us-east-1")  # type: ignore[assignment]
        self.stage.waker._power = self.power
        self.stage.store.put_settings(SETTINGS)
        lease = Lease(UNIT, State.STOPPED, 3, self.stage.clock(), "idle", "agent", instance_id=MACHINE)
        wake_request = {"wake_by": "ann", "wake_at": self.stage.clock(), "wake_until": self.stage.clock() + 3600}
        item = to_item(dataclasses.replace(lease, **wake_request))
        self.stage.store.write(protocol.Write(UNIT, "n", (), item))

    def reaper(self) -> None:
        Sweep(self.stage.store, self.power, Silent()).run([UNIT])

    def relay(self) -> None:
        self.stage.queue.ask("tiny")
        self.stage.look()

    def fab(self) -> None:
        main(["request-wake", "--by", "ann", "--start"], cli=Cli(HOST, self.stage.store, self.power))


class Silent:
    def send(self, topic: str, notification: Any) -> bool:
        return True


PROGRAMS: dict[str, Callable[[World], None]] = {"reaper": World.reaper, "relay": World.relay, "fab": World.fab}


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr("runtime.reaper.climb.time.sleep", lambda _: None)
    return []


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("case", CASES)
def test_the_same_answer_means_the_same_to_all(
    monkeypatch: pytest.MonkeyPatch, orders: list[str], program: str, case: tuple[Exception, str, Kind]
) -> None:
    answer, code, kind = case
    ec2_answers(monkeypatch, orders, answer)
    world = World()
    PROGRAMS[program](world)
    lease = world.stage.lease
    if kind in PASSING:
        assert (lease.state, lease.attempts, lease.failure) == (State.STARTING, 0, "")
        assert lease.order_at == pytest.approx(world.stage.clock(), abs=9)
    else:
        assert (lease.state, lease.failure) == (State.FAILED, failure(code))
        assert WORDS in lease.reason
    assert orders


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_ec2_does_not_take_now_is_repeated_by_the_reaper(
    monkeypatch: pytest.MonkeyPatch, orders: list[str], program: str
) -> None:
    answer = ClientError(response("Unavailable", 503), "StartInstances")
    ec2_answers(monkeypatch, orders, *[answer] * 5)
    world = World()
    PROGRAMS[program](world)
    while len(orders) < 6:
        assert world.stage.lease.state is State.STARTING
        world.stage.clock.now += REPEAT_ORDER_S + 1
        world.reaper()
    assert (world.stage.lease.state, world.stage.lease.attempts) == (State.STARTING, 1)


def ec2_answers(monkeypatch: pytest.MonkeyPatch, orders: list[str], *answers: Exception) -> None:
    """Each start order is answered with the next of `answers`, the last one for ever where it is the only one."""

    class Client:
        def start_instances(self, **asked: Any) -> dict[str, Any]:
            orders.append(asked["InstanceIds"][0])
            if len(answers) == 1:
                raise answers[0]
            if len(orders) <= len(answers):
                raise answers[len(orders) - 1]
            return {}

    monkeypatch.setattr("runtime.backends.power.ec2.client", lambda *_, **__: Client())
