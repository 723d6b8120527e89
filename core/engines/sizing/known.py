"""The usual models' configurations, for when no hub can be asked: what their config.json says, each with its source.

Only what sizing reads. The shapes are checked by the model cards' numbers of weights (`CARDS`), which a wrong layer,
width or tie of the embeddings would miss. To add one: its fields, where they were read, and the card's number.
A model that is not here is read from its files (`remote/model_files.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

Fields = Mapping[str, Any]

LITGPT: Final = "Lightning-AI/litgpt, litgpt/config.py at 0006c973, which names each model's config.json"
FLAX: Final = "google/flax, examples/deepseek_v3/configs/config_16B.py; context: the model card (32k)"
QWEN_DOCS: Final = "the model card: 32,768 tokens as configured, 131,072 by YaRN from 7B on"
_NAMES: Final = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
# Not of config.json: the context that the model's card extends it to by YaRN, the original one, and rope_theta
YARN: Final = {"yarn": (131072, 32768, 1000000.0)}


def _shape(kind: str, shape: str, vocab: int, context: int, *, tied: bool, **more: Any) -> Fields:
    """`shape`: hidden, MLP, layers, heads and KV heads, in this order."""
    numbers = dict(zip(_NAMES, (int(word) for word in shape.split()), strict=True))
    found = {"model_type": kind, "vocab_size": vocab, "max_position_embeddings": context, "tie_word_embeddings": tied}
    return {**found, **numbers, "torch_dtype": "bfloat16", **more}


def _awq(fields: Fields, method: str = "awq", **more: Any) -> Fields:
    """As Qwen publishes it: 4 bits in groups of 128, computed in float16."""
    stored = {"quant_method": method, "bits": 4, "group_size": 128}
    return {**fields, "quantization_config": stored, "torch_dtype": "float16", **more}


_QWEN25: Final[Mapping[str, Fields]] = {
    "0.5B": _shape("qwen2", "896 4864 24 14 2", 151936, 32768, tied=True),
    "1.5B": _shape("qwen2", "1536 8960 28 12 2", 151936, 32768, tied=True),
    "3B": _shape("qwen2", "2048 11008 36 16 2", 151936, 32768, tied=True),
    "7B": _shape("qwen2", "3584 18944 28 28 4", 152064, 32768, tied=False, **YARN),
    "14B": _shape("qwen2", "5120 13824 48 40 8", 152064, 32768, tied=False, **YARN),
    "32B": _shape("qwen2", "5120 27648 64 40 8", 152064, 32768, tied=False, **YARN),
    "72B": _shape("qwen2", "8192 29568 80 64 8", 152064, 32768, tied=False, **YARN),
}
_QWEN3: Final[Mapping[str, Fields]] = {
    "0.6B": _shape("qwen3", "1024 3072 28 16 8", 151936, 40960, tied=True, head_dim=128),
    "1.7B": _shape("qwen3", "2048 6144 28 16 8", 151936, 40960, tied=True, head_dim=128),
    "4B": _shape("qwen3", "2560 9728 36 32 8", 151936, 40960, tied=True, head_dim=128, **YARN),
    "8B": _shape("qwen3", "4096 12288 36 32 8", 151936, 40960, tied=False, head_dim=128, **YARN),
    "14B": _shape("qwen3", "5120 17408 40 40 8", 151936, 40960, tied=False, head_dim=128, **YARN),
    "32B": _shape("qwen3", "5120 25600 64 64 8", 151936, 40960, tied=False, head_dim=128, **YARN),
    "30B-A3B": _shape(
        "qwen3_moe",
        "2048 6144 48 32 4",
        151936,
        40960,
        tied=False,
        head_dim=128,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
        **YARN,
    ),
}
_LLAMA31_8B: Final = _shape("llama", "4096 14336 32 32 8", 128256, 131072, tied=False)
_LLAMA_70B: Final = _shape("llama", "8192 28672 80 64 8", 128256, 131072, tied=False)
_SIGLIP: Final = {  # Gemma 3's image encoder; confirmed by the cards' totals with it
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "patch_size": 14,
    "image_size": 896,
}


def _gemma2(shape: str, head_dim: int) -> Fields:
    return _shape("gemma2", shape, 256000, 8192, tied=True, head_dim=head_dim, sliding_window=4096)


def _gemma3(shape: str, head_dim: int) -> Fields:
    more = {"head_dim": head_dim, "sliding_window": 1024, "vision_config": _SIGLIP}
    return _shape("gemma3", shape, 262208, 131072, tied=True, **more)


def _phi4_mini(context: int) -> Fields:
    return _shape("phi3", "3072 8192 32 24 8", 200064, context, tied=True)


MODELS: Final[Mapping[str, Fields]] = {
    **{f"Qwen/Qwen2.5-{size}-Instruct": fields for size, fields in _QWEN25.items()},
    **{f"Qwen/Qwen2.5-{size}-Instruct-AWQ": _awq(fields) for size, fields in _QWEN25.items() if size != "72B"},
    **{
        f"Qwen/Qwen2.5-{size}-Instruct-GPTQ-Int4": _awq(fields, "gptq")
        for size, fields in _QWEN25.items()
        if size != "72B"
    },
    # its MLP is padded, so that it can be split in whole groups (config.json of the AWQ, as others' tests have it)
    "Qwen/Qwen2.5-72B-Instruct-AWQ": _awq(_QWEN25["72B"], intermediate_size=29696),
    "Qwen/Qwen2.5-72B-Instruct-GPTQ-Int4": _awq(_QWEN25["72B"], "gptq", intermediate_size=29696),
    **{f"Qwen/Qwen3-{size}": fields for size, fields in _QWEN3.items()},
    "meta-llama/Llama-3.1-8B-Instruct": _LLAMA31_8B,
    "meta-llama/Llama-3.1-70B-Instruct": _LLAMA_70B,
    "meta-llama/Llama-3.3-70B-Instruct": _LLAMA_70B,
    "meta-llama/Llama-3.2-1B-Instruct": _shape("llama", "2048 8192 16 32 8", 128256, 131072, tied=True),
    "meta-llama/Llama-3.2-3B-Instruct": _shape("llama", "3072 8192 28 24 8", 128256, 131072, tied=True),
    "mistralai/Mistral-7B-Instruct-v0.3": _shape("mistral", "4096 14336 32 32 8", 32768, 32768, tied=False),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": _shape(
        "mixtral", "4096 14336 32 32 8", 32000, 32768, tied=False, num_local_experts=8, num_experts_per_tok=2
    ),
    # head_dim is not 5120 / 32: the card's 23.6 B weights say so
    "mistralai/Mistral-Small-24B-Instruct-2501": _shape(
        "mistral", "5120 32768 40 32 8", 131072, 32768, tied=False, head_dim=128
    ),
    "google/gemma-2-2b-it": _gemma2("2304 9216 26 8 4", 256),
    "google/gemma-2-9b-it": _gemma2("3584 14336 42 16 8", 256),
    "google/gemma-2-27b-it": _gemma2("4608 36864 46 32 16", 128),
    "google/gemma-3-1b-it": _shape(
        "gemma3_text", "1152 6912 26 4 1", 262144, 32768, tied=True, head_dim=256, sliding_window=512
    ),
    "google/gemma-3-4b-it": _gemma3("2560 10240 34 8 4", 256),
    "google/gemma-3-12b-it": _gemma3("3840 15360 48 16 8", 256),
    "google/gemma-3-27b-it": _gemma3("5376 21504 62 32 16", 128),
    "microsoft/Phi-3.5-mini-instruct": _shape("phi3", "3072 8192 32 32 32", 32064, 131072, tied=False),
    "microsoft/Phi-4-mini-instruct": _phi4_mini(131072),
    "microsoft/phi-4": _shape("phi3", "5120 17920 40 40 10", 100352, 16384, tied=False),
    "deepseek-ai/DeepSeek-V2-Lite-Chat": _shape(
        "deepseek_v2",
        "2048 10944 27 16 16",
        102400,
        32768,
        tied=False,
        kv_lora_rank=512,
        q_lora_rank=None,
        qk_nope_head_dim=128,
        qk_rope_head_dim=64,
        v_head_dim=128,
        n_routed_experts=64,
        n_shared_experts=2,
        num_experts_per_tok=6,
        moe_intermediate_size=1408,
        first_k_dense_replace=1,
    ),
}


def source(name: str) -> str:
    """Where a model's fields were read."""
    if name.startswith("deepseek-ai/"):
        return FLAX
    if name.startswith("Qwen/Qwen2.5-"):
        return f"{LITGPT}; context: {QWEN_DOCS}"
    return LITGPT if not name.startswith("google/gemma-3-1b") else f"{LITGPT}; context: the model card (32K)"


# Billions of weights, as the model cards have them (the quantized ones are their originals)
CARDS: Final[Mapping[str, float]] = {
    **dict(
        zip((f"Qwen/Qwen2.5-{s}-Instruct" for s in _QWEN25), (0.49, 1.54, 3.09, 7.61, 14.7, 32.5, 72.7), strict=True)
    ),
    **dict(zip((f"Qwen/Qwen3-{s}" for s in _QWEN3), (0.6, 1.7, 4.0, 8.2, 14.8, 32.8, 30.5), strict=True)),
    "meta-llama/Llama-3.1-8B-Instruct": 8.03,
    "meta-llama/Llama-3.1-70B-Instruct": 70.6,
    "meta-llama/Llama-3.3-70B-Instruct": 70.6,
    "meta-llama/Llama-3.2-1B-Instruct": 1.24,
    "meta-llama/Llama-3.2-3B-Instruct": 3.21,
    "mistralai/Mistral-7B-Instruct-v0.3": 7.25,
    "mistralai/Mixtral-8x7B-Instruct-v0.1": 46.7,
    "mistralai/Mistral-Small-24B-Instruct-2501": 23.6,
    "google/gemma-2-2b-it": 2.61,
    "google/gemma-2-9b-it": 9.24,
    "google/gemma-2-27b-it": 27.2,
    "google/gemma-3-1b-it": 1.0,
    "google/gemma-3-4b-it": 4.3,
    "google/gemma-3-12b-it": 12.2,
    "google/gemma-3-27b-it": 27.4,
    "microsoft/Phi-3.5-mini-instruct": 3.82,
    "microsoft/Phi-4-mini-instruct": 3.84,
    "microsoft/phi-4": 14.7,
    "deepseek-ai/DeepSeek-V2-Lite-Chat": 15.7,
}
