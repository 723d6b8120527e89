"""`fab prices`: what the table says, how old it is, and newer figures from AWS."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich.table import Table as Shown

from core.errors import DeployError
from core.money import prices
from core.money.prices import CURRENCY, Figure, aws, refresh
from core.money.prices.refresh import Answer
from remote import paths
from remote.verbs.lease import Record

ROOT: Final = Path(__file__).resolve().parents[2]
DEFAULT_REGION: Final = "us-east-1"
ASKING_S: Final = 600.0

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


@dataclass(frozen=True)
class Listed:
    """A region's rows, and what is said about their age."""

    region: str
    figures: tuple[Figure, ...]
    stale: str

    def as_dict(self) -> Record:
        """For `--json`. Prices as text: they are exact."""
        rows = [
            {
                "item": f.item,
                "price": str(f.price),
                "currency": CURRENCY,
                "read": f.read,
                "source": aws.SOURCES[f.source],
            }
            for f in self.figures
        ]
        return {"region": self.region, "prices": rows, "stale": self.stale or None}


def _row(figure: Figure) -> Record:
    read = {"read": figure.read, "source": aws.SOURCES[figure.source]}
    return {"item": figure.item, "price": str(figure.price), "currency": CURRENCY, **read}


@dataclass(frozen=True)
class Refreshed:
    """What changed (old and new price), and what AWS told nothing of."""

    region: str
    changed: tuple[tuple[str, Decimal | None, Decimal], ...]
    same: int
    left: tuple[Answer, ...]

    def as_dict(self) -> Record:
        """For `--json`."""
        changed = [{"item": i, "before": None if b is None else str(b), "after": str(a)} for i, b, a in self.changed]
        left = [{"item": answer.item, "why": answer.why} for answer in self.left]
        return {"region": self.region, "changed": changed, "same": self.same, "left": left}


def listed(region: str, now: float) -> Listed:
    """PriceUnknown: the table knows nothing of the region."""
    region = region or DEFAULT_REGION
    found = tuple(figure for (where, _), figure in sorted(prices.table().items()) if where == region)
    if not found:
        prices.price(region, "any")
    return Listed(region, found, prices.stale(found, datetime.fromtimestamp(now, UTC).date()))


def table(found: Listed) -> Shown:
    """A row a price."""
    shown = Shown(box=None, pad_edge=False, header_style="bold")
    for column in (f"{found.region}", CURRENCY, "read", "where"):
        shown.add_column(column, overflow="fold", justify="right" if column == CURRENCY else "left")
    for figure in found.figures:
        shown.add_row(figure.item, f"{figure.price:f}", figure.read, aws.SOURCES[figure.source])
    return shown


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The program that asks, on this computer; remote/ itself has no AWS client. DeployError: AWS took too long."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=ASKING_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"AWS did not answer within {ASKING_S:.0f} s. Nothing was written; try again.") from error


def refreshed(region: str, now: float, *, path: Path | None = None, ask: Run = run) -> Refreshed:
    """Ask AWS, and write the table anew. DeployError: AWS did not answer, and then nothing is written."""
    region, path = region or DEFAULT_REGION, path or ROOT / prices.WHERE
    result = ask([sys.executable, "-m", "runtime.price_list", "--region", region])
    if result.returncode:
        raise DeployError(f"{(result.stderr.strip() or 'AWS was not asked').splitlines()[-1]} The table is as it was.")
    answers = [_answer(line) for line in result.stdout.splitlines()]
    before = prices.table()
    after = refresh.merged(before, region, answers, today=f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}")
    paths.replace(path, refresh.written(path.read_text(encoding="utf-8"), after))  # half a table would be no module
    told = [(answer.item, answer.price) for answer in answers if answer.price is not None]
    olds = [(item, before[region, item].price if (region, item) in before else None, new) for item, new in told]
    changed = tuple((item, old, new) for item, old, new in olds if old != new)
    return Refreshed(region, changed, len(told) - len(changed), tuple(a for a in answers if a.price is None))


def _answer(line: str) -> Answer:
    told = json.loads(line)
    return Answer(told["item"], None if told["price"] is None else Decimal(told["price"]), told["why"])


def lines(done: Refreshed) -> Iterator[str]:
    """For people."""
    for item, old, new in done.changed:
        yield f"{item}: {'new' if old is None else f'{old:f} →'} {new:f} {CURRENCY}"
    for answer in done.left:
        yield f"{answer.item}: as it was; {answer.why}"
    yield f"{done.region}: {len(done.changed)} prices changed, {done.same} are the same. Commit {prices.WHERE}."
