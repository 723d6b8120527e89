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
        kv_heads=int(text.get("num_key_value_heads") or heads),
        head_dim=int(text.get("head_dim") or hidden // heads),
        mlp=_whole(text, "intermediate_size"),
        vocab=_whole(text, "vocab_size"),
        context=context,
        yarn=Yarn(*config["yarn"]) if config.get("yarn") else None,
        tied=bool(text.get("tie_word_embeddings", config.get("tie_word_embeddings", bool(family and family.tied)))),
        dtype=_dtype(text),
        groups=_groups(text, layers, context),
        latent=_latent(text),
        experts=_experts(text),
        quantization=quantization(config.get("quantization_config")),
        vision=config.get("vision_config"),
    )


def _whole(config: Config, key: str) -> int:
    value = config.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise CannotSize(f"its config.json has no `{key}`, or one that is no whole number ({value!r})")
    return value


def _refuse_other_state(config: Config, kind: str) -> None:
    other = [key for key in _OTHER_STATE if config.get(key)]
    strange = sorted(set(config.get("layer_types") or ()) - _ATTENTION_LAYERS)
    if other or strange:
        found = ", ".join([*other, *strange])
        raise CannotSize(f"it is a {kind or 'model'} with layers that keep no KV cache ({found}), which is not sized")


def _dtype(config: Config) -> str:
    """What vLLM takes for `auto`: float32 checkpoints are served in 16 bits (float16 where nothing is said)."""
    named = str(config.get("torch_dtype") or config.get("dtype") or "float16")
    return named if named in ("bfloat16", "float16") else "float16"


def _groups(config: Config, layers: int, context: int) -> tuple[LayerGroup, ...]:
    """Full layers first. A window as long as the context is none."""
    window = config.get("sliding_window")
    if not window or config.get("use_sliding_window") is False or window >= context:
        return (LayerGroup(layers, None),)
    sliding = _sliding_layers(config, layers)
    found = (LayerGroup(layers - sliding, None), LayerGroup(sliding, int(window)))
    return tuple(group for group in found if group.layers)


def _sliding_layers(config: Config, layers: int) -> int:
    """How many layers see a window only: `layer_types` says it, else the family's pattern (transformers' defaults)."""
    types: Sequence[str] = config.get("layer_types") or ()
    if types:
        return sum(kind == "sliding_attention" for kind in types)
    kind = str(config.get("model_type", ""))
    every = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6}.get(kind)
    every = int(config.get("sliding_window_pattern") or every or 0)
    return layers - layers // every if every else layers


def _latent(config: Config) -> Latent | None:
    if not config.get("kv_lora_rank"):
        return None
    names = ("kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim", "v_head_dim")
    rank, rope, nope, value = (_whole(config, name) for name in names)
    return Latent(rank, rope, nope, value, config.get("q_lora_rank") or None)


def _experts(config: Config) -> Experts | None:
    count = config.get("n_routed_experts") or config.get("num_experts") or config.get("num_local_experts")
    if not count:
        return None
    width = int(config.get("moe_intermediate_size") or _whole(config, "intermediate_size"))
    shared = int(config.get("n_shared_experts") or 0) * width
    used = _whole(config, "num_experts_per_tok")
    return Experts(int(count), used, width, shared, int(config.get("first_k_dense_replace") or 0))


def quantization(config: Any) -> Quantization | None:
    """How a checkpoint's linear layers are stored; CannotSize where that is not told."""
    if not isinstance(config, Mapping):
        return None
    method = str(config.get("quant_method", ""))
    if method in ("awq", "gptq"):
        return grouped(method, int(config.get("bits") or 4), int(config.get("group_size") or 128))
    if method == "fp8":
        return Quantization("fp8", 8)
    if method == "compressed-tensors":
        groups = [g.get("weights") for g in (config.get("config_groups") or {}).values() if isinstance(g, Mapping)]
        if weights := next((w for w in groups if isinstance(w, Mapping) and w.get("num_bits")), None):
            return grouped(method, int(weights["num_bits"]), int(weights.get("group_size") or 0))
    raise CannotSize(f"it is quantized by {method or 'a method without a name'}, whose size is not known here")


def grouped(method: str, bits: int, group: int) -> Quantization:
    """A scale of 16 bits and a zero of `bits` for each group of weights; group 0 or -1: a row has one, near nothing."""
    return Quantization(method, bits + ((16 + bits) / group if group > 0 else 0))
