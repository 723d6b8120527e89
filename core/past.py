"""What a unit's history adds up to: the ledger of its months and its last wakes. Pure.

A history only grows, and is never read twice: a `Past` has counted the events up to `epoch`, later ones are added, and
the reaper keeps it in an item of its own beside the lease (ADR 15). It can always be made again from the events,
so what cannot be read is nobody's trouble: `from_item` says None. To keep another sum: a field, its place in `add`,
`to_item` and `from_item`, and a raised `PAST_VERSION`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.lease import Event, State
from core.lease.record import moment, whole
from core.money import ledger as books
from core.money.ledger import Ledger, On
from core.wakes import Wake, Waking

PAST_VERSION: Final = 2
WAKES_KEPT: Final = 10  # more than ask for them: core.wakes.PAST_WAKES, FLAPS


@dataclass(frozen=True)
class Past:
    """The events up to `epoch`. `since`: the time of the first one that was counted, s; 0 for all from the first."""

    epoch: int = 0
    since: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)
    waking: Waking = field(default_factory=Waking)

    @property
    def wakes(self) -> tuple[Wake, ...]:
        """The last wakes, oldest first."""
        return self.waking.wakes

    def add(self, events: Sequence[Event], *, upto: int) -> Past:
        """With the next events, oldest first: all that there are up to the epoch `upto`."""
        waking = self.waking.add(events)
        waking = dataclasses.replace(waking, wakes=waking.wakes[-WAKES_KEPT:])
        return Past(upto, self.since, self.ledger.add(events), waking)


def begin(events: Sequence[Event], *, upto: int) -> Past:
    """The past that begins with these events, which need not be the history's first."""
    if not events:
        return Past(upto)
    at, whole_history = events[0].at, not events[0].before
    on = None if whole_history else books.begun(events, since=at, state=State.STOPPED)
    return Past(0, 0.0 if whole_history else at, Ledger(on=on)).add(events, upto=upto)


# ---------------------------------------------------------------- as a store keeps it
def to_item(past: Past) -> dict[str, Any]:
    """As a plain item; what is not set is left out."""
    ledger, waking = past.ledger, past.waking
    months = [{"month": m, "type": t, "s": s} for m, seconds in ledger.months.items() for t, s in seconds.items()]
    days = [{"day": d, "type": t, "s": s} for d, seconds in ledger.days.items() for t, s in seconds.items()]
    item: dict[str, Any] = {"past_version": PAST_VERSION, "epoch": past.epoch, "since": past.since}
    item |= {"months": months, "days": days}
    item["wakes"] = [dataclasses.asdict(wake) for wake in waking.wakes]
    if ledger.on is not None:
        item["on"] = dataclasses.asdict(ledger.on)
    if waking.began_at is not None:
        item["began"] = {"at": waking.began_at, "from_off": waking.from_off}
    return item


def from_item(item: Mapping[str, Any] | None) -> Past | None:
    """A past from its item; None where there is none, or none that this version reads: it is made again."""
    if item is None or item.get("past_version") != PAST_VERSION:
        return None
    try:
        return Past(whole(item["epoch"]), moment(item["since"]), _ledger(item), _waking(item))
    except (KeyError, TypeError, ValueError, ArithmeticError, AttributeError):
        return None


def _ledger(item: Mapping[str, Any]) -> Ledger:
    months, days = _seconds(item["months"], "month"), _seconds(item["days"], "day")
    on = item.get("on")
    if on is None:
        return Ledger(months, None, days)
    open_ = On(moment(on["start"]), _text(on["instance_type"]), moment(on["began"]), bool(on["ready"]))
    return Ledger(months, open_, days)


def _seconds(rows: Any, name: str) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for row in rows:
        found.setdefault(_text(row[name]), {})[_text(row["type"])] = moment(row["s"])
    return found


def _waking(item: Mapping[str, Any]) -> Waking:
    wakes = tuple(Wake(moment(w["at"]), moment(w["took_s"]), bool(w["from_off"])) for w in item["wakes"])
    began = item.get("began")
    return Waking(wakes, *((moment(began["at"]), bool(began["from_off"])) if began is not None else ()))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("not a text")
