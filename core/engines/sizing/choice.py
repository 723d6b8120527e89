"""Every instance type that we know, sized for one model: what fits, at what price, and the cheapest. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from core.capacity import gpus
from core.capacity.instance_types import FRACTIONS, GPUS, Gpus, fraction_refusal
from core.engines.sizing.fit import Fit, Model, Wish, divisor, fit
from core.money import prices

SHORT: Final = 4096  # tokens of an ordinary chat
LONG: Final = (32768, 131072)


@dataclass(frozen=True)
class Offer:
    """One instance type. `refused`: why it is no host for any model; else `fit` says what it is for this one."""

    instance_type: str
    gpus: Gpus | None
    fit: Fit | None
    refused: str
    usd_h: float | None  # None: no price is known

    @property
    def fits(self) -> bool:
        """Whether the model can be served there as wished."""
        return self.fit is not None and self.fit.fits

    @property
    def problem(self) -> str:
        """Why not, a sentence; "" where it can."""
        return self.refused or (self.fit.problem if self.fit else "")

    def streams(self, tokens: int) -> int:
        """Requests of so many tokens at once."""
        return self.fit.streams(tokens) if self.fit is not None and self.fit.fits else 0


def offers(model: Model, wish: Wish, region: str, *, all_gpus: bool = True) -> list[Offer]:
    """The cheapest first, those without a price after them by their memory, those that are refused last.

    `all_gpus`: split over as many of a host's GPUs as the model can be; else over as many as are wished.
    """
    found = [_offer(model, wish, name, has, region, all_gpus=all_gpus) for name, has in GPUS.items()]
    found += [Offer(name, None, None, fraction_refusal(name), usd_h(region, name)) for name in FRACTIONS]
    return sorted(found, key=_order)


def own_cards(model: Model, wish: Wish) -> dict[str, Fit]:
    """The model on one usual card of a workstation, by the card's name."""
    return {gpu.name: fit(model, Gpus(1, gpu), replace(wish, gpus=1)) for gpu in gpus.OWN}


def cheapest(found: Iterable[Offer], tokens: int = SHORT) -> Offer | None:
    """The first that fits and has room for one request of so many tokens; None where there is none."""
    return next((offer for offer in found if offer.streams(tokens)), None)


def usd_h(region: str, instance_type: str) -> float | None:
    """Its price on demand, $/h; None where none is known."""
    try:
        return float(prices.instance_hour(region, instance_type))
    except prices.PriceUnknown:
        return None


def _offer(model: Model, wish: Wish, name: str, has: Gpus, region: str, *, all_gpus: bool) -> Offer:
    used = divisor(model.architecture, has.count) if all_gpus else wish.gpus
    return Offer(name, has, fit(model, has, replace(wish, gpus=used)), "", usd_h(region, name))


def _order(offer: Offer) -> tuple[bool, bool, float, str]:
    gib = float(offer.gpus.gib) if offer.gpus else 0.0
    price = offer.usd_h
    return bool(offer.refused), price is None, gib if price is None else price, offer.instance_type
