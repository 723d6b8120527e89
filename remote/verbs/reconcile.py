"""`fab cost --reconcile`: what AWS's Cost Explorer says of the same days, and the difference to it as it is."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from core.contract.documents import Shape
from core.errors import DeployError, SettingsError
from core.money import cost
from core.money.prices import CURRENCY
from core.times import moments
from remote.verbs import prices as verbs_prices
from remote.verbs.cost import Cost, dollars
from remote.verbs.lease import Record

DAY_S: Final = 86400.0


@dataclass(frozen=True)
class Reconciled:
    """Whole days of UTC, from `since` to `until` (s): AWS's figure by service, and ours for the same time."""

    since: float
    until: float
    ours: Decimal
    services: tuple[tuple[str, Decimal], ...]
    estimated: bool

    @property
    def billed(self) -> Decimal:
        """AWS's."""
        return sum((amount for _, amount in self.services), Decimal(0))

    @property
    def days(self) -> int:
        """How many."""
        return round((self.until - self.since) / DAY_S)

    def as_dict(self) -> Record:
        """For `--json` (docs/json.md)."""
        ours, billed, beyond = (float(cost.cents(x)) for x in (self.ours, self.billed, self.billed - self.ours))
        services = [{"service": name, "cost_usd": float(cost.cents(amount))} for name, amount in self.services]
        span = {"from": moments.iso(self.since, "UTC"), "to": moments.iso(self.until, "UTC")}
        told = {"billed_usd": billed, "counted_usd": ours, "difference_usd": beyond, "estimated": self.estimated}
        return span | told | {"services": services}


def whole_days(since: float, until: float) -> tuple[float, float]:
    """The whole days of UTC in a time (s). SettingsError: there is none."""
    first, last = moments.midnight(since, "UTC"), moments.midnight(until, "UTC")
    first += DAY_S if first < since else 0.0
    if last <= first:
        raise SettingsError("There is no whole day of UTC in this time to compare; write e.g. --since 7d.")
    return first, last


def reconcile(found: Cost, shape: Shape, *, ask: verbs_prices.Run = verbs_prices.run) -> Reconciled:
    """Ask AWS, and count the same days. DeployError: AWS did not answer, or in another currency."""
    since, until = whole_days(found.since, found.until)
    start, end = (f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}" for moment in (since, until))
    command = [sys.executable, "-m", "runtime.cost_explorer", "--stack", found.stack, "--start", start, "--end", end]
    result = ask(command)
    if result.returncode:
        raise DeployError((result.stderr.strip() or "AWS was not asked.").splitlines()[-1])
    told = [json.loads(line) for line in result.stdout.splitlines()]
    if foreign := sorted({each["currency"] for each in told} - {CURRENCY}):
        raise DeployError(f"AWS bills in {', '.join(foreign)}; what is counted here is in {CURRENCY}.")
    services: dict[str, Decimal] = {}
    for each in told:
        services[each["service"]] = services.get(each["service"], Decimal(0)) + Decimal(each["amount"])
    ours = cost.total(cost.lines(shape, found.runs, since=since, until=until))
    most_first = tuple(sorted(services.items(), key=lambda item: -item[1]))
    return Reconciled(since, until, ours, most_first, any(each["estimated"] for each in told))


def lines(found: Reconciled) -> Iterator[str]:
    """In sentences."""
    days = f"{datetime.fromtimestamp(found.since, UTC):%d %b} to "
    days += f"{datetime.fromtimestamp(found.until, UTC) - timedelta(days=1):%d %b} (UTC)"
    if not found.services:
        yield f"AWS knows no costs of this stack from {days}: does the tag count (docs/operate/cost.md)? AWS is late."
        return
    beyond = found.billed - found.ours
    more = f"{dollars(abs(beyond))} {'more' if beyond >= 0 else 'less'}"
    yield f"AWS billed {dollars(found.billed)} from {days}; counted here: {dollars(found.ours)}. AWS's is {more}."
    yield "By service: " + ", ".join(f"{name} {dollars(amount)}" for name, amount in found.services) + "."
    late = "AWS calls its figures estimates still. " if found.estimated else ""
    yield f"{late}Not counted here: data transfer, snapshots, tax, discounts and the reaper."
