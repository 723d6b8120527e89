"""The verbs over the real `lease_cli` and an in-memory table: what one asks for, the other understands."""

from __future__ import annotations

import dataclasses
import io
import json
from contextlib import redirect_stdout
from types import SimpleNamespace
from typing import Any

import pytest

from core import lease as protocol
from core.contract.documents import EngineAddress, HostConfig, Place
from core.lease import Event, Lease, State, to_item
from remote.machines.lease_client import Answer, read
from remote.verbs import history as verbs_history
from remote.verbs import pin as verbs_pin
from remote.verbs import status as verbs_status
from remote.verbs.lease import Front, settings_of
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.power import Machine
from runtime.lease_client import Cli, main
from tests.core.test_policy_forecast import NOON
from tests.remote.verbs.test_verbs_lease import STACK

CONFIG = HostConfig(1, "s", "s/host", Place("made up"), "i-1", (EngineAddress("a", "127.0.0.1", 8100),), 1800.0)


class Power:
    def __init__(self) -> None:
        self.started = 0

    def describe(self, instance_id: str) -> Machine:
        return Machine(instance_id, "running" if self.started else "stopped", tags={"pilotlight:auto-stop": "1h"})

    def start(self, instance_id: str) -> None:
        self.started += 1


class Client:
    """The command line of `runtime.lease_client`, without SSH."""

    def __init__(self) -> None:
        self.power, self.store = Power(), MemoryLeaseStore(lambda: NOON)
        self.cli = Cli(CONFIG, self.store, self.power)  # type: ignore[arg-type]

    def _lines(self, *words: str) -> list[dict[str, Any]]:
        out = io.StringIO()
        with redirect_stdout(out):
            assert main(list(words), cli=self.cli) == 0, out.getvalue()
        return [json.loads(line) for line in out.getvalue().splitlines()]

    def call(self, verb: str, *words: str, timeout_s: float = 30.0) -> Answer:
        return read(self._lines(verb, *words)[0])

    def events(self, since_s: float) -> list[Event]:
        return [Event(**line) for line in self._lines("history", "--for", str(since_s))]


@pytest.fixture
def client() -> Client:
    client = Client()
    lease = Lease("s/host", State.STOPPED, 3, NOON - 60, "idle", "agent", instance_id="i-1")
    client.store.write(protocol.Write("s/host", "n", (), to_item(lease)))
    client.store.put_settings(dataclasses.replace(settings_of(STACK), max_lease_s=0.0))
    return client


def test_pinned_it_starts_and_stays_and_unpinned_it_does_not(client: Client) -> None:
    at = Front(SimpleNamespace(stack="s", settings=STACK, api_url="http://a/v1"), client)  # type: ignore[arg-type]
    before = verbs_status.status(at)
    assert before.lease is not None
    assert (before.lease.state, before.why, before.stops_in_s) == ("STOPPED", "off: idle", None)
    pinned = verbs_pin.pin(at, until="18:00", why="demo")
    assert (pinned.lease.state, client.power.started) == ("STARTING", 1)
    during = verbs_status.status(at)
    assert during.lease is not None
    assert during.lease.pin_until == NOON + 6 * 3600
    assert during.stops_in_s == 6 * 3600
    assert [event.after for event in verbs_history.history(at, since_s=60)] == ["STARTING"]
    assert verbs_pin.unpin(at).changed is True
    # three minutes to start, then an hour without demand, as the tag says
    assert verbs_status.status(at).stops_in_s == 3600 + 180
