"""How many weights a model has, and the GiB that they take on each GPU. Pure.

Where the files of the checkpoint were seen, their bytes count; else the weights are counted by the shape, which gives
the model cards' numbers (`tests/core/engines/sizing/`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from core.engines.sizing.architecture import DTYPE_BYTES, Architecture, CannotSize, Config, Quantization

GIB: Final = 2**30


@dataclass(frozen=True)
class Parameters:
    """Counts. `linear`: what quantization stores in fewer bits; `other`: embeddings, norms, biases, images."""

    linear: int
    other: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.linear + self.other


def count(model: Architecture) -> Parameters:
    """By the shape. CannotSize for a family that is not known here."""
    if model.family is None:
        raise CannotSize(
            f"models of type `{model.kind}` are not counted by their configuration; the checkpoint's files would tell"
        )
    linear, other = 0, model.vocab * model.hidden * (1 if model.tied else 2) + model.hidden
    for layers, mlp in _mlps(model):
        linear += layers * (_attention(model) + mlp)
    other += model.layers * (_norms(model) + _biases(model))
    return Parameters(linear, other + _vision(model))


def _attention(model: Architecture) -> int:
    hidden, heads = model.hidden, model.heads
    latent = model.latent
    if latent is None:
        return hidden * model.head_dim * (2 * heads + 2 * model.kv_heads)
    query = heads * (latent.nope_dim + latent.rope_dim)
    asked = hidden * query if latent.query_rank is None else latent.query_rank * (hidden + query)
    kept = hidden * (latent.kv_rank + latent.rope_dim)
    opened = latent.kv_rank * heads * (latent.nope_dim + latent.value_dim)
    return asked + kept + opened + heads * latent.value_dim * hidden


def _mlps(model: Architecture) -> tuple[tuple[int, int], ...]:
    """Layers, and the weights of the MLP of each: gate, up and down."""
    dense = 3 * model.hidden * model.mlp
    experts = model.experts
    if experts is None:
        return ((model.layers, dense),)
    routed = 3 * model.hidden * (experts.count * experts.width + experts.shared_width) + experts.count * model.hidden
    return ((experts.dense_layers, dense), (model.layers - experts.dense_layers, routed))


def _norms(model: Architecture) -> int:
    assert model.family is not None
    found = model.family.norms * model.hidden
    if model.latent is not None:
        found += model.latent.kv_rank + (model.latent.query_rank or 0)
    return found + (2 * model.head_dim if model.family.head_norms else 0)


def _biases(model: Architecture) -> int:
    assert model.family is not None
    return model.head_dim * (model.heads + 2 * model.kv_heads) if model.family.qkv_bias else 0


def _vision(model: Architecture) -> int:
    """Of an image encoder as SigLIP is (Gemma 3): its layers, patches and positions, and the projection."""
    if model.vision is None:
        return 0
    try:
        return _siglip(model.vision, model.hidden)
    except (KeyError, TypeError, ArithmeticError) as error:
        missing = f"has no {error}" if isinstance(error, KeyError) else "is not as SigLIP's"
        raise CannotSize(f"its image encoder's configuration {missing}; the checkpoint's files would tell") from error


def _siglip(vision: Config, text_hidden: int) -> int:
    hidden, mlp, patch = vision["hidden_size"], vision["intermediate_size"], vision["patch_size"]
    layer = 4 * (hidden + 1) * hidden + 2 * hidden * mlp + mlp + hidden + 4 * hidden
    patches = (vision["image_size"] // patch) ** 2 * hidden + 3 * patch * patch * hidden + hidden
    return int(vision["num_hidden_layers"] * layer + patches + 2 * hidden + hidden * text_hidden + hidden)


def weight_bytes(model: Architecture, dtype: str, online: Quantization | None = None) -> float:
    """On all GPUs together, by the shape. `online`: what vLLM quantizes while it loads (FP8)."""
    found, stored = count(model), model.quantization or online
    bits = stored.bits if stored else 8 * DTYPE_BYTES[dtype]
    return found.linear * bits / 8 + found.other * DTYPE_BYTES[dtype]
