"""Prices that a stack's user has beside AWS's, for `fab roi`: their form in the file, and what they become."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from core.errors import SettingsError
from core.money import own
from core.money.own import Amount
from core.money.prices import CURRENCY
from core.settings import applied
from core.settings.section import Section

STEPS = {"second": 1, "minute": 60, "hour": 3600}


def _amount(value: Any) -> Amount:
    if not isinstance(value, str):
        raise ValueError(f"must be text with a currency; write e.g. {own.EXAMPLES}")
    try:
        return own.amount(value)
    except SettingsError as error:
        raise ValueError(str(error).removeprefix(f'"{value}" ')) from error  # the reader of settings names the value


def _rates(rates: Mapping[str, float]) -> Mapping[str, float]:
    """One of each currency that amounts can have; not of the dollar, which they are counted in."""
    meant = [own.SYMBOLS.get(name, name) for name in rates]
    for name, currency in zip(rates, meant, strict=True):
        if not own.CODE.fullmatch(name):
            raise ValueError(f"has {name!r}, which no amount has; write a currency as amounts do, e.g. {{EUR: 1.08}}")
        if currency == CURRENCY or meant.count(currency) > 1:
            why = "is what rates are counted in" if currency == CURRENCY else "has two"
            raise ValueError(f"has {name}, but {currency} {why}; take it away")
    return rates


Money = Annotated[Amount, BeforeValidator(_amount), WithJsonSchema({"type": "string"})]
Positive = Annotated[float, Field(gt=0)]


class Workstation(Section):
    """A machine of one's own."""

    model_config = applied.section(applied.AT_ONCE)

    price: Money = Field(description=f"What it cost, with its currency: {own.EXAMPLES}.")
    years: Positive = Field(default=3.0, description="Over so many years its price is written off, evenly.")
    watts: Positive = Field(description="What it draws while it answers, watts.")
    idle_watts: Annotated[float, Field(ge=0)] = Field(default=60.0, description="And while it is on and idle, watts.")
    tariff: Money = Field(description="A kWh, in the currency of the price.")

    def machine(self) -> own.Workstation:
        """As money is reckoned with it."""
        years, watts, idle = (Decimal(repr(n)) for n in (self.years, self.watts, self.idle_watts))
        return own.Workstation(self.price, years, watts, idle, self.tariff)


class OtherCloud(Section):
    """A machine with the same GPU somewhere else."""

    model_config = applied.section(applied.AT_ONCE)

    hour: Money = Field(description="An hour of it, with its currency.")
    step: Literal["second", "minute", "hour"] = Field(default="second", description="A begun one is billed whole.")

    def cloud(self) -> own.OtherCloud:
        """As money is reckoned with it."""
        return own.OtherCloud(self.hour, Decimal(STEPS[self.step]))


class Prices(Section):
    """Your own prices, which `fab roi` compares this stack with."""

    model_config = applied.section(applied.AT_ONCE)

    workstation: Workstation | None = Field(
        default=None, description="A machine of your own: {price, years: 3, watts, idleWatts: 60, tariff: of a kWh}."
    )
    cloud: OtherCloud | None = Field(
        default=None, description="The same GPU somewhere else: {hour, step: second, minute or hour}."
    )
    api_million_tokens: Money | None = Field(
        default=None, description="A million tokens of an API, with its currency; a mean of what is read and written."
    )
    rates: Annotated[Mapping[str, Positive], AfterValidator(_rates)] = Field(
        default_factory=dict,
        description="What one of a currency is worth in US dollars, e.g. {EUR: 1.08}. Without it nothing is converted.",
    )

    def usd(self) -> dict[str, Decimal]:
        """The rates by the currency's name in amounts."""
        return {own.SYMBOLS.get(name, name): Decimal(repr(rate)) for name, rate in self.rates.items()}
