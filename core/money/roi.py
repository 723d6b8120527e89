"""Return on investment: what a month of the same load costs in each way of having a model. Pure.

Each way is an Option: a month's cost, what is paid at the beginning, and from both the cost of a million tokens, on two
bases: `used`, by the hours in which somebody was served alone, and `allocated`, by all that is paid. APIs are paid by
token, so only the allocated figure compares with them. An option without a price is there with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from types import MappingProxyType
from typing import Final

from core import money
from core.contract.documents import Shape
from core.money import cost, prices
from core.money.own import Amount, OtherCloud, Workstation
from core.money.prices import CURRENCY, HOURS_A_MONTH, Market, PriceUnknown

MILLION: Final = Decimal(1_000_000)
HORIZON_MONTHS: Final = 120  # a later break-even is none
OURS: Final = "this stack, on demand"


@dataclass(frozen=True)
class Load:
    """A month: hours in which somebody was served, hours on, starts, and tokens (None: not known)."""

    used_h: Decimal
    on_h: Decimal
    starts: int = 0
    tokens: Decimal | None = None


@dataclass(frozen=True)
class Option:
    """One way. `month`: all of a month's cost without `upfront`, which is paid once; `used_month`: of it, what the used
    hours alone cost. None: not known, and `why`.
    """

    name: str
    month: Amount | None = None
    used_month: Amount | None = None
    upfront: Amount | None = None
    written_off: Amount | None = None  # the month's part of `upfront`
    why: str = ""

    def per_million(self, load: Load, *, used: bool) -> Amount | None:
        """A million tokens; what was paid upfront is written off. None: cost or tokens are not known."""
        base = self.used_month if used else self.month
        if base is None or not load.tokens:
            return None
        whole = base.number + (self.written_off.number if self.written_off else Decimal(0))
        return Amount(whole / load.tokens * MILLION, base.currency)

    def by(self, months: int) -> Amount | None:
        """What was paid after so many months."""
        if self.month is None:
            return None
        return Amount(self.month.number * months + (self.upfront.number if self.upfront else 0), self.month.currency)


Rates = Mapping[str, Decimal]  # what one of a currency is worth in US dollars
NO_RATES: Final[Rates] = MappingProxyType({})


def in_usd(money: Amount | None, rates: Rates) -> Amount | None:
    """In US dollars; None: there is no rate."""
    if money is None or money.currency == CURRENCY:
        return money
    rate = rates.get(money.currency)
    return None if rate is None else Amount(money.number * rate, CURRENCY)


def break_even(one: Option, other: Option, rates: Rates = NO_RATES) -> int | None:
    """The first month after which `one`, which costs more at first, has cost less than `other`. None: it never does
    within HORIZON_MONTHS, or the two cannot be compared.
    """
    ours, theirs = in_usd(one.month, rates), in_usd(other.month, rates)
    first, second = (in_usd(o.upfront or Amount(Decimal(0), CURRENCY), rates) for o in (one, other))
    if ours is None or theirs is None or first is None or second is None:
        if one.month is None or other.month is None or one.month.currency != other.month.currency:
            return None
        ours, theirs = one.month, other.month
        nothing = Amount(Decimal(0), ours.currency)
        first, second = one.upfront or nothing, other.upfront or nothing
    more, less_a_month = first.number - second.number, theirs.number - ours.number
    if less_a_month <= 0:
        return None
    months = max(0, int((more / less_a_month).to_integral_value(ROUND_FLOOR)) + 1)
    return months if months <= HORIZON_MONTHS else None


@dataclass(frozen=True)
class _Way:
    """A way of having the host on AWS: how it is bought, how long it is on, and what goes on beside it ($/h)."""

    name: str
    market: Market
    on_h: Decimal
    standing_h: Decimal
    address_h: Decimal = Decimal(0)


def on_aws(shape: Shape, load: Load) -> Iterator[Option]:
    """This stack on demand and as spot, and the same host always on, on demand and reserved for a year."""
    beside = (load.on_h, money.standing_hour(shape), money.awake_address_hour(shape))
    always = (Decimal(HOURS_A_MONTH), money.standing_hour(cost.plain(shape)))
    yield _option(_Way(OURS, Market.ON_DEMAND, *beside), shape, load)
    yield _option(_Way("the same as spot", Market.SPOT, *beside), shape, load)
    yield _option(_Way("always on, on demand", Market.ON_DEMAND, *always), shape, load)
    yield _option(_Way("always on, reserved for a year", Market.RESERVED_1Y, *always), shape, load)


def _option(way: _Way, shape: Shape, load: Load) -> Option:
    try:
        hour = prices.instance_hour(shape.region, shape.host_type, way.market) + way.address_h
    except PriceUnknown as error:
        return Option(way.name, why=str(error))
    month = hour * way.on_h + way.standing_h * HOURS_A_MONTH
    return Option(way.name, Amount(month, CURRENCY), Amount(hour * load.used_h, CURRENCY))


def workstation(machine: Workstation, load: Load, on_h: Decimal) -> Option:
    """One's own machine, on for so many hours a month."""
    energy = machine.energy_month(load.used_h, on_h)
    used = machine.energy_month(load.used_h, load.used_h)
    return Option("your workstation", energy, used, machine.price, machine.written_off_month())


def other_cloud(cloud: OtherCloud, load: Load) -> Option:
    """A machine at another cloud's price, on for the same hours."""
    return Option("the other cloud", cloud.month(load.on_h, load.starts), cloud.month(load.used_h, load.starts))


def api(million: Amount, load: Load) -> Option:
    """An API at a price for a million tokens."""
    name = "an API, by the token"
    if not load.tokens:
        return Option(name, why="how many tokens a month are used is not known: `--tokens 20M`")
    month = Amount(load.tokens / MILLION * million.number, million.currency)
    return Option(name, month)  # it has no used hours: it is compared on what is paid
