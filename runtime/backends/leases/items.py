"""A lease store over plain rows of (pk, sk, item): what the in-memory and the SQLite store have in common.

A subclass gives `_transaction()`, which yields `Rows` that nobody else touches until it ends. Conditions and writes
are `core.lease.apply` itself, so these stores mean what the explorer proves.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from core import shutdown_report
from core.contract.documents import UnitSettings
from core.contract.table import (
    LAST_EPOCH,
    SETTINGS_BODY,
    SK_LEASE,
    SK_PAST,
    SK_REPORT,
    SK_SETTINGS,
    sk_event,
    sk_report,
)
from core.errors import ContractError, LeaseError
from core.lease import Event, Lease, State, Value, Write, apply, from_item
from core.lease.record import moment, whole
from core.past import Past
from core.past import from_item as read_past
from core.past import to_item as past_item
from core.shutdown_report import ShutdownReport
from runtime.backends.leases import Reading

Item = Mapping[str, Any]
EVENT_PREFIX = sk_event(0).partition("#")[0] + "#"


class Rows(Protocol):
    """The rows inside one transaction."""

    def get(self, pk: str, sk: str) -> Item | None:
        """One item, or None."""
        ...

    def put(self, pk: str, sk: str, item: Item) -> None:
        """Write one item whole."""
        ...

    def keys(self, sk: str) -> Sequence[str]:
        """The pk of every item with this sk."""
        ...

    def starting(self, pk: str, prefix: str) -> Sequence[Item]:
        """The items of one pk whose sk starts so, in the order of sk."""
        ...

    def between(self, pk: str, first: str, last: str, limit: int | None) -> Sequence[Item]:
        """The first `limit` items of one pk whose sk lies between these two, in the order of sk."""
        ...


class ItemStore(ABC):
    """`LeaseStore` over `Rows`. `clock` returns the store's time in seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Keep the clock."""
        self._clock = clock

    @abstractmethod
    def _transaction(self) -> AbstractContextManager[Rows]:
        """Rows that nobody else changes until the context ends."""

    def read(self, unit: str) -> Reading:
        """One consistent read."""
        with self._transaction() as rows:
            item = rows.get(unit, SK_LEASE)
        return Reading(None if item is None else read_lease(unit, item), self._clock())

    def read_many(self, units: Sequence[str]) -> Mapping[str, Reading | LeaseError]:
        """Consistent reads; a bad item is its unit's error."""
        return {unit: self._read_or_error(unit) for unit in units}

    def _read_or_error(self, unit: str) -> Reading | LeaseError:
        try:
            return self.read(unit)
        except LeaseError as error:
            return error

    def write(self, write: Write) -> Lease | None:
        """Apply one conditional write; a write that finds itself counts as done."""
        with self._transaction() as rows:
            before = rows.get(write.unit, SK_LEASE)
            event = rows.get(write.unit, sk_event(write.event.epoch)) if write.event else None
            if any(item is not None and item.get("nonce") == write.nonce for item in (before, event)):
                return None if before is None else read_lease(write.unit, before)
            after = apply(before, write)
            if after is None or event is not None:
                return None
            rows.put(write.unit, SK_LEASE, after)
            if write.event:
                rows.put(write.unit, sk_event(write.event.epoch), event_item(write.event, write.nonce))
        return read_lease(write.unit, after)

    def units(self) -> Sequence[str]:
        """Every unit that has settings, sorted."""
        with self._transaction() as rows:
            return sorted(rows.keys(SK_SETTINGS))

    def all_settings(self) -> Mapping[str, UnitSettings | ContractError]:
        """Every unit's settings; what cannot be read is its unit's error."""
        read = ((unit, self._settings_or_error(unit)) for unit in self.units())
        return {unit: settings for unit, settings in read if settings is not None}

    def _settings_or_error(self, unit: str) -> UnitSettings | ContractError | None:
        try:
            return self.settings(unit)
        except ContractError as error:
            return error

    def settings(self, unit: str) -> UnitSettings | None:
        """The unit's settings."""
        with self._transaction() as rows:
            item = rows.get(unit, SK_SETTINGS)
        return None if item is None else read_settings(unit, item.get(SETTINGS_BODY))

    def listed(self, unit: str) -> UnitSettings | None:
        """The unit's settings: here there is one place for them."""
        return self.settings(unit)

    def put_settings(self, settings: UnitSettings) -> None:
        """Write a unit's settings, where no `pulumi up` does."""
        with self._transaction() as rows:
            rows.put(settings.unit, SK_SETTINGS, {SETTINGS_BODY: settings.to_json()})

    def events(
        self, unit: str, *, since: float = 0.0, epochs: range | None = None, limit: int | None = None
    ) -> Sequence[Event]:
        """The history, oldest first."""
        if epochs is not None and (not epochs or epochs[-1] < 0):
            return []
        asked = range(LAST_EPOCH + 1) if epochs is None else epochs
        with self._transaction() as rows:
            items = rows.between(unit, sk_event(max(0, asked[0])), sk_event(asked[-1]), limit)
        return [event for event in map(read_event, items) if event.at >= since]

    def pasts(self, units: Sequence[str]) -> Mapping[str, Past]:
        """What was counted of units' histories."""
        with self._transaction() as rows:
            found = {unit: read_past(rows.get(unit, SK_PAST)) for unit in units}
        return {unit: one for unit, one in found.items() if one is not None}

    def put_past(self, unit: str, past: Past) -> None:
        """Keep what was counted of a unit's history."""
        with self._transaction() as rows:
            rows.put(unit, SK_PAST, past_item(past))

    def last_epoch(self, unit: str) -> int:
        """The epoch of the last event; 0 where there is none."""
        with self._transaction() as rows:
            items = rows.starting(unit, EVENT_PREFIX)
        return read_event(items[-1]).epoch if items else 0

    def put_report(self, unit: str, words: ShutdownReport) -> None:
        """Keep a stop's shutdown report."""
        with self._transaction() as rows:
            rows.put(unit, sk_report(words.epoch), shutdown_report.to_item(words))

    def reports(self, unit: str) -> Sequence[ShutdownReport]:
        """The shutdown report that are kept, the newest first."""
        with self._transaction() as rows:
            items = rows.starting(unit, SK_REPORT)
        return newest_first(items)


def newest_first(items: Iterable[Item]) -> Sequence[ShutdownReport]:
    """Shutdown report in the order of their time: their keys go round."""
    return sorted(map(shutdown_report.from_item, items), key=lambda words: words.at, reverse=True)


def event_item(event: Event, nonce: str) -> dict[str, Any]:
    """An event as a plain item; the nonce lets a retried transition recognise itself after later notes."""
    raw = {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
    return raw | {"before": str(event.before), "after": str(event.after), "facts": dict(event.facts), "nonce": nonce}


def read_event(item: Item) -> Event:
    """An event from its item; LeaseError where something is missing or is not what it should be."""
    try:
        before, after, by, reason = (_text(item[name]) for name in ("before", "after", "by", "reason"))
        if before:
            State(before)
        epoch, at = whole(item["epoch"]), moment(item["at"])
        return Event(epoch, at, before, State(after).value, by, reason, _facts(item.get("facts", {})))
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise LeaseError(f"An event cannot be read: {error!r} in {str(dict(item))[:200]}.") from error


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.60} is not a text")
    return value


def _facts(value: Any) -> dict[str, Value]:
    if not isinstance(value, Mapping) or not all(isinstance(v, str | int | float | bool) for v in value.values()):
        raise TypeError("facts are texts, numbers and truth values by name")
    return dict(value)


def read_lease(unit: str, item: Item) -> Lease:
    """The lease that is kept under `unit`; LeaseError where it cannot be read, or says that it is another unit's.

    Whoever may write one unit's item must not make others write, by what it says, to another's.
    """
    if item.get("unit") != unit:
        raise LeaseError(f"The lease of {unit} says that it is the lease of {item.get('unit')!r:.100}.")
    return from_item(item)


def read_settings(unit: str, body: Any) -> UnitSettings:
    """The settings that are kept under `unit`; ContractError where they cannot be read or are another unit's."""
    if not isinstance(body, str):
        raise ContractError(f"The settings of {unit} are no text. Run `pulumi up`.")
    settings = UnitSettings.from_json(body)
    if settings.unit != unit:
        raise ContractError(f"The settings of {unit} say that they are those of {settings.unit!r:.100}.")
    return settings
