"""A stack's engines as sizing sees them. What a model takes comes from the table of usual ones or the lock file."""

from __future__ import annotations

from collections.abc import Mapping

from core.capacity import ladder
from core.engines import model_source
from core.engines.profiles import PROFILES
from core.engines.sizing import check, known
from core.engines.sizing.architecture import parse
from core.engines.sizing.check import Engine
from core.engines.sizing.fit import Model
from core.settings.hosts import Ec2Host
from core.settings.model import StackSettings


def sized(settings: StackSettings, locked: Mapping[str, Model]) -> tuple[Engine, ...]:
    """Its engines on a GPU. `locked`: models by their text in a stack file."""
    found = []
    for name, engine in settings.engines.items():
        flags = {**PROFILES[engine.profile].flags, **engine.flags}
        wish = check.wish(
            flags,
            context=engine.max_model_len,
            dtype=dtype(settings, name),
            quantization=engine.quantization,
            gpus=engine.gpus,
        )
        if engine.device == "gpu":
            found.append(Engine(name, _model(engine.model, locked) if check.counts(flags) else None, wish))
    return tuple(found)


def dtype(settings: StackSettings, name: str) -> str:
    """The arithmetic of an engine on this stack's types of hosts."""
    engine = settings.engines[name]
    if engine.device != "gpu":
        return engine.dtype
    return check.dtype(engine.dtype, model_source.parse(engine.model).name, _types(settings))


def unknown(settings: StackSettings, locked: Mapping[str, Model]) -> tuple[str, ...]:
    """The models of the hub whose size nobody has looked up: what `fab size MODEL --lock` is for."""
    hub = (e.model for e in settings.engines.values() if e.device == "gpu" and _is_hub(e.model))
    return tuple(dict.fromkeys(text for text in hub if _model(text, locked) is None))


def skipped_types(settings: StackSettings, locked: Mapping[str, Model]) -> ladder.Skipped:
    """The types that the capacity ladder leaves out, and why."""
    return check.skipped(sized(settings, locked), _types(settings))


def problems(settings: StackSettings, locked: Mapping[str, Model]) -> tuple[str, ...]:
    """What of the engines cannot be served on the host's GPUs, each with what would do.

    Of a machine of one's own nothing is said: no setting names its GPU.
    """
    return tuple(check.problems(sized(settings, locked), _types(settings), settings.region))


def _types(settings: StackSettings) -> tuple[str, ...]:
    return settings.host.instance_types if isinstance(settings.host, Ec2Host) else ()


def _is_hub(text: str) -> bool:
    return model_source.parse(text).kind is model_source.Kind.HUB


def _model(text: str, locked: Mapping[str, Model]) -> Model | None:
    if text in locked:
        return locked[text]
    source = model_source.parse(text)
    fields = known.MODELS.get(source.name) if source.kind is model_source.Kind.HUB else None
    return Model(source.name, parse(fields)) if fields else None
