"""A host with something wrong inside: a metadata service that is late, an engine that does not answer."""

from __future__ import annotations

from core.contract.documents import Outputs
from core.contract.paths import ENGINE_UNIT, RELAY_UNITS
from local.demo.observe import wait_for
from tests.e2e.world import Stack

LATE_S = 45.0
NO_ANSWER_S = 4.0  # longer than a client waits


def test_a_host_boots_although_its_metadata_service_is_late(demo: Stack) -> None:
    """boto3 keeps "no credentials" for a client's whole life: such a host never said that it was ready."""
    demo.wake()
    demo.sleep()
    before = int(demo.watch.lease()["epoch"])
    host = demo.watch.outputs[Outputs.HOST_PRIVATE_IP]
    demo.cloud.fault("metadata:*", seconds=LATE_S, delay_s=NO_ANSWER_S, source=host)
    assert "Paris" in demo.caller.stream().text
    assert [e["after"] for e in demo.watch.events(before)] == ["STARTING", "RUNNING"]


def test_a_relay_that_starts_without_credentials_finds_them_later(demo: Stack) -> None:
    demo.wake()
    relay = demo.watch.outputs[Outputs.GATEWAY_PRIVATE_IP]
    demo.cloud.fault("metadata:*", seconds=LATE_S, delay_s=NO_ANSWER_S, source=relay)
    demo.watch.inside(demo.watch.gateway, "systemctl", "restart", *RELAY_UNITS)
    restarted = float(demo.watch.lease()["relay_at"])

    def beats() -> bool:
        return float(demo.watch.lease().get("relay_at", 0)) > restarted

    wait_for(beats, LATE_S + 60, lambda: "the relay never reached the table again", every_s=1)
    demo.cloud.clear_faults()


def test_callers_of_a_dead_engine_do_not_keep_its_host_on(demo: Stack) -> None:
    """Each idle stop was resumed by a caller who never got an answer. Now the host stops, starts, and answers."""
    demo.wake()
    before = int(demo.watch.lease()["epoch"])
    demo.lease_cli("inhibit --who test --why 'the test looks first' --for 120")  # or the idle stop comes meanwhile
    demo.watch.inside(demo.watch.host, "systemctl", "stop", ENGINE_UNIT.format(name="smollm2"))
    wait_for(lambda: demo.watch.lease().get("dead") == "smollm2", 60, lambda: "the engine is not known to be dead")
    assert "engine smollm2 does not answer" in " ".join(demo.fab("status", "-s", demo.name).stdout.split())
    demo.lease_cli("release --who test")
    assert "Paris" in demo.caller.stream().text
    steps = [e["after"] for e in demo.watch.events(before)]
    assert steps.count("RUNNING") <= 1, steps
