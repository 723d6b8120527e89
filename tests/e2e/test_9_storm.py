"""Requests across three drains, stops and wakes, a fault in each: none is lost. `bench.storm` has all the faults."""

from __future__ import annotations

from bench import storm
from bench.storm_faults import Ground
from core.contract.tags import TAG_AUTO_STOP
from tests.e2e.world import Stack

FAULTS = ["reaper killed between calls", "host and gateway cut", "agent killed"]


def test_a_storm_over_three_stops_loses_nothing(demo: Stack) -> None:
    demo.wake()
    demo.cloud.client("ec2").create_tags(  # as operations would, in the console
        Resources=[demo.watch.host], Tags=[{"Key": TAG_AUTO_STOP, "Value": storm.STOP_AFTER}]
    )
    said: list[str] = []
    found = storm.run(Ground(demo.cloud, demo.watch, demo.caller), FAULTS, seed=7, say=said.append)
    assert (found["lost"], found["streams_cut"], found["left_running"]) == (0, 0, 0), "\n".join(said)
    assert found["answered"] == found["sent"], "\n".join(said)
    assert found["stops"] >= len(FAULTS)
    assert found["drains"] >= found["stops"]
