"""Hypothesis drives each store and `core.lease.apply` side by side: any writes, from any old reading, sent twice."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from moto import mock_aws

from core import lease as protocol
from core.contract.table import sk_event
from core.lease import Lease, Refused, Write
from runtime.backends.leases import LeaseStore
from runtime.backends.leases.dynamodb import DynamoLeaseStore
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.leases.sqlite import SqliteLeaseStore
from tests import clients
from tests.core.protocol.leases import MACHINE, NOW, UNIT, ops
from tests.runtime.backends.leases.conftest import CREDENTIALS, REGION, TABLE, make_table

NAMES = sorted(name for name in ops("n") if not name.startswith("stranger"))


class StoreMachine(RuleBasedStateMachine):
    """The store under test against a plain dictionary and the meaning of a write."""

    kind: ClassVar[str]

    @initialize()
    def begin(self) -> None:
        self.store = self.make()
        self.item: dict[str, Any] | None = None
        self.readings: list[Lease] = []
        self.sent: list[Write] = []
        self.done: set[str] = set()
        self.send(protocol.create(UNIT, MACHINE, by="deploy", now=NOW, nonce="create"))

    def make(self) -> LeaseStore:
        return MemoryLeaseStore(lambda: NOW)

    @rule(name=st.sampled_from(NAMES), back=st.integers(0, 3))
    def write(self, name: str, back: int) -> None:
        """A process writes from what it read, perhaps long ago."""
        reading = self.readings[max(0, len(self.readings) - 1 - back)]
        outcome = ops(f"nonce-{len(self.sent)}")[name](reading)
        if not isinstance(outcome, Refused):
            self.send(outcome)

    @rule(back=st.integers(0, 3))
    def repeat(self, back: int) -> None:
        """A write whose answer was lost is sent once more, perhaps after others'."""
        self.send(self.sent[max(0, len(self.sent) - 1 - back)])

    def send(self, write: Write) -> None:
        self.sent.append(write)
        again = write.nonce in self.done and (write.event is not None or (self.item or {})["nonce"] == write.nonce)
        after = None if again else protocol.apply(self.item, write)
        if after is not None:
            self.item = after
            self.done.add(write.nonce)
        expected = protocol.from_item(self.item) if self.item and (again or after) else None
        assert self.store.write(write) == expected
        if expected is not None:
            self.readings.append(expected)

    @invariant()
    def same(self) -> None:
        if not hasattr(self, "item"):
            return
        read = self.store.read(UNIT).lease
        assert read == (protocol.from_item(self.item) if self.item else None)
        events = self.store.events(UNIT)
        assert [e.epoch for e in events] == list(range(1, (read.epoch if read else 0) + 1))
        assert sk_event(1) < sk_event(2)


class SqliteMachine(StoreMachine):
    """SQLite."""

    def make(self) -> LeaseStore:
        self.folder = tempfile.TemporaryDirectory()
        return SqliteLeaseStore(Path(self.folder.name) / "leases.sqlite", lambda: NOW)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


class DynamoMachine(StoreMachine):
    """DynamoDB on moto; every third answer is lost and asked for again, as botocore does."""

    def make(self) -> LeaseStore:
        self.calls = 0
        self.moto = mock_aws()
        self.environment = mock.patch.dict("os.environ", CREDENTIALS)
        self.environment.start()
        self.moto.start()
        client = clients.client("dynamodb")
        make_table(client)
        return DynamoLeaseStore(TABLE, REGION, client=_Forgetful(client))

    def teardown(self) -> None:
        if hasattr(self, "moto"):
            self.moto.stop()
            self.environment.stop()


class _Forgetful:
    """A client that loses the answer of every third call and repeats it."""

    def __init__(self, client: Any) -> None:
        self._client, self._calls = client, 0

    def __getattr__(self, operation: str) -> Any:
        real = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            self._calls += 1
            if self._calls % 3 == 0:
                with contextlib.suppress(ClientError):  # a refusal is refused again below
                    real(**request)
            return real(**request)

        return call


bounds = {"deadline": None, "suppress_health_check": list(HealthCheck), "derandomize": True, "database": None}
TestMemory = StoreMachine.TestCase
TestMemory.settings = settings(max_examples=30, stateful_step_count=30, **bounds)  # type: ignore[arg-type]
TestSqlite = SqliteMachine.TestCase
TestSqlite.settings = settings(max_examples=8, stateful_step_count=25, **bounds)  # type: ignore[arg-type]
TestDynamo = DynamoMachine.TestCase
TestDynamo.settings = settings(max_examples=2, stateful_step_count=25, **bounds)  # type: ignore[arg-type]
