"""The three stores, each behind the same fixture: `stores` gives a fresh one, with a clock that the test moves."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from moto import mock_aws

from core.contract.documents import UnitSettings
from core.contract.table import PK_UNITS, SETTINGS_BODY, SK_LEASE, SK_SETTINGS, TABLE_PK, TABLE_SK
from runtime.backends.leases import LeaseStore
from runtime.backends.leases.dynamodb import DynamoLeaseStore
from runtime.backends.leases.encoding import encode_item
from runtime.backends.leases.memory import MemoryLeaseStore
from runtime.backends.leases.sqlite import SqliteLeaseStore
from tests import clients
from tests.clients import REGION

TABLE = "leases"
BATCH = 25  # items in a write of many: DynamoDB's limit
NOW = 1_800_000_000.0
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": REGION}


def make_table(client: Any) -> None:
    names = (TABLE_PK, "HASH"), (TABLE_SK, "RANGE")
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
    )


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    """A client for an empty table in moto."""
    cleared = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    with mock.patch.dict(os.environ, cleared | CREDENTIALS, clear=True), mock_aws():
        client = clients.client("dynamodb")
        make_table(client)
        yield client


@pytest.fixture(params=["memory", "sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> LeaseStore:
    """One store of each kind."""
    if request.param == "memory":
        return MemoryLeaseStore(lambda: NOW)
    if request.param == "sqlite":
        return SqliteLeaseStore(tmp_path / "leases.sqlite", lambda: NOW)
    return DynamoLeaseStore(TABLE, REGION, client=request.getfixturevalue("dynamodb"))


def keep_settings(store: LeaseStore, settings: UnitSettings) -> None:
    """What `pulumi up` does."""
    if isinstance(store, DynamoLeaseStore):
        client: Any = store._client
        for pk, sk in ((settings.unit, SK_SETTINGS), (PK_UNITS, settings.unit)):
            item = {TABLE_PK: pk, TABLE_SK: sk, SETTINGS_BODY: settings.to_json()}
            client.put_item(TableName=TABLE, Item={k: {"S": v} for k, v in item.items()})
    elif isinstance(store, MemoryLeaseStore | SqliteLeaseStore):
        store.put_settings(settings)


def put_raw(store: LeaseStore, unit: str, item: dict[str, Any], sk: str = SK_LEASE) -> None:
    """An item that no program of ours wrote."""
    put_all_raw(store, {(unit, sk): item})


def put_all_raw(store: LeaseStore, items: Mapping[tuple[str, str], dict[str, Any]]) -> None:
    """Items by their keys, in as few writes as the store takes."""
    if isinstance(store, DynamoLeaseStore):
        client: Any = store._client
        encoded = [encode_item({TABLE_PK: pk, TABLE_SK: sk, **item}) for (pk, sk), item in items.items()]
        for first in range(0, len(encoded), BATCH):
            puts = [{"PutRequest": {"Item": item}} for item in encoded[first : first + BATCH]]
            client.batch_write_item(RequestItems={TABLE: puts})
    elif isinstance(store, MemoryLeaseStore | SqliteLeaseStore):
        with store._transaction() as rows:
            for (pk, sk), item in items.items():
                rows.put(pk, sk, item)


def delete_lease(store: LeaseStore, unit: str) -> None:
    """Somebody deletes the lease in the console; its events stay."""
    if isinstance(store, DynamoLeaseStore):
        client: Any = store._client
        client.delete_item(TableName=TABLE, Key={TABLE_PK: {"S": unit}, TABLE_SK: {"S": SK_LEASE}})
    elif isinstance(store, MemoryLeaseStore):
        del store._rows._rows[unit, SK_LEASE]
    elif isinstance(store, SqliteLeaseStore):
        with store._transaction() as rows:
            rows._connection.execute("DELETE FROM items WHERE pk = ? AND sk = ?", (unit, SK_LEASE))
