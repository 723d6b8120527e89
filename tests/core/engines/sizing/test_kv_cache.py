"""Bytes a token by architecture, windows, and what follows from them."""

from __future__ import annotations

import pytest

from core.engines.sizing import known
from core.engines.sizing.architecture import parse
from core.engines.sizing.kv_cache import KvCache
from core.engines.sizing.parameters import GIB


def cache(name: str, **more: int) -> KvCache:
    return KvCache(parse(known.MODELS[name]), **{"value_bytes": 2, **more})


@pytest.mark.parametrize(
    ("name", "token_bytes"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", 12_288),
        ("Qwen/Qwen2.5-7B-Instruct", 57_344),
        ("meta-llama/Llama-3.1-8B-Instruct", 131_072),
        ("meta-llama/Llama-3.1-70B-Instruct", 327_680),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", 27 * 576 * 2),  # one vector of 512 + 64 instead of 16 heads of two
    ],
)
def test_bytes_of_a_token(name: str, token_bytes: int) -> None:
    assert cache(name).token_bytes == token_bytes


def test_each_gpu_keeps_its_share_of_the_heads_and_one_at_least() -> None:
    seven = "Qwen/Qwen2.5-7B-Instruct"  # four KV heads
    assert [cache(seven, tensor_parallel=n).token_bytes for n in (1, 2, 4)] == [57_344, 28_672, 14_336]
    assert cache("google/gemma-3-1b-it", tensor_parallel=2).layer_bytes == cache("google/gemma-3-1b-it").layer_bytes
    latent = "deepseek-ai/DeepSeek-V2-Lite-Chat"
    assert cache(latent, tensor_parallel=4).token_bytes == cache(latent).token_bytes  # whole on each


def test_eight_bits_hold_twice_the_tokens() -> None:
    name = "Qwen/Qwen2.5-7B-Instruct"
    assert cache(name, value_bytes=1).tokens(10) == pytest.approx(2 * cache(name).tokens(10), rel=0.001)


def test_a_window_ends_the_growth_of_its_layers() -> None:
    """Gemma 3 4B: 29 of 34 layers see 1,024 tokens; a step of 2,048 comes on top."""
    gemma = cache("google/gemma-3-4b-it", step_tokens=2048)
    layer = 2 * 4 * 256 * 2
    assert gemma.layer_bytes == layer
    long, longer = gemma.request_bytes(65536), gemma.request_bytes(131072)
    assert longer - long == 65536 * layer * 5  # the full layers alone
    sliding = long - 65536 * layer * 5
    assert sliding == pytest.approx((1023 + 2048 + 16) * layer * 29, rel=0.01)


@pytest.mark.parametrize("name", ["Qwen/Qwen2.5-7B-Instruct", "google/gemma-2-9b-it", "google/gemma-3-27b-it"])
def test_the_longest_request_is_the_longest_that_fits(name: str) -> None:
    kept = cache(name)
    longest = kept.longest(7.0)
    assert kept.request_bytes(longest) <= 7 * GIB < kept.request_bytes(longest + 16)
    assert kept.streams(7.0, longest) == 1
    assert kept.streams(7.0, longest + 16) == 0


def test_nothing_free_is_no_stream() -> None:
    assert cache("Qwen/Qwen2.5-7B-Instruct").streams(-1.0, 4096) == 0
    assert cache("Qwen/Qwen2.5-7B-Instruct").longest(0.0) == 0
