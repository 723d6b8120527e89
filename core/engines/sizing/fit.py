"""One model on the GPUs of one host: whether it fits, what is left for the KV cache, and whom that serves. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final

from core.capacity.gpus import Gpu
from core.capacity.instance_types import Gpus
from core.engines.sizing import reserve
from core.engines.sizing.architecture import Architecture, Quantization, grouped
from core.engines.sizing.kv_cache import KvCache
from core.engines.sizing.parameters import GIB, weight_bytes
from core.engines.sizing.reserve import UTILIZATION, reserve_gib, step_tokens

AUTO: Final = "auto"
# Numerically unstable in float16: vLLM refuses them there (_FLOAT16_NOT_SUPPORTED_MODELS, vllm/config/model.py)
NO_FLOAT16: Final = ("gemma2", "gemma3", "gemma3_text")
# The least compute capability of each method (docs.vllm.ai, features/quantization): AWQ, GPTQ and FP8 from Turing on,
# where FP8 below Ada (8.9) is of the weights alone; Marlin's kernels by name from Ampere on
LEAST_CAPABILITY: Final = {
    "awq": 75,
    "gptq": 60,
    "awq_marlin": 80,
    "gptq_marlin": 80,
    "fp8": 75,
    "compressed-tensors": 75,
}
FP8_CACHE: Final = 89  # vLLM's kernels for an FP8 KV cache


@dataclass(frozen=True)
class Model:
    """A model to be sized. `stored_bytes`: what its checkpoint's files hold, where they were seen; None: counted."""

    name: str
    architecture: Architecture
    stored_bytes: int | None = None


@dataclass(frozen=True)
class Wish:
    """How it is to be served. None and `auto`: vLLM's default. `context`: tokens of the longest request."""

    context: int | None = None
    dtype: str = AUTO
    quantization: str | None = None
    kv_dtype: str = AUTO
    gpus: int = 1  # tensor parallel
    utilization: float = UTILIZATION
    step_tokens: int | None = None
    sequences: int = reserve.SEQUENCES
    most_context: int | None = None  # what the configuration is overridden with, e.g. for YaRN


@dataclass(frozen=True)
class Fit:
    """What sizing found. GiB are of each GPU. `problem`: why it cannot be served so, a sentence; "" where it can."""

    gpu: Gpu
    gpus: int
    dtype: str
    weights_gib: float
    reserve_gib: float
    free_gib: float  # for the KV cache; not above 0 where the weights alone do not fit
    cache: KvCache
    problem: str

    @property
    def fits(self) -> bool:
        """Whether it can be served as wished."""
        return not self.problem

    @property
    def tokens(self) -> int:
        """Of the KV cache, all requests together."""
        return max(0, self.cache.tokens(self.free_gib))

    @property
    def longest(self) -> int:
        """Tokens of the longest single request: what memory allows, and the model at most (YaRN included)."""
        return min(self.cache.longest(self.free_gib), self.cache.model.most_context) if self.free_gib > 0 else 0

    def streams(self, tokens: int) -> int:
        """Requests of so many tokens at once; 0 where the model cannot have as many tokens."""
        return self.cache.streams(self.free_gib, tokens) if tokens <= self.cache.model.most_context else 0


def fit(model: Model, host: Gpus, wish: Wish) -> Fit:
    """Size it. CannotSize where the model's weights cannot be told."""
    shape, gpu = model.architecture, host.kind
    dtype = dtype_on(gpu, shape, wish.dtype)
    online = _online(shape, wish.quantization)
    stored = model.stored_bytes if model.stored_bytes is not None and online is None else None
    weights = (stored if stored is not None else weight_bytes(shape, dtype, online)) / GIB / wish.gpus
    steps = step_tokens(gpu, wish.step_tokens)
    spare = reserve_gib(shape, dtype, steps, sequences=wish.sequences, tensor_parallel=wish.gpus)
    cache = KvCache(shape, value_bytes(dtype, wish.kv_dtype), wish.gpus, steps)
    free = wish.utilization * gpu.usable_gib - weights - spare
    found = Fit(gpu, wish.gpus, dtype, weights, spare, free, cache, "")
    return replace(found, problem=_problem(found, host, wish, online))


def dtype_on(gpu: Gpu, model: Architecture, wanted: str) -> str:
    """The arithmetic: what is wanted, else the model's, float16 on a card without bfloat16."""
    named = model.dtype if wanted == AUTO else wanted
    return "float16" if wanted == AUTO and named == "bfloat16" and not gpu.has_bfloat16 else named


def value_bytes(dtype: str, kv_dtype: str) -> int:
    """Bytes of one value in the KV cache."""
    if kv_dtype.startswith("fp8"):
        return 1
    return 4 if kv_dtype == AUTO and dtype == "float32" else 2


def divisor(model: Architecture, gpus: int) -> int:
    """The most of so many GPUs that the model can be split over."""
    return next(n for n in range(gpus, 0, -1) if not split_problem(model, n))


def split_problem(model: Architecture, gpus: int) -> str:
    """Why the model cannot be split over so many GPUs; "" where it can."""
    if model.heads % gpus:
        return f"its {model.heads} attention heads cannot be split over {gpus} GPUs"
    if max(gpus, model.kv_heads) % min(gpus, model.kv_heads):
        return f"its {model.kv_heads} KV heads cannot be split over {gpus} GPUs"
    group = 128 if model.quantization is not None and model.quantization.method in ("awq", "gptq") else 1
    for what, width in (("MLP", model.mlp), ("attention", model.heads * model.head_dim)):
        if width % (gpus * group):
            return f"its {what} of {width:,} cannot be split over {gpus} GPUs in whole groups of {group}"
    return ""


def _online(model: Architecture, wanted: str | None) -> Quantization | None:
    """What vLLM quantizes while it loads: FP8, of a checkpoint that is not quantized."""
    return grouped("fp8", 8, 0) if wanted == "fp8" and model.quantization is None else None


def _problem(found: Fit, host: Gpus, wish: Wish, online: Quantization | None) -> str:
    model = found.cache.model
    if found.gpus > host.count:
        return f"it is to be split over {found.gpus} GPUs, and there {'is' if host.count == 1 else 'are'} {host.count}"
    return (
        split_problem(model, found.gpus)
        or _arithmetic(found, wish, online)
        or _context_problem(model, wish)
        or _memory(found, wish)
    )


def _arithmetic(found: Fit, wish: Wish, online: Quantization | None) -> str:
    gpu, model = found.gpu, found.cache.model
    if found.dtype == "bfloat16" and not gpu.has_bfloat16:
        return f"{gpu} has no bfloat16 (compute capability {_capability(gpu.capability)}); use dtype float16"
    if found.dtype == "float16" and model.kind in NO_FLOAT16:
        return f"{model.kind} is not stable in float16, and {gpu} has no bfloat16; take a GPU from Ampere on (g5, g6)"
    stored = model.quantization or online
    method = wish.quantization or (stored.method if stored else "")
    least = LEAST_CAPABILITY.get(method, 0)
    if gpu.capability < least:
        return f"{method} needs compute capability {_capability(least)}, and {gpu} has {_capability(gpu.capability)}"
    if wish.kv_dtype.startswith("fp8") and gpu.capability < FP8_CACHE:
        return (
            f"a KV cache in FP8 needs compute capability {_capability(FP8_CACHE)}, and {gpu} has "
            f"{_capability(gpu.capability)}"
        )
    return ""


def _capability(number: int) -> str:
    return f"{number // 10}.{number % 10}"


def _context_problem(model: Architecture, wish: Wish) -> str:
    context, most = wish.context, wish.most_context or model.context
    if context is None or context <= most:
        return ""
    wanted = f"its configuration ends at {most:,} tokens, and {context:,} are wanted"
    if (overrides := yarn_overrides(model, context)) is None:
        return wanted
    return f"{wanted}. YaRN reaches them, at a cost to short texts: flags: {{hf-overrides: '{overrides}'}}"


def yarn_overrides(model: Architecture, context: int) -> str | None:
    """vLLM's hf-overrides that extend the model's context by YaRN; None where its card says nothing of so much.

    rope_parameters is today's key: the older rope_scaling silently drops rope_theta (seen with 0.26.0).
    """
    yarn = model.yarn
    if yarn is None or context > yarn.context:
        return None
    rope = {
        "rope_type": "yarn",
        "factor": yarn.context / yarn.original,
        "original_max_position_embeddings": yarn.original,
        "rope_theta": yarn.theta,
    }
    return json.dumps({"max_position_embeddings": yarn.context, "rope_parameters": rope}, separators=(",", ":"))


def _memory(found: Fit, wish: Wish) -> str:
    each = " on each" if found.gpus > 1 else ""
    has = f"{wish.utilization:.0%} of {found.gpu.usable_gib:.1f} GiB" + each
    taken = f"weights take {found.weights_gib:.1f} GiB and the engine itself {found.reserve_gib:.1f}{each}, of {has}"
    if found.free_gib <= 0:
        return taken
    if wish.context is not None and found.cache.longest(found.free_gib) < wish.context:
        needed = found.cache.request_bytes(wish.context) / GIB
        return (
            f"{taken}: {found.free_gib:.1f} GiB are left for the KV cache, and a request of {wish.context:,} tokens "
            f"takes {needed:.1f}; the longest that fits has {found.cache.longest(found.free_gib):,}"
        )
    return ""
