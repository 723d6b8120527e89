"""Leases in a DynamoDB table: consistent reads, conditional writes, a transition and its event in one transaction.

Retries: botocore repeats what the network or a throttle lost (bounded by the constants below); a repeated write that
meets itself is told by its nonce. What remains becomes `StoreUnavailable`.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from core import shutdown_report
from core.contract.documents import UnitSettings
from core.contract.table import (
    LAST_EPOCH,
    PK_UNITS,
    SETTINGS_BODY,
    SK_LEASE,
    SK_PAST,
    SK_REPORT,
    SK_SETTINGS,
    TABLE_PK,
    TABLE_SK,
    sk_event,
    sk_report,
)
from core.errors import ContractError, LeaseError
from core.lease import Event, Lease, Write
from core.past import Past
from core.past import from_item as read_past
from core.past import to_item as past_item
from core.shutdown_report import ShutdownReport
from runtime import aws
from runtime.backends.leases import Reading, StoreUnavailable
from runtime.backends.leases.encoding import decode_item, encode_item, update_request
from runtime.backends.leases.items import event_item, newest_first, read_event, read_lease, read_settings
from runtime.backends.leases.table_clock import TableClock

CONNECT_TIMEOUT_S = 2.0
READ_TIMEOUT_S = 5.0
ATTEMPTS = 3  # of one call, by botocore
CONFLICT_TRIES = 5  # of a write that met somebody else's transaction
CONFLICT_WAIT_S = 0.05
BETWEEN = "#sk BETWEEN :first AND :last"
EVENTS_A_PAGE = 250  # read backwards: some 60 KB
BATCH = 100  # keys a BatchGetItem takes
BATCH_TRIES = 8
CONFLICTS = frozenset({"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"})
FAILED_CONDITIONS = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})
Answer = Mapping[str, Any]


class DynamoLeaseStore:
    """`LeaseStore` in the table `table` of `region`; safe to share between threads."""

    def __init__(
        self, table: str, region: str, *, client: Any = None, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """Make a client for DynamoDB alone; no call is made yet."""
        self._table = table
        self._region, self._given = region, client
        self._sleep = sleep
        self._clock = TableClock(time.monotonic)
        self._parsed: dict[str, tuple[str, UnitSettings]] = {}

    @property
    def _client(self) -> Any:
        """The client of this call: made anew where the one before had no credentials."""
        return self._given or _client(self._region)

    # ------------------------------------------------------------ reading
    def read(self, unit: str) -> Reading:
        """One consistent read."""
        answer, now = self._call("get_item", Key=self._key(unit, SK_LEASE), ConsistentRead=True)
        item = answer.get("Item")
        return Reading(None if item is None else read_lease(unit, decode_item(item)), now)

    def read_many(self, units: Sequence[str]) -> Mapping[str, Reading | LeaseError]:
        """Consistent reads, a hundred a call; a bad item is its unit's error."""
        found: dict[str, Reading | LeaseError] = {}
        for some in _batches(units):
            items, now = self._read_batch(some, SK_LEASE)
            found |= {unit: _reading(unit, items.get(unit), now) for unit in some}
        return found

    def pasts(self, units: Sequence[str]) -> Mapping[str, Past]:
        """What was counted of units' histories, a hundred a call; what cannot be read is left out, and made again."""
        found: dict[str, Past] = {}
        for some in _batches(units):
            items, _ = self._read_batch(some, SK_PAST)
            read = {unit: read_past(decode_item(item)) for unit, item in items.items()}
            found |= {unit: past for unit, past in read.items() if past is not None}
        return found

    def put_past(self, unit: str, past: Past) -> None:
        """Keep what was counted of a unit's history."""
        self._call("put_item", Item=self._key(unit, SK_PAST) | encode_item(past_item(past)))

    def _read_batch(self, units: Sequence[str], sk: str) -> tuple[dict[str, Mapping[str, Any]], float]:
        """The items of units with this sort key, and the table's time."""
        wanted = [self._key(unit, sk) for unit in units]
        items: dict[str, Mapping[str, Any]] = {}
        for tries in range(BATCH_TRIES):
            request = {self._table: {"Keys": wanted, "ConsistentRead": True}}
            answer, now = self._call("batch_get_item", table=False, RequestItems=request)
            items |= {i[TABLE_PK]["S"]: i for i in answer["Responses"].get(self._table, ())}
            wanted = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if not wanted:
                return items, now
            self._sleep(CONFLICT_WAIT_S * 2**tries)
        raise StoreUnavailable(f"The table {self._table} left {len(wanted)} items unread after {BATCH_TRIES} tries.")

    def units(self) -> Sequence[str]:
        """Every unit that has settings, sorted."""
        return list(self.all_settings())

    def all_settings(self) -> Mapping[str, UnitSettings | ContractError]:
        """Every unit's settings, from the directory: a Query in pages of 1 MB, about 1,300 units each.

        Not a consistent read, at half the price: what `pulumi up` wrote a second ago is seen a minute later.
        """
        pages = self._pages(
            "query",
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames={"#pk": TABLE_PK},
            ExpressionAttributeValues={":pk": {"S": PK_UNITS}},
        )
        return {item[TABLE_SK]: self._parse(item[TABLE_SK], item.get(SETTINGS_BODY)) for item in pages}

    def _parse(self, unit: str, body: Any) -> UnitSettings | ContractError:
        """Settings change with `pulumi up` only: an unchanged body is not read again."""
        known = self._parsed.get(unit)
        if known is not None and known[0] == body:
            return known[1]
        try:
            settings = read_settings(unit, body)
        except ContractError as error:
            return error
        self._parsed[unit] = (body, settings)
        return settings

    def settings(self, unit: str) -> UnitSettings | None:
        """The unit's settings."""
        return self._settings(unit, self._key(unit, SK_SETTINGS))

    def listed(self, unit: str) -> UnitSettings | None:
        """The unit's settings in the directory, whose partition is no unit's."""
        return self._settings(unit, self._key(PK_UNITS, unit))

    def _settings(self, unit: str, key: Mapping[str, Any]) -> UnitSettings | None:
        answer, _ = self._call("get_item", Key=key, ConsistentRead=True)
        item = answer.get("Item")
        return None if item is None else read_settings(unit, decode_item(item).get(SETTINGS_BODY))

    def events(
        self, unit: str, *, since: float = 0.0, epochs: range | None = None, limit: int | None = None
    ) -> Sequence[Event]:
        """The history, oldest first."""
        asked = range(LAST_EPOCH + 1) if epochs is None else epochs
        if not asked or asked[-1] < 0:
            return []
        which = {"first": sk_event(max(0, asked[0])), "last": sk_event(asked[-1])}
        if epochs is None and since > 0:
            newest = self._some(unit, BETWEEN, page={"ScanIndexForward": False, "Limit": EVENTS_A_PAGE}, **which)
            return list(itertools.takewhile(lambda event: event.at >= since, map(_event, newest)))[::-1]
        items = self._some(unit, BETWEEN, page={} if limit is None else {"Limit": limit}, **which)
        return [event for event in map(_event, itertools.islice(items, limit)) if event.at >= since]

    def last_epoch(self, unit: str) -> int:
        """The epoch of the last event; 0 where there is none."""
        asked = {"first": sk_event(0), "last": sk_event(LAST_EPOCH)}
        newest = self._some(unit, BETWEEN, page={"ScanIndexForward": False, "Limit": 1}, **asked)
        return next((_event(item).epoch for item in newest), 0)

    def reports(self, unit: str) -> Sequence[ShutdownReport]:
        """The shutdown report that are kept, the newest first."""
        return newest_first(self._some(unit, "begins_with(#sk, :prefix)", prefix=SK_REPORT))

    def _some(
        self, unit: str, which: str, *, page: Mapping[str, Any] = MappingProxyType({}), **texts: str
    ) -> Iterator[dict[str, Any]]:
        """The unit's items whose sort key fits, in its order; `page` says how a call reads, if not forwards by 1 MB."""
        return self._pages(
            "query",
            **page,
            ConsistentRead=True,
            KeyConditionExpression=f"#pk = :pk AND {which}",
            ExpressionAttributeNames={"#pk": TABLE_PK, "#sk": TABLE_SK},
            ExpressionAttributeValues={":pk": {"S": unit}} | {f":{name}": {"S": text} for name, text in texts.items()},
        )

    def _pages(self, operation: str, **request: Any) -> Iterator[dict[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            answer, _ = self._call(operation, **request, **start)
            yield from map(decode_item, answer["Items"])
            if not answer.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    # ------------------------------------------------------------ writing
    def write(self, write: Write) -> Lease | None:
        """Apply one conditional write; a write that finds itself counts as done."""
        send = self._transition if write.event else self._note
        for tries in range(CONFLICT_TRIES):
            try:
                return send(write)
            except _Conflict:
                self._sleep(CONFLICT_WAIT_S * 2**tries)
        raise StoreUnavailable(f"The lease of {write.unit} was busy {CONFLICT_TRIES} times in a row.")

    def put_report(self, unit: str, words: ShutdownReport) -> None:
        """Keep a stop's shutdown report."""
        self._call(
            "put_item", Item=self._key(unit, sk_report(words.epoch)) | encode_item(shutdown_report.to_item(words))
        )

    def _note(self, write: Write) -> Lease | None:
        request = update_request(write) | {"Key": self._key(write.unit, SK_LEASE), "ReturnValues": "ALL_NEW"}
        try:
            answer, _ = self._call("update_item", **request)
        except _ConditionFailed as failed:
            return self._own(write, failed)
        return read_lease(write.unit, decode_item(answer["Attributes"]))

    def _transition(self, write: Write) -> Lease | None:
        assert write.event is not None
        update = update_request(write) | {"TableName": self._table, "Key": self._key(write.unit, SK_LEASE)}
        put = {
            "TableName": self._table,
            "Item": self._key(write.unit, sk_event(write.event.epoch))
            | encode_item(event_item(write.event, write.nonce)),
            "ConditionExpression": f"attribute_not_exists({TABLE_PK})",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            self._call("transact_write_items", table=False, TransactItems=[{"Update": update}, {"Put": put}])
        except _ConditionFailed as failed:
            return self._own(write, failed)
        return self.read(write.unit).lease

    def _own(self, write: Write, failed: _ConditionFailed) -> Lease | None:
        """None for a refused write; the latest lease where the write had been applied already."""
        if write.nonce not in failed.nonces:
            return None
        return self.read(write.unit).lease

    # ------------------------------------------------------------ calling
    def _key(self, pk: str, sk: str) -> dict[str, Any]:
        return encode_item({TABLE_PK: pk, TABLE_SK: sk})

    def _call(self, operation: str, *, table: bool = True, **request: Any) -> tuple[Answer, float]:
        """The answer and the table's time; errors in this module's words."""
        named = {"TableName": self._table} if table else {}
        sent = self._clock.monotonic()
        try:
            answer: Answer = getattr(self._client, operation)(**named, **request)
        except ClientError as error:
            aws.failed(error)
            raise _in_our_words(self._table, error) from error
        except BotoCoreError as error:
            aws.failed(error)
            raise StoreUnavailable(f"The table {self._table} did not answer: {error}") from error
        aws.worked()
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return answer, self._clock.tell(headers.get("date", ""), sent)


class _Conflict(Exception):
    """Somebody else's transaction was on the item at this moment."""


class _ConditionFailed(Exception):
    """A clause did not hold. `nonces` are those of the items that stood in the way."""

    def __init__(self, nonces: frozenset[str]) -> None:
        super().__init__("a condition did not hold")
        self.nonces = nonces


def _in_our_words(table: str, error: ClientError) -> Exception:
    answer: Any = error.response
    code = answer["Error"]["Code"]
    reasons = answer.get("CancellationReasons", [])
    codes = {code} | {r.get("Code", "") for r in reasons}
    if codes & FAILED_CONDITIONS:
        return _ConditionFailed(_nonces([answer, *reasons]))
    if codes & CONFLICTS:
        return _Conflict(code)
    return StoreUnavailable(f"The table {table} refused: {code}: {answer['Error'].get('Message', '')}")


def _nonces(holders: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    items = [h["Item"] for h in holders if h.get("Item")]
    return frozenset(i["nonce"]["S"] for i in items if "nonce" in i)


def _batches(units: Sequence[str]) -> Iterator[list[str]]:
    each = list(dict.fromkeys(units))
    return (each[first : first + BATCH] for first in range(0, len(each), BATCH))


def _event(item: Mapping[str, Any]) -> Event:
    """An event that is kept under its own epoch, or whoever reads on from there would read in a circle."""
    event = read_event(item)
    if sk_event(event.epoch) != item[TABLE_SK]:
        raise LeaseError(f"The event {item[TABLE_SK]} of {item[TABLE_PK]} says that it is of epoch {event.epoch}.")
    return event


def _reading(unit: str, item: Mapping[str, Any] | None, now: float) -> Reading | LeaseError:
    try:
        return Reading(None if item is None else read_lease(unit, decode_item(item)), now)
    except LeaseError as error:
        return error


def _client(region: str) -> Any:
    """Short time-outs, since every caller has a loop of its own."""
    limits = {"connect_timeout_s": CONNECT_TIMEOUT_S, "read_timeout_s": READ_TIMEOUT_S}
    made = aws.client("dynamodb", region, attempts=ATTEMPTS, **limits)
    made.meta.events.register("before-parse.dynamodb.BatchGetItem", _read_plainly, unique_id="pilotlight-plainly")
    return made


def _read_plainly(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """A batch of leases is JSON as it stands; botocore would walk over each value of it to make the same. Attributes of
    ours are no bytes, the one kind that it changes; an error's body is left to it.
    """
    if response_dict["status_code"] == 200:
        customized_response_dict.update(json.loads(response_dict["body"]))
        response_dict["body"] = b"{}"
