"""What an engine takes on a GPU beside weights and KV cache: the activations of one step, CUDA graphs, libraries. Pure.

vLLM runs one step of `max-num-batched-tokens` tokens and keeps what that took. The formula is that of a layer (what the
MLP and the residual hold at its widest), fitted to seven starts of vLLM 0.26.0 on an H100 and an H200
(`tests/core/engines/sizing/test_measured.py`); it is off by 0.15 GiB at most there. Not measured: smaller cards, more
than one GPU, mixtures of experts, images.
"""

from __future__ import annotations

from typing import Final

from core.capacity.gpus import Gpu
from core.engines.sizing.architecture import DTYPE_BYTES, Architecture
from core.engines.sizing.parameters import GIB

UTILIZATION: Final = 0.92  # vLLM's default for gpu-memory-utilization: the part of a card that one engine takes
STEP_TOKENS: Final = {True: 8192, False: 2048}  # max-num-batched-tokens of the API server, by Gpu.is_large
SEQUENCES: Final = 256  # a sampler's logits are made for so many at a time
FIXED_GIB: Final = 0.27  # cuBLAS and other workspaces, CUDA graphs, the allocator's slack
ACTIVATIONS: Final = 1.1  # the widest layer's tensors, and what overlaps with them
COLLECTIVES_GIB: Final = 0.5  # NCCL's and the custom all-reduce's buffers on each of several GPUs; an assumption
LOGIT_BYTES: Final = 10  # a vocabulary entry in 16 bits, in 32 bits, and its probability


def step_tokens(gpu: Gpu, flag: int | None = None) -> int:
    """Tokens that one step computes at most: the flag's, else vLLM's default for the card."""
    return flag or STEP_TOKENS[gpu.is_large]


def reserve_gib(model: Architecture, dtype: str, tokens: int, *, sequences: int, tensor_parallel: int) -> float:
    """On each GPU. `tokens`: of one step, `sequences`: at once."""
    width = DTYPE_BYTES[dtype]
    layer = tokens * width * (_mlp_width(model) / tensor_parallel + 3 * model.hidden) / GIB
    logits = min(sequences, SEQUENCES) * model.vocab * LOGIT_BYTES / GIB
    several = COLLECTIVES_GIB if tensor_parallel > 1 else 0.0
    return FIXED_GIB + max(ACTIVATIONS * layer, logits) + several


def _mlp_width(model: Architecture) -> int:
    """Elements a token of an MLP at its widest: gate, up and their product, for each expert that a token goes to."""
    dense = 3 * model.mlp
    experts = model.experts
    if experts is None:
        return dense
    routed = experts.used * (3 * experts.width + model.hidden) + 3 * experts.shared_width
    return max(dense if experts.dense_layers else 0, routed)
