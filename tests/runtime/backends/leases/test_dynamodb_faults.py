"""What only a table over a network does: answers that never come, throttles, conflicts, pages, times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from core import lease as protocol
from core.contract.documents import UnitSettings
from core.lease import Lease, State, Write
from runtime.backends.leases import Reading, StoreUnavailable
from runtime.backends.leases.dynamodb import DynamoLeaseStore, _read_plainly
from runtime.backends.leases.table_clock import TableClock
from tests.runtime.backends.leases.conftest import REGION, TABLE, keep_settings
from tests.runtime.backends.leases.test_conformance import UNIT, T, settings_of

CREATE = protocol.create(UNIT, "i-1", by="deploy", now=T, nonce="create")
Fault = Callable[[Callable[..., Any], dict[str, Any]], Any]


class Faulty:
    """A client that has a fault for the first calls of some operations."""

    def __init__(self, client: Any, faults: dict[str, list[Fault]]) -> None:
        self._client, self._faults = client, faults
        self.calls: list[str] = []

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        real = getattr(self._client, operation)

        def call(**request: Any) -> Any:
            self.calls.append(operation)
            queue = self._faults.get(operation, [])
            return queue.pop(0)(real, request) if queue else real(**request)

        return call


def refused(code: str, **more: Any) -> Fault:
    def fault(_: Callable[..., Any], __: dict[str, Any]) -> Any:
        raise ClientError({"Error": {"Code": code, "Message": "said moto"}, **more}, "Op")

    return fault


def lost(_: Callable[..., Any], __: dict[str, Any]) -> Any:
    raise ReadTimeoutError(endpoint_url="http://table")


def applied_then_repeated(real: Callable[..., Any], request: dict[str, Any]) -> Any:
    """The answer is lost, and botocore sends the same request again."""
    real(**request)
    return real(**request)


def faulty(client: Any, **faults: list[Fault]) -> tuple[DynamoLeaseStore, Faulty, list[float]]:
    slept: list[float] = []
    broken = Faulty(client, faults)
    return DynamoLeaseStore(TABLE, REGION, client=broken, sleep=slept.append), broken, slept


def created(client: Any) -> Lease:
    lease = DynamoLeaseStore(TABLE, REGION, client=client).write(CREATE)
    assert lease is not None
    return lease


def test_a_lost_answer_of_a_transition_is_met_by_its_own_retry(dynamodb: Any) -> None:
    store, _, _ = faulty(dynamodb, transact_write_items=[applied_then_repeated])
    lease = store.write(CREATE)
    assert lease is not None
    assert lease.state is State.NEW


def test_a_lost_answer_of_a_note_is_met_by_its_own_retry(dynamodb: Any) -> None:
    note = protocol.claim_boot(created(dynamodb), instance_id="i-1", boot_id="b", now=T, nonce="claim")
    store, _, _ = faulty(dynamodb, update_item=[applied_then_repeated])
    assert isinstance(note, Write)
    lease = store.write(note)
    assert lease is not None
    assert lease.boot_id == "b"


@pytest.mark.parametrize("code", ["ThrottlingException", "InternalServerError", "AccessDeniedException"])
def test_a_table_that_refuses_is_unavailable(dynamodb: Any, code: str) -> None:
    store, _, _ = faulty(dynamodb, get_item=[refused(code)])
    with pytest.raises(StoreUnavailable, match=f"{TABLE} refused: {code}: said moto"):
        store.read(UNIT)


def test_a_table_that_does_not_answer_is_unavailable(dynamodb: Any) -> None:
    store, _, _ = faulty(dynamodb, get_item=[lost], update_item=[lost])
    with pytest.raises(StoreUnavailable, match="did not answer"):
        store.read(UNIT)


def test_an_answer_without_a_time_is_unavailable(dynamodb: Any) -> None:
    def timeless(real: Callable[..., Any], request: dict[str, Any]) -> Any:
        return {**real(**request), "ResponseMetadata": {"HTTPHeaders": {}}}

    store, _, _ = faulty(dynamodb, get_item=[timeless])
    with pytest.raises(StoreUnavailable, match="Date"):
        store.read(UNIT)


def test_a_conflict_is_waited_out(dynamodb: Any) -> None:
    conflict = refused("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}, {}])
    store, _, slept = faulty(dynamodb, transact_write_items=[conflict, conflict])
    assert store.write(CREATE) is not None
    assert slept == [0.05, 0.1]


def test_endless_conflicts_are_unavailable(dynamodb: Any) -> None:
    store, _, slept = faulty(dynamodb, update_item=[refused("TransactionConflictException")] * 9)
    note = protocol.claim_boot(created(dynamodb), instance_id="i-1", boot_id="b", now=T, nonce="claim")
    assert isinstance(note, Write)
    with pytest.raises(StoreUnavailable, match="busy"):
        store.write(note)
    assert len(slept) == 5


def test_a_cancelled_transaction_that_is_neither_is_unavailable(dynamodb: Any) -> None:
    throttled = refused("TransactionCanceledException", CancellationReasons=[{"Code": "ThrottlingError"}, {}])
    store, _, _ = faulty(dynamodb, transact_write_items=[throttled])
    with pytest.raises(StoreUnavailable):
        store.write(CREATE)


def test_unprocessed_keys_are_asked_for_again(dynamodb: Any) -> None:
    created(dynamodb)

    def half(_: Callable[..., Any], request: dict[str, Any]) -> Any:
        headers = {"HTTPHeaders": {"date": "Fri, 15 Jan 2027 08:00:00 GMT"}}
        return {"Responses": {}, "UnprocessedKeys": request["RequestItems"], "ResponseMetadata": headers}

    store, _, slept = faulty(dynamodb, batch_get_item=[half])
    reading = store.read_many([UNIT])[UNIT]
    assert isinstance(reading, Reading)
    assert reading.lease is not None
    assert len(slept) == 1


def test_a_hundred_leases_are_one_call(dynamodb: Any) -> None:
    store, client, _ = faulty(dynamodb)
    store.read_many([f"stack-{i}/host" for i in range(250)])
    assert client.calls == ["batch_get_item"] * 3


def test_units_come_in_pages(dynamodb: Any) -> None:
    def of(unit: str) -> UnitSettings:
        return settings_of(unit)

    plain = DynamoLeaseStore(TABLE, REGION, client=dynamodb)
    for i in range(5):
        keep_settings(plain, of(f"stack-{i}/host"))

    def small(real: Callable[..., Any], request: dict[str, Any]) -> Any:
        return real(**request, Limit=2)

    store, client, _ = faulty(dynamodb, query=[small, small, small])
    assert store.units() == [f"stack-{i}/host" for i in range(5)]
    assert client.calls == ["query"] * 3


# ---------------------------------------------------------------- the table's time
EIGHT = "Fri, 15 Jan 2027 08:00:00 GMT"
EIGHT_S = 1_800_000_000.0


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_time_goes_on_between_answers() -> None:
    clock = Clock()
    table = TableClock(clock)
    assert table.tell(EIGHT, sent=100.0) == EIGHT_S
    clock.now = 100.75
    assert table.tell(EIGHT, sent=100.74) == EIGHT_S + 0.75


def test_time_never_goes_backwards() -> None:
    clock = Clock()
    table = TableClock(clock)
    table.tell("Fri, 15 Jan 2027 08:00:30 GMT", sent=100.0)
    clock.now = 101.0
    assert table.tell(EIGHT, sent=101.0) == EIGHT_S + 30.0


def test_an_answer_corrects_a_slow_clock() -> None:
    clock = Clock()
    table = TableClock(clock)
    table.tell(EIGHT, sent=100.0)
    clock.now = 101.0
    assert table.tell("Fri, 15 Jan 2027 08:01:00 GMT", sent=100.9) == EIGHT_S + 60.0


def test_an_answer_that_took_long_moves_nothing() -> None:
    clock = Clock()
    table = TableClock(clock)
    table.tell(EIGHT, sent=100.0)
    clock.now = 105.0
    assert table.tell("Fri, 15 Jan 2027 08:00:01 GMT", sent=100.5) == EIGHT_S + 5.0


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(StoreUnavailable, match="yesterday"):
        TableClock(Clock()).tell("yesterday", sent=100.0)


# ---------------------------------------------------------------- the client of our own
def test_a_batch_read_plainly_is_the_same_batch(dynamodb: Any) -> None:
    """What our client reads past botocore is what botocore reads."""
    DynamoLeaseStore(TABLE, REGION, client=dynamodb).write(CREATE)
    ours = boto3.client("dynamodb", region_name=REGION)
    ours.meta.events.register("before-parse.dynamodb.BatchGetItem", _read_plainly)
    keys = {TABLE: {"Keys": [{"pk": {"S": UNIT}, "sk": {"S": "lease"}}], "ConsistentRead": True}}
    plain, read = dynamodb.batch_get_item(RequestItems=keys), ours.batch_get_item(RequestItems=keys)
    assert read["Responses"] == plain["Responses"]
    assert read["Responses"][TABLE]
    assert "date" in read["ResponseMetadata"]["HTTPHeaders"]
    with pytest.raises(ClientError, match="not found"):
        ours.batch_get_item(RequestItems={"none": keys[TABLE]})
