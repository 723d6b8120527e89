"""What of a stack's engines cannot work on its GPUs, and what would. Pure: sentences for `pulumi preview`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from core.capacity import ladder
from core.capacity.gpus import Gpu
from core.capacity.instance_types import GPUS, Gpus, architecture, fraction_refusal
from core.engines.sizing import choice, known
from core.engines.sizing.architecture import CannotSize, parse
from core.engines.sizing.fit import AUTO, NO_FLOAT16, Fit, Model, Wish, fit
from core.engines.sizing.reserve import SEQUENCES, UTILIZATION

NAMED: Final = 3  # types that a message proposes
_ENGINES: Final = "pilotlight:engines"
_TYPES: Final = "pilotlight:host.instanceTypes"
# Flags after which the memory is shared out otherwise than sizing counts: nothing is said of such an engine then
_OTHERWISE: Final = frozenset(
    {"kv-cache-memory-bytes", "cpu-offload-gb", "pipeline-parallel-size", "data-parallel-size"}
)


@dataclass(frozen=True)
class Engine:
    """One engine on a GPU as the stack file has it. `model` None: its size is not known."""

    name: str
    model: Model | None
    wish: Wish


def wish(flags: Mapping[str, Any], *, context: int, dtype: str, quantization: str | None, gpus: int) -> Wish:
    """How an engine is to be served, by its settings and all of its flags."""
    return Wish(
        context=context,
        dtype=dtype,
        quantization=quantization,
        kv_dtype=str(flags.get("kv-cache-dtype", AUTO)),
        gpus=gpus,
        utilization=float(flags.get("gpu-memory-utilization", UTILIZATION)),
        step_tokens=_number(flags.get("max-num-batched-tokens")),
        sequences=_number(flags.get("max-num-seqs")) or SEQUENCES,
        most_context=_overridden(flags),
    )


def counts(flags: Mapping[str, Any]) -> bool:
    """Whether sizing counts as vLLM will with these flags."""
    return not _OTHERWISE & set(flags)


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _overridden(flags: Mapping[str, Any]) -> int | None:
    """The context that hf-overrides set, as for YaRN."""
    try:
        overrides = json.loads(str(flags.get("hf-overrides", "{}")))
    except ValueError:
        return None
    return _number(overrides.get("max_position_embeddings")) if isinstance(overrides, Mapping) else None


def problems(engines: Sequence[Engine], types: Sequence[str], region: str) -> Iterator[str]:
    """What would fail on the preferred type, each with what would not. `types`: the stack file's."""
    for name in types:
        if engines and (why := fraction_refusal(name)):
            yield f"{_TYPES}: {name} {why}"
    host = GPUS.get(types[0]) if types else None
    if host is None:
        return
    yield from _shared(engines)
    for engine in engines:
        if engine.model is None:
            continue
        found = _fit(engine, host)
        if found is not None and found.problem:
            yield (
                f"{_ENGINES}.{engine.name}: {engine.model.name} cannot be served on {types[0]} ({host.count} × "
                f"{host.kind.name}): {found.problem}{_instead(engine, engine.model, found, types[0], region)}"
            )


def _fit(engine: Engine, host: Gpus) -> Fit | None:
    """None where the weights cannot be told."""
    assert engine.model is not None
    try:
        return fit(engine.model, host, engine.wish)
    except CannotSize:
        return None


def _shared(engines: Sequence[Engine]) -> Iterator[str]:
    """Every engine begins with the first GPU and takes its part of it."""
    parts = {engine.name: engine.wish.utilization for engine in engines}
    if sum(parts.values()) <= 1:
        return
    told = ", ".join(f"{name} {part:.0%}" for name, part in parts.items())
    part = int(95 / len(parts)) / 100
    yield (
        f"{_ENGINES}: together they take more than the GPU has ({told}); vLLM takes {UTILIZATION:.0%} by itself. "
        f"Share it out, e.g. flags: {{gpu-memory-utilization: {part}}} for each"
    )


def _instead(engine: Engine, model: Model, found: Fit, name: str, region: str) -> str:
    """What would: a shorter context here, the same model in four bits here, or another type."""
    ways = []
    wanted = engine.wish.context
    if wanted is not None and 0 < found.longest < wanted <= (engine.wish.most_context or model.architecture.context):
        ways.append(f"maxModelLen {found.longest} or less")
    if (smaller := _in_four_bits(engine, model, name)) is not None:
        ways.append(smaller)
    if others := _others(engine, model, name, region):
        ways.append(f"{', '.join(others)} first in {_TYPES}")
    return f". What would do: {'; or '.join(ways)}" if ways else ""


def _in_four_bits(engine: Engine, model: Model, name: str) -> str | None:
    for suffix in ("-AWQ", "-GPTQ-Int4"):
        other = known.MODELS.get(f"{model.name}{suffix}")
        if other is None:
            continue
        smaller = replace(engine, model=Model(f"{model.name}{suffix}", parse(other)))
        found = _fit(smaller, GPUS[name])
        if found is not None and found.fits:
            return f"model {model.name}{suffix}"
    return None


def _others(engine: Engine, model: Model, name: str, region: str) -> list[str]:
    """The cheapest types of the same processor that would do, with their prices."""
    found: dict[tuple[str, int], str] = {}  # one of each kind of GPUs: its larger sizes cost more for the same
    for offer in choice.offers(model, engine.wish, region, all_gpus=False):
        if offer.gpus and offer.fits and architecture(offer.instance_type) == architecture(name):
            price = f" (${offer.usd_h:.3f}/h)" if offer.usd_h is not None else ""
            found.setdefault((offer.gpus.kind.name, offer.gpus.count), f"{offer.instance_type}{price}")
    return list(found.values())[:NAMED]


def skipped(engines: Sequence[Engine], types: Sequence[str]) -> dict[str, str]:
    """The types that the capacity ladder leaves out, and why. By GPU memory where a model's size is not known."""
    if not engines:
        return {}
    by_memory = ladder.by_memory(types)
    if any(engine.model is None for engine in engines):
        return by_memory
    found = {}
    for name in types[1:]:
        if why := _first_problem(engines, name, by_memory):
            found[name] = why
    return found


def _first_problem(engines: Sequence[Engine], name: str, by_memory: Mapping[str, str]) -> str:
    host = GPUS.get(name)
    if host is None:
        return fraction_refusal(name)
    for engine in engines:
        found = _fit(engine, host)
        if found is None:
            return by_memory.get(name, "")
        if found.problem:
            return f"{engine.name}: {found.problem}"
    return ""


def dtype(wanted: str, model_name: str, types: Sequence[str]) -> str:
    """The arithmetic to tell vLLM: float16 where one of the host's types has no bfloat16, so that all answer alike.

    A model that is not stable in float16 is left as it is: such a type is skipped, or refused where it is the first.
    """
    cards: list[Gpu] = [GPUS[name].kind for name in types if name in GPUS]
    if wanted != AUTO or all(card.has_bfloat16 for card in cards):
        return wanted
    return wanted if known.MODELS.get(model_name, {}).get("model_type") in NO_FLOAT16 else "float16"
