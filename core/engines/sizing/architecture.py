"""A model's shape, from its `config.json`: what its weights and its KV cache are counted by. Pure.

The fields are those of Hugging Face's configurations (transformers). Another family: its `model_type` in `_FAMILIES`,
and what it counts otherwise in `parameters.py`. A model whose layers keep a state that is no KV cache (Mamba, linear
attention) is refused, not guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.errors import PilotlightError

Config = Mapping[str, Any]
DTYPE_BYTES: Final = {"float32": 4, "bfloat16": 2, "float16": 2}
# Keys of models with layers that keep another state than keys and values
_OTHER_STATE: Final = ("ssm_cfg", "mamba_d_state", "mamba_n_heads", "linear_num_value_heads", "full_attention_interval")
_ATTENTION_LAYERS: Final = frozenset({"full_attention", "sliding_attention"})
_EXPERTS: Final = ("n_routed_experts", "num_experts", "num_local_experts")
_MOST: Final = 2**31 - 1  # of any whole number in a configuration: more is none that a model has


class CannotSize(PilotlightError):
    """The model's configuration does not tell how much memory it takes; the message is a sentence about it."""


@dataclass(frozen=True)
class Family:
    """What a `model_type` counts beyond Llama's layer, which has a gated MLP and two norms."""

    qkv_bias: bool = False
    head_norms: bool = False  # a norm over a head's queries and keys
    norms: int = 2  # a layer
    tied: bool = False  # transformers' default where config.json does not say


_FAMILIES: Final[Mapping[str, Family]] = {
    "llama": Family(),
    "mistral": Family(),
    "mixtral": Family(),
    "phi3": Family(),
    "qwen2": Family(qkv_bias=True),
    "qwen3": Family(head_norms=True),
    "qwen3_moe": Family(head_norms=True),
    "gemma2": Family(norms=4, tied=True),
    "gemma3": Family(norms=4, head_norms=True, tied=True),
    "gemma3_text": Family(norms=4, head_norms=True, tied=True),
    "deepseek_v2": Family(),
    "deepseek_v3": Family(),
}


@dataclass(frozen=True)
class LayerGroup:
    """Layers whose KV cache is alike. `window`: tokens of a sliding window, None: all are kept."""

    layers: int
    window: int | None


@dataclass(frozen=True)
class Latent:
    """DeepSeek's multi-head latent attention: one compressed vector a token instead of keys and values."""

    kv_rank: int
    rope_dim: int
    nope_dim: int
    value_dim: int
    query_rank: int | None


@dataclass(frozen=True)
class Experts:
    """A mixture of experts: `dense_layers` have an MLP as usual, the others route each token to `used` of `count`."""

    count: int
    used: int
    width: int
    shared_width: int
    dense_layers: int


@dataclass(frozen=True)
class Yarn:
    """How far a model's card extends its context by YaRN, which must be asked for; tokens."""

    context: int
    original: int
    theta: float


@dataclass(frozen=True)
class Quantization:
    """How the linear layers are stored. `bits` of a weight, and of scales and zeros for each of them."""

    method: str
    bits: float


@dataclass(frozen=True)
class Architecture:
    """A model's shape. Sizes in elements, `context` in tokens as its configuration gives it."""

    kind: str  # model_type
    family: Family | None  # None: not one that we can count the weights of
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp: int
    vocab: int
    context: int
    yarn: Yarn | None
    tied: bool
    dtype: str
    groups: tuple[LayerGroup, ...]
    latent: Latent | None = None
    experts: Experts | None = None
    quantization: Quantization | None = None
    vision: Config | None = None  # the configuration of an image encoder, which is loaded too

    @property
    def most_context(self) -> int:
        """Tokens, YaRN included."""
        return max(self.context, self.yarn.context if self.yarn else 0)


def parse(config: Config) -> Architecture:
    """A model's shape. CannotSize says which field is missing, or why such a model is not sized.

    `yarn` is no key of config.json: `known.py` adds it.
    """
    text: Config = {**config, **config["text_config"]} if isinstance(config.get("text_config"), Mapping) else config
    kind = str(config.get("model_type", ""))
    _refuse_other_state(text, kind)
    layers, heads, hidden = (_whole(text, key) for key in ("num_hidden_layers", "num_attention_heads", "hidden_size"))
    family = _FAMILIES.get(kind) or _FAMILIES.get(str(text.get("model_type", "")))
    context = _whole(text, "max_position_embeddings")
    return Architecture(
        kind=kind,
        family=family,
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=_or(text, "num_key_value_heads", heads),
        head_dim=_or(text, "head_dim", hidden // heads),
        mlp=_whole(text, "intermediate_size"),
        vocab=_whole(text, "vocab_size"),
        context=context,
        yarn=_yarn(config),
        tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", bool(family and family.tied)))),
        dtype=_dtype(text),
        groups=_groups(text, layers, context),
        latent=_latent(text),
        experts=_experts(text),
        quantization=quantization(config.get("quantization_config")),
        vision=config.get("vision_config") or None,
    )


def _whole(config: Config, key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise CannotSize(f"its config.json has no `{key}`, or one that is no usual whole number ({value!r:.40})")
    return value


def _or(config: Config, key: str, usual: int) -> int:
    """A whole number that may be left out: null and 0 say that it is."""
    return _whole(config, key) if config.get(key) else usual


def _yarn(config: Config) -> Yarn | None:
    if not (found := config.get("yarn")):
        return None
    if not isinstance(found, list | tuple) or [type(value) for value in found] not in ([int, int, float], [int] * 3):
        raise CannotSize("its `yarn`, which is context, original context and theta, is not three numbers")
    return Yarn(*found)


def _layer_types(config: Config) -> Sequence[str]:
    found = config.get("layer_types") or ()
    if not isinstance(found, list | tuple) or not all(isinstance(kind, str) for kind in found):
        raise CannotSize("its config.json has `layer_types` that are no list of names")
    return found


def _refuse_other_state(config: Config, kind: str) -> None:
    other = [key for key in _OTHER_STATE if config.get(key)]
    strange = sorted(set(_layer_types(config)) - _ATTENTION_LAYERS)
    if other or strange:
        found = ", ".join([*other, *strange])
        raise CannotSize(f"it is a {kind or 'model'} with layers that keep no KV cache ({found}), which is not sized")


def _dtype(config: Config) -> str:
    """What vLLM takes for `auto`: float32 checkpoints are served in 16 bits (float16 where nothing is said)."""
    named = str(config.get("torch_dtype") or config.get("dtype") or "float16")
    return named if named in ("bfloat16", "float16") else "float16"


def _groups(config: Config, layers: int, context: int) -> tuple[LayerGroup, ...]:
    """Full layers first. A window as long as the context is none."""
    if config.get("use_sliding_window") is False or (window := _or(config, "sliding_window", context)) >= context:
        return (LayerGroup(layers, None),)
    sliding = _sliding_layers(config, layers)
    found = (LayerGroup(layers - sliding, None), LayerGroup(sliding, window))
    return tuple(group for group in found if group.layers)


def _sliding_layers(config: Config, layers: int) -> int:
    """How many layers see a window only: `layer_types` says it, else the family's pattern (transformers' defaults)."""
    if types := _layer_types(config):
        return sum(kind == "sliding_attention" for kind in types)
    kind = str(config.get("model_type", ""))
    every = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6}.get(kind)
    every = _or(config, "sliding_window_pattern", every or 0)
    return layers - layers // every if every else layers


def _latent(config: Config) -> Latent | None:
    if not config.get("kv_lora_rank"):
        return None
    names = ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    rank, rope, nope, value = (_whole(config, name) for name in names)
    return Latent(rank, rope, nope, value, _or(config, "q_lora_rank", 0) or None)


def _experts(config: Config) -> Experts | None:
    count = next((_whole(config, key) for key in _EXPERTS if config.get(key)), 0)
    if not count:
        return None
    width = _or(config, "moe_intermediate_size", 0) or _whole(config, "intermediate_size")
    shared = _or(config, "n_shared_experts", 0) * width
    used = _whole(config, "num_experts_per_tok")
    return Experts(count, used, width, shared, _or(config, "first_k_dense_replace", 0))


def quantization(config: Any) -> Quantization | None:
    """How a checkpoint's linear layers are stored; CannotSize where that is not told."""
    if not isinstance(config, Mapping):
        return None
    method = str(config.get("quant_method", ""))
    if method in ("awq", "gptq"):
        return grouped(method, _or(config, "bits", 4), _group(config, 128))
    if method == "fp8":
        return Quantization("fp8", 8)
    if method == "compressed-tensors":
        named = config.get("config_groups")
        parts = named.values() if isinstance(named, Mapping) else ()
        groups = [part.get("weights") for part in parts if isinstance(part, Mapping)]
        if weights := next((w for w in groups if isinstance(w, Mapping) and w.get("num_bits")), None):
            return grouped(method, _whole(weights, "num_bits"), _group(weights, 0))
    raise CannotSize(f"it is quantized by {method or 'a method without a name'}, whose size is not known here")


def _group(config: Config, usual: int) -> int:
    """So many weights share a scale; -1: a row."""
    return -1 if config.get("group_size") == -1 else _or(config, "group_size", usual)


def grouped(method: str, bits: int, group: int) -> Quantization:
    """A scale of 16 bits and a zero of `bits` for each group of weights; group 0 or -1: a row has one, near nothing."""
    return Quantization(method, bits + ((16 + bits) / group if group > 0 else 0))
