"""The KV cache: bytes a token by architecture, and how many tokens a card holds. Pure.

As vLLM 0.26.0 counts: blocks of 16 tokens; a layer with a sliding window keeps its window and one step's tokens of a
request; latent attention keeps one vector, whole on every GPU; with tensor parallelism each GPU keeps its share of the
KV heads, and one at least.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from core.engines.sizing.architecture import Architecture
from core.engines.sizing.parameters import GIB

BLOCK_TOKENS: Final = 16
LONGEST: Final = 1 << 30  # tokens; no context is longer


@dataclass(frozen=True)
class KvCache:
    """What one GPU keeps. `step_tokens`: what one step of the engine computes at most (max-num-batched-tokens)."""

    model: Architecture
    value_bytes: int  # 2 in 16 bits, 1 in FP8
    tensor_parallel: int = 1
    step_tokens: int = 8192

    @property
    def layer_bytes(self) -> int:
        """A token in one layer."""
        latent = self.model.latent
        if latent is not None:
            return (latent.kv_rank + latent.rope_dim) * self.value_bytes
        heads = max(1, self.model.kv_heads // self.tensor_parallel)
        return 2 * heads * self.model.head_dim * self.value_bytes

    @property
    def token_bytes(self) -> int:
        """A token in all layers, before any window is full."""
        return self.model.layers * self.layer_bytes

    def request_bytes(self, tokens: int) -> int:
        """What a request of so many tokens, prompt and answer, takes at most."""
        return sum(_blocks(kept) * layers * self.layer_bytes * BLOCK_TOKENS for layers, kept in self._kept(tokens))

    def _kept(self, tokens: int) -> Iterator[tuple[int, int]]:
        for group in self.model.groups:
            if group.window is None:
                yield group.layers, tokens
            else:  # vLLM: SlidingWindowSpec.max_memory_usage_bytes; a block more, since a window begins inside one
                kept = min(group.window - 1 + self.step_tokens, tokens)
                yield group.layers, kept + BLOCK_TOKENS

    def tokens(self, free_gib: float) -> int:
        """Tokens of short requests that fit: what vLLM logs as "GPU KV cache size" for a model without windows."""
        return int(free_gib * GIB // (BLOCK_TOKENS * self.token_bytes)) * BLOCK_TOKENS

    def streams(self, free_gib: float, tokens: int) -> int:
        """Requests of so many tokens at once."""
        return int(free_gib * GIB // self.request_bytes(tokens)) if free_gib > 0 else 0

    def longest(self, free_gib: float) -> int:
        """Tokens of the longest single request that fits, without a look at the model's own limit."""
        low, high = 0, LONGEST // BLOCK_TOKENS
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.request_bytes(middle * BLOCK_TOKENS) <= free_gib * GIB
            low, high = (middle, high) if fits else (low, middle - 1)
        return low * BLOCK_TOKENS


def _blocks(tokens: int) -> int:
    return -(-tokens // BLOCK_TOKENS)
