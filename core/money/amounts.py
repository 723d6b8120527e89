"""Amounts as people write them: `0.50 USD`, `$0.5`, `13,000 ¥`. They become a number and a currency once, here.

An amount without a currency is refused, never taken as dollars. `$`, `€` and `£` are USD, EUR and GBP; `¥` stays as it
is written, since two countries write it. Nothing is converted: amounts of two currencies are not compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from core.errors import SettingsError

EXAMPLES: Final = "`0.50 USD`, `€0.40`, `¥16.80`"
_SIGNS: Final = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "¥"}
_NUMBER: Final = r"(?P<number>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
_BEFORE: Final = re.compile(rf"(?P<currency>[$€£¥]|[A-Za-z]{{3}}) ?{_NUMBER}", re.ASCII)
_AFTER: Final = re.compile(rf"{_NUMBER} ?(?P<currency>[$€£¥]|[A-Za-z]{{3}})", re.ASCII)


@dataclass(frozen=True)
class Amount:
    """`value` in `currency` (an ISO 4217 code, or `¥`)."""

    value: float
    currency: str


def parse(text: str, what: str) -> Amount:
    """The amount in a text. SettingsError names `what` it is of, and says what is missing or wrong."""
    written = text.strip()
    match = _BEFORE.fullmatch(written) or _AFTER.fullmatch(written)
    if match is None:
        if re.fullmatch(_NUMBER, written):
            raise SettingsError(f'{what}: "{written}" has no currency; write e.g. {EXAMPLES}')
        raise SettingsError(f'{what}: "{text:.40}" is not an amount; write e.g. {EXAMPLES}')
    currency = match["currency"]
    return Amount(float(match["number"].replace(",", "")), _SIGNS.get(currency, currency.upper()))
