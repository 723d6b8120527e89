"""What a host says before it goes off: why, by whom, and the last lines of its journals. Pure: shapes and cuts only.

The agent writes them (`runtime/agent/shutdown_report.py`), a store keeps the last few of a unit, `fab logs` shows them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.errors import LeaseError

MAX_BYTES: Final = 100_000  # of all lines together; a DynamoDB item takes 400 KB
# (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)
MAX_LINE: Final = 2_000  # characters


@dataclass(frozen=True)
class Journal:
    """One unit file's last lines, oldest first; `cut` older ones were left out for their size."""

    lines: tuple[str, ...]
    cut: int = 0


@dataclass(frozen=True)
class ShutdownReport:
    """Of one stop. `at` is the table's time, s; `late`: sent by the boot after, since this one ended unannounced."""

    epoch: int
    at: float
    reason: str
    by: str
    boot_id: str
    journals: Mapping[str, Journal]
    late: bool = False


def fit(journals: Mapping[str, Sequence[str]], max_bytes: int = MAX_BYTES) -> dict[str, Journal]:
    """As many of the last lines as go into `max_bytes` (UTF-8) in all; what a quiet journal leaves goes to the rest."""
    shortened = {name: [_short(line) for line in lines] for name, lines in journals.items()}
    left, fitted = max_bytes, dict[str, Journal]()
    for place, name in enumerate(sorted(shortened, key=lambda name: _size(shortened[name]))):
        kept = _last(shortened[name], left // (len(shortened) - place))
        fitted[name] = Journal(tuple(kept), len(shortened[name]) - len(kept))
        left -= _size(kept)
    return {name: fitted[name] for name in journals}


def _short(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} … ({len(line) - MAX_LINE} more characters)"


def _size(lines: Sequence[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def _last(lines: Sequence[str], max_bytes: int) -> list[str]:
    kept: list[str] = []
    for line in reversed(lines):
        max_bytes -= _size([line])
        if max_bytes < 0:
            break
        kept.append(line)
    return kept[::-1]


def lines_of(text: str) -> tuple[str, ...]:
    """A text's lines; only `\\n` ends one, whatever a program printed."""
    return tuple(text.removesuffix("\n").split("\n")) if text else ()


def to_item(words: ShutdownReport) -> dict[str, Any]:
    """As a plain item; each journal's lines in one text."""
    raw = {f.name: getattr(words, f.name) for f in dataclasses.fields(words)}
    return raw | {"journals": {name: {"text": "\n".join(j.lines), "cut": j.cut} for name, j in words.journals.items()}}


def from_item(item: Mapping[str, Any]) -> ShutdownReport:
    """Read an item, or what `to_item` made; LeaseError where something is missing or wrong."""
    try:
        texts = {name: str(item[name]) for name in ("reason", "by", "boot_id")}
        journals = {name: Journal(lines_of(j["text"]), int(j["cut"])) for name, j in item["journals"].items()}
        late = bool(item.get("late"))
        return ShutdownReport(epoch=int(item["epoch"]), at=float(item["at"]), journals=journals, late=late, **texts)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LeaseError(f"Shutdown report cannot be read: {error!r}.") from error
