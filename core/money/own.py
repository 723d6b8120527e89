"""Prices that users have themselves: a workstation, another cloud, an API, in the currency that they write. Pure.

An amount keeps its currency as it was written: `$`, `€`, `¥` or a code. Two currencies are never added up; a rate that
the user gives makes them comparable, and without one each is shown in its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Final

from core.errors import SettingsError
from core.money.prices import CURRENCY

SYMBOLS: Final[Mapping[str, str]] = {"$": CURRENCY, "€": "EUR", "£": "GBP"}  # ¥ stays ¥: it is Japan's and China's
EXAMPLES: Final = "$0.80, €0.32, ¥13,000, 13000 CNY"
CODE: Final = re.compile(r"[$€£¥]|[A-Z]{3}")  # how an amount names its currency
_BEFORE: Final = re.compile(rf"(?P<currency>{CODE.pattern})\s*(?P<number>[\d.,]+)")
_AFTER: Final = re.compile(rf"(?P<number>[\d.,]+)\s*(?P<currency>{CODE.pattern})")
_NUMBER: Final = re.compile(r"[1-9]\d{0,2}(,\d{3})+(\.\d+)?|\d+(\.\d+)?")
_DIGITS: Final = 15  # more are no price
# `13.000` is thirteen thousand to half of the world: a thousand's point, or three decimals of a price?
_POINT: Final = re.compile(r"[1-9]\d{0,2}\.\d{3}")
_DECIMAL_POINT: Final = frozenset({CURRENCY, "GBP", "¥", "CNY", "JPY"})  # whose users write decimals with a point
MONTHS_A_YEAR: Final = 12


@dataclass(frozen=True)
class Amount:
    """Money in one currency."""

    number: Decimal
    currency: str

    def __str__(self) -> str:
        """`12.40 USD`, `13,000 ¥`; cents where there are any."""
        places = "" if self.number == self.number.to_integral_value() else ".2f"
        small = abs(self.number) < Decimal("0.1") and self.number != 0
        return f"{self.number:,{'f' if small else places or '.0f'}} {self.currency}"


def amount(text: str) -> Amount:
    """What a user wrote. SettingsError: no amount, or no currency; `0,32` is refused, since 1,800 is a thousand, and
    `13.000 €` because it may be either.
    """
    match = _BEFORE.fullmatch(text.strip()) or _AFTER.fullmatch(text.strip())
    if match is None or not _NUMBER.fullmatch(match["number"]):
        why = "names no currency" if _NUMBER.fullmatch(text.strip()) else "is not an amount of money"
        raise SettingsError(f'"{text}" {why}; write e.g. {EXAMPLES}')
    number, currency = match["number"], SYMBOLS.get(match["currency"], match["currency"])
    if _POINT.fullmatch(number) and (number.endswith("0") or currency not in _DECIMAL_POINT):
        raise SettingsError(
            f'"{text}" may be {number.replace(".", ",")} or {number}0: write {number.replace(".", ",")} for the '
            f"thousands, {number}0 for the decimals"
        )
    if sum(letter.isdigit() for letter in number) > _DIGITS:
        raise SettingsError(f'"{text[:_DIGITS]}…" has more than {_DIGITS} digits; write e.g. {EXAMPLES}')
    return Amount(Decimal(number.replace(",", "")), currency)


@dataclass(frozen=True)
class Workstation:
    """One's own machine: its price is written off evenly over `years`; it draws `watts` while it answers, else
    `idle_watts` while it is on.
    """

    price: Amount
    years: Decimal
    watts: Decimal
    idle_watts: Decimal
    tariff: Amount  # for a kWh

    def energy_month(self, busy_h: Decimal, on_h: Decimal) -> Amount:
        """What its power costs in a month. SettingsError: price and tariff have two currencies."""
        if self.price.currency != self.tariff.currency:
            raise SettingsError(
                f"a workstation at {self.price} and a tariff of {self.tariff}: one currency for both, please"
            )
        kwh = (self.watts * busy_h + self.idle_watts * max(Decimal(0), on_h - busy_h)) / 1000
        return Amount(kwh * self.tariff.number, self.tariff.currency)

    def written_off_month(self) -> Amount:
        """The month's part of its price."""
        return Amount(self.price.number / (self.years * MONTHS_A_YEAR), self.price.currency)


@dataclass(frozen=True)
class OtherCloud:
    """A machine somewhere else: price an hour, billed by steps of so many seconds."""

    hour: Amount
    step_s: Decimal = Decimal(1)

    def month(self, hours: Decimal, starts: int) -> Amount:
        """What so many hours in so many equal runs cost, each rounded up to the step."""
        runs = max(1, starts)
        each_s = hours * 3600 / runs
        billed = (each_s / self.step_s).to_integral_value(ROUND_CEILING) * self.step_s if hours else Decimal(0)
        return Amount(billed * runs / 3600 * self.hour.number, self.hour.currency)
