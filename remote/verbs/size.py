"""`fab size MODEL`: every instance type that we know, sized for a model. Asks no machine and no AWS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table

from core.engines.sizing import choice, known
from core.engines.sizing import lock as file
from core.engines.sizing.architecture import CannotSize
from core.engines.sizing.choice import LONG, SHORT, Offer
from core.engines.sizing.fit import AUTO, LEAST_CAPABILITY, Fit, Model, Wish
from core.engines.sizing.parameters import count
from core.errors import DeployError, SettingsError
from remote import paths
from remote.model_files import Found
from remote.stack_files import CHECKOUT

DTYPES: Final = (AUTO, "float16", "bfloat16", "float32")
KV_DTYPES: Final = (AUTO, "fp8", "fp8_e4m3", "fp8_e5m2")
K: Final = 1024
LEAST: Final = 120  # columns of the table, some of its remarks included


@dataclass(frozen=True)
class Sized:
    """What was found, the cheapest first."""

    model: Model
    wish: Wish
    region: str
    offers: Sequence[Offer]
    own_cards: Mapping[str, Fit]

    @property
    def source(self) -> str:
        """Where the model's shape was read, and how its weights were counted."""
        table = self.model.name in known.MODELS and self.model.stored_bytes is None
        where = f"the table of usual models ({known.source(self.model.name)})" if table else "its files"
        weights = "counted by the shape" if self.model.stored_bytes is None else "as its files have them"
        return f"{where}; weights {weights}"

    def as_dict(self) -> dict[str, Any]:
        """For `--json` (docs/json.md)."""
        model = self.model.architecture
        best = {tokens: choice.cheapest(self.offers, tokens) for tokens in (SHORT, *LONG)}
        return {
            "model": self.model.name,
            "source": self.source,
            "region": self.region,
            "context": model.context,
            "yarn_context": model.yarn.context if model.yarn else None,
            "cheapest": {str(tokens): offer.instance_type if offer else None for tokens, offer in best.items()},
            "types": [_plain(offer) for offer in self.offers],
            "own_cards": [{"gpu": name, **_sizes(fit)} for name, fit in self.own_cards.items()],
        }


def size(model: Model, wish: Wish, region: str) -> Sized:
    """Size a model. SettingsError: a wrong flag; DeployError: its weights cannot be told."""
    methods = _methods(model)
    for flag, value, allowed in (
        ("dtype", wish.dtype, DTYPES),
        ("kv-cache-dtype", wish.kv_dtype, KV_DTYPES),
        ("quantization", wish.quantization or methods[0], methods),
    ):
        if value not in allowed:
            raise SettingsError(f'--{flag} "{value}" is not allowed; allowed: {", ".join(allowed)}.')
    try:
        return Sized(model, wish, region, choice.offers(model, wish, region), choice.own_cards(model, wish))
    except CannotSize as error:
        raise DeployError(f"{model.name} cannot be sized: {error}.") from error


def _methods(model: Model) -> tuple[str, ...]:
    """vLLM's `quantization` that is counted here for this model: its own method, or FP8 while it loads."""
    stored = model.architecture.quantization
    if stored is None:
        return ("fp8",)
    return tuple(method for method in (stored.method, f"{stored.method}_marlin") if method in LEAST_CAPABILITY)


def lock(text: str, found: Found, folder: Path = CHECKOUT / "stacks") -> str:
    """Note a model for preview; says what was done. DeployError: the file cannot be written."""
    if found.in_table:
        return f"{text} is in the table of usual models, which preview knows: nothing to note."
    path = folder / file.NAME
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else "{}"
    except (OSError, UnicodeDecodeError) as error:
        raise DeployError(f"{path} cannot be read: {getattr(error, 'strerror', '') or error}.") from error
    paths.replace(path, file.written(before, text, found.config, found.model.stored_bytes))
    return f"{text} is noted in {path}: commit it."


def _plain(offer: Offer) -> dict[str, Any]:
    fit = offer.fit
    return {
        "instance_type": offer.instance_type,
        "gpu": offer.gpus.kind.name if offer.gpus else None,
        "gpus": offer.gpus.count if offer.gpus else None,
        "gpus_used": fit.gpus if fit else None,
        "price_usd_h": offer.usd_h,
        **_sizes(fit),
        "fits": offer.fits,
        "problem": offer.problem or None,
    }


def _sizes(fit: Fit | None) -> dict[str, Any]:
    return {
        "fits": fit is not None and fit.fits,
        "problem": (fit.problem or None) if fit else None,
        "dtype": fit.dtype if fit else None,
        "weights_gib": round(fit.weights_gib, 2) if fit else None,
        "reserve_gib": round(fit.reserve_gib, 2) if fit else None,
        "kv_cache_gib": round(max(0.0, fit.free_gib), 2) if fit else None,
        "kv_cache_tokens": fit.tokens if fit else None,
        "longest_tokens": fit.longest if fit else None,
        "streams": {str(tokens): fit.streams(tokens) if fit and fit.fits else 0 for tokens in (SHORT, *LONG)},
    }


# ---------------------------------------------------------------- for people
@dataclass(frozen=True)
class Listing:
    """What a terminal shows."""

    found: Sized

    def __rich_console__(self, _: Console, __: ConsoleOptions) -> Iterator[RenderableType]:
        yield "\n".join(head(self.found))
        yield _table(self.found)
        yield "\n".join(foot(self.found))


def head(found: Sized) -> list[str]:
    """The model in a line, and where that was read."""
    model = found.model.architecture
    weights = f"{count(model).total / 1e9:.2f} billion weights, " if model.family else ""
    stored = model.quantization.method.upper() if model.quantization else model.dtype
    reach = f"{model.context:,} tokens" + (f" ({model.yarn.context:,} by YaRN)" if model.yarn else "")
    return [f"{found.model.name}: {weights}{stored}, context {reach}", f"from {found.source}", ""]


def _table(found: Sized) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("type", no_wrap=True)
    table.add_column("GPU", no_wrap=True)
    for name in ("$/h", "KV cache GiB", "longest", "at once: 4K", "32K", "128K"):
        table.add_column(name, justify="right")
    table.add_column("")
    for offer, alike in _grouped(found.offers):
        table.add_row(*_cells(offer, alike, found.model))
    for name, fit in found.own_cards.items():
        table.add_row("your own", f"1 × {name}", "–", *_sized_cells(fit, _dtype_note(fit, found.model)))
    return table


def _grouped(offers: Sequence[Offer]) -> list[tuple[Offer, list[str]]]:
    """One row for types with the same GPUs, led by the cheapest: they differ in processors and memory only."""
    found: dict[tuple[str, str, int], tuple[Offer, list[str]]] = {}
    for offer in offers:
        if offer.gpus is None:
            continue
        family, _, size = offer.instance_type.partition(".")
        key = (family, offer.gpus.kind.name, offer.gpus.count)
        if key in found:
            found[key][1].append(size)
        else:
            found[key] = (offer, [])
    return list(found.values())


def _cells(offer: Offer, alike: Sequence[str], model: Model) -> tuple[str, ...]:
    price = f"{offer.usd_h:.3f}" if offer.usd_h is not None else "–"
    gpu = f"{offer.gpus.count} × {offer.gpus.kind.name}" if offer.gpus else "–"
    assert offer.fit is not None
    note = "; ".join(filter(None, (_note(offer, model), f"also {', '.join(alike)}" if alike else "")))
    return offer.instance_type, gpu, price, *_sized_cells(offer.fit, note)


def _sized_cells(fit: Fit, note: str) -> tuple[str, ...]:
    if not fit.fits:
        return "–", "no", "–", "–", "–", fit.problem
    streams = (f"{fit.streams(tokens):,}" if fit.streams(tokens) else "–" for tokens in (SHORT, *LONG))
    return f"{fit.free_gib:.1f}", f"{fit.longest:,}", *streams, note


def _note(offer: Offer, model: Model) -> str:
    assert offer.fit is not None
    assert offer.gpus is not None
    fit, notes = offer.fit, []
    if fit.gpus < offer.gpus.count:
        notes.append(f"{fit.gpus} of its GPUs used" if fit.gpus > 1 else "one of its GPUs used")
    return ", ".join(filter(None, (*notes, _dtype_note(fit, model))))


def _dtype_note(fit: Fit, model: Model) -> str:
    return fit.dtype if fit.dtype != model.architecture.dtype else ""


def foot(found: Sized) -> list[str]:
    """What to take."""
    lines = [""]
    for tokens in (SHORT, *LONG):
        if tokens > found.model.architecture.most_context:
            lines.append(f"{tokens // K}K: the model ends at {found.model.architecture.most_context:,} tokens")
            continue
        offer = choice.cheapest(found.offers, tokens)
        lines.append(f"{tokens // K}K: {_best(offer, tokens)}")
    if found.model.architecture.yarn and found.model.architecture.context < LONG[-1]:
        lines.append("beyond the configured context YaRN must be asked for: docs/sizing.md")
    refused = [offer for offer in found.offers if offer.gpus is None]
    lines += (
        [f"{', '.join(offer.instance_type for offer in refused)}: refused, {refused[0].refused}"] if refused else []
    )
    return [*lines, "KV cache: GiB for it on each GPU; longest: tokens of a single request. How exact: docs/sizing.md"]


def _best(offer: Offer | None, tokens: int) -> str:
    if offer is None:
        return "fits none of the types above"
    many = f"{offer.streams(tokens):,} at once"
    if offer.usd_h is None:
        return f"the smallest that fits is {offer.instance_type}, whose price is not known here, {many}"
    return f"the cheapest is {offer.instance_type}, ${offer.usd_h:.3f}/h, {many}"
