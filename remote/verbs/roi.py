"""`fab roi`: this stack's load, and what a month of it costs in each way; from which month on another way is cheaper.

The hours are measured (`fab cost`'s) unless they are given; tokens are given, since awake traffic passes no program of
ours that could count them. All that the figures assume is printed beside them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from rich.table import Table

from core.errors import SettingsError
from core.money import own, roi
from core.money.own import Amount
from core.money.prices import HOURS_A_MONTH
from core.money.roi import HORIZON_MONTHS, OURS, Load, Option, Rates
from core.settings import StackSettings
from core.settings import shape as settings_shape
from remote.verbs.cost import Cost
from remote.verbs.lease import Record

_COUNT: Final = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([kMG]?)")
_TIMES: Final = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
SHOWN_MONTHS: Final = 36  # of the picture


@dataclass(frozen=True)
class Roi:
    """The options for a load, this stack's first, and what the figures assume."""

    stack: str
    load: Load
    options: tuple[Option, ...]
    rates: Rates
    assumed: tuple[str, ...]

    def break_even(self, option: Option) -> int | None:
        """From which month on this option is cheaper than this stack, though it costs more at first."""
        return None if option.name == OURS else roi.break_even(option, self.options[0], self.rates)

    def as_dict(self) -> Record:
        """For `--json`: amounts as text with their currency, since there may be several."""
        load = self.load
        tokens = None if load.tokens is None else float(load.tokens)
        return {
            "load": {"used_h": float(load.used_h), "on_h": float(load.on_h), "starts": load.starts, "tokens": tokens},
            "options": [self._record(option) for option in self.options],
            "assumed": list(self.assumed),
        }

    def _record(self, option: Option) -> Record:
        def text(amount: Amount | None) -> str | None:
            return None if amount is None else f"{amount.number:f} {amount.currency}"

        return {
            "name": option.name,
            "month": text(option.month),
            "upfront": text(option.upfront),
            "million_tokens_used": text(option.per_million(self.load, used=True)),
            "million_tokens_allocated": text(option.per_million(self.load, used=False)),
            "break_even_month": self.break_even(option),
            "why": option.why or None,
        }


def count(text: str) -> Decimal | None:
    """`20M` tokens; None for "". SettingsError: it is no count."""
    if not text:
        return None
    match = _COUNT.fullmatch(text.strip())
    if match is None or not Decimal(match[1]):
        raise SettingsError(f'--tokens "{text}" is not a count; write e.g. 20M, 1.5M, 500k')
    return Decimal(match[1]) * _TIMES[match[2]]


def hours(name: str, text: str) -> Decimal | None:
    """Hours a month; None for "". SettingsError: no number from 0 to 730."""
    if not text:
        return None
    if not re.fullmatch(r"\d+(\.\d+)?", text) or Decimal(text) > HOURS_A_MONTH:
        raise SettingsError(f'--{name} "{text}" is not a number of hours a month (0 to {HOURS_A_MONTH}).')
    return Decimal(text)


def measured(cost: Cost, tokens: Decimal | None) -> Load:
    """The load of a stretch of history, as much of it as a month has. SettingsError: it is shorter than a day."""
    seconds = Decimal(repr(cost.until - cost.since))
    if seconds < 86400:
        raise SettingsError("There is less than a day of history: give `--hours-on` and `--hours-used` instead.")
    times = HOURS_A_MONTH * 3600 / seconds
    used, on = (Decimal(repr(s)) * times / 3600 for s in (cost.used_s, cost.on_s))
    return Load(used, on, round(cost.starts * times), tokens)


def given(on_h: Decimal, used_h: Decimal | None, tokens: Decimal | None) -> Load:
    """The load that the user says. SettingsError: more hours used than on."""
    used = on_h if used_h is None else used_h
    if used > on_h:
        raise SettingsError(f"--hours-used {used} are more than --hours-on {on_h}.")
    return Load(used, on_h, 0, tokens)


def of(settings: StackSettings, load: Load, said: Sequence[str], api: Amount | None = None) -> Roi:
    """All options of a stack. `said`: where the load is from. `api`: instead of the stack file's price."""
    shape, prices = settings_shape(settings), settings.prices
    options, assumed = list(roi.on_aws(shape, load)), list(said)
    assumed.append(f"AWS: list prices of {shape.host_type} in {shape.region} without tax and discounts (`fab prices`)")
    if prices and prices.workstation:
        mine = prices.workstation.machine()
        options.append(roi.workstation(mine, load, load.on_h))
        watts, idle, years = (f"{n.normalize():f}" for n in (mine.watts, mine.idle_watts, mine.years))
        draws = f"{watts} W while it answers and {idle} W idle at {mine.tariff} a kWh"
        assumed.append(f"workstation: {mine.price} over {years} years, {draws}, on for the same hours")
    if prices and prices.cloud:
        options.append(roi.other_cloud(prices.cloud.cloud(), load))
        step = f"a begun {prices.cloud.step} is billed whole; its disk is not in it"
        assumed.append(f"the other cloud: {prices.cloud.hour} an hour, {step}")
    if million := api or (prices.api_million_tokens if prices else None):
        options.append(roi.api(million, load))
        assumed.append(f"API: {million} for a million tokens")
    rates = prices.usd() if prices else {}
    assumed += [f"1 {name} is {rate} USD" for name, rate in rates.items()]
    return Roi(settings.stack, load, tuple(options), rates, tuple(assumed))


# ---------------------------------------------------------------- for people
def table(found: Roi) -> Table:
    """A row an option."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "a month", "at first", "1M tokens, used", "1M tokens, allocated", "cheaper after month"):
        shown.add_column(column, justify="right" if column else "left", overflow="fold")
    for option in found.options:
        if option.month is None:
            shown.add_row(option.name, "?")
            continue
        millions = [option.per_million(found.load, used=used) for used in (True, False)]
        months = found.break_even(option)
        shown.add_row(
            option.name,
            str(option.month),
            str(option.upfront or ""),
            *("" if amount is None else str(amount) for amount in millions),
            "" if option.name == OURS else "–" if months is None else str(months),
        )
    return shown


def lines(found: Roi) -> Iterator[str]:
    """What the figures assume, and why some are missing."""
    yield from (f"{option.name}: {option.why}" for option in found.options if option.why)
    if found.load.tokens is None:
        yield "Without `--tokens 20M` (a month's, read and written) nothing is said of a million tokens."
    foreign = {o.month.currency for o in found.options if o.month} - {own.SYMBOLS["$"], *found.rates}
    if foreign:
        yield f"No rate is known for {', '.join(sorted(foreign))}: not compared (pilotlight:prices.rates)."
    yield f"Assumed: {'; '.join(found.assumed)}. `–`: not within {HORIZON_MONTHS} months."
