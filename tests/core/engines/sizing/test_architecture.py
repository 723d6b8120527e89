"""From config.json to a model's shape, and what is refused instead of guessed."""

from __future__ import annotations

from typing import Any

import pytest

from core.engines.sizing.architecture import CannotSize, LayerGroup, parse, quantization
from core.engines.sizing.parameters import count

LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 100,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}


def test_a_shape_is_read() -> None:
    model = parse(LLAMA)
    assert (model.head_dim, model.kv_heads, model.context, model.dtype, model.tied) == (16, 2, 2048, "bfloat16", True)
    assert model.groups == (LayerGroup(4, None),)
    # by hand: embeddings, then a layer's q, k, v, o, its MLP of three and two norms, then the last norm
    assert count(model).total == 100 * 64 + 4 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 128 + 2 * 64) + 64


def test_a_head_may_be_wider_than_the_model_divided_by_its_heads() -> None:
    assert parse({**LLAMA, "head_dim": 32}).head_dim == 32


def test_the_language_part_of_a_model_that_sees_images_is_sized() -> None:
    text = {**LLAMA, "num_hidden_layers": 8}
    assert parse({"model_type": "gemma3", "text_config": text, "vision_config": {}}).layers == 8


@pytest.mark.parametrize(
    ("more", "groups"),
    [
        ({"sliding_window": 512}, (LayerGroup(4, 512),)),
        ({"sliding_window": None}, (LayerGroup(4, None),)),
        ({"sliding_window": 512, "use_sliding_window": False}, (LayerGroup(4, None),)),  # Qwen2.5
        ({"sliding_window": 2048}, (LayerGroup(4, None),)),  # as long as the context: Phi-3
        ({"sliding_window": 512, "model_type": "gemma2"}, (LayerGroup(2, None), LayerGroup(2, 512))),
        ({"sliding_window": 512, "sliding_window_pattern": 4}, (LayerGroup(1, None), LayerGroup(3, 512))),
        (
            {"sliding_window": 512, "layer_types": ["full_attention"] * 3 + ["sliding_attention"]},
            (LayerGroup(3, None), LayerGroup(1, 512)),
        ),
    ],
)
def test_layers_with_a_window_are_told_apart(more: dict[str, Any], groups: tuple[LayerGroup, ...]) -> None:
    assert parse({**LLAMA, **more}).groups == groups


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({key: value for key, value in LLAMA.items() if key != "hidden_size"}, "has no `hidden_size`"),
        ({**LLAMA, "vocab_size": "many"}, "`vocab_size`"),
        ({**LLAMA, "layer_types": ["linear_attention", "full_attention"]}, "keep no KV cache"),
        ({**LLAMA, "mamba_d_state": 128}, "keep no KV cache"),
        ({**LLAMA, "quantization_config": {"quant_method": "bitsandbytes"}}, "bitsandbytes"),
        ({**LLAMA, "quantization_config": {"quant_method": "awq", "bits": "four"}}, "`bits`.*'four'"),
        ({**LLAMA, "quantization_config": {"quant_method": "compressed-tensors", "config_groups": []}}, "compressed"),
        ({**LLAMA, "quantization_config": {"quant_method": "gptq", "group_size": "x"}}, "`group_size`"),
        ({**LLAMA, "hidden_size": 10**400}, r"`hidden_size`.*\(10{39}\)"),
        ({**LLAMA, "num_key_value_heads": -8}, "`num_key_value_heads`"),
        ({**LLAMA, "head_dim": "wide"}, "`head_dim`"),
        ({**LLAMA, "sliding_window": "4096"}, "`sliding_window`"),
        ({**LLAMA, "sliding_window": 512, "sliding_window_pattern": "x"}, "`sliding_window_pattern`"),
        ({**LLAMA, "layer_types": 5}, "`layer_types`"),
        ({**LLAMA, "layer_types": [1, "full_attention"]}, "`layer_types`"),
        ({**LLAMA, "num_experts": "many", "num_experts_per_tok": 2}, "`num_experts`"),
        (
            {**LLAMA, "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": "x"},
            "`moe_intermediate_size`",
        ),
        ({**LLAMA, "yarn": [1]}, "`yarn`"),
        ({**LLAMA, "yarn": "yes"}, "`yarn`"),
    ],
)
def test_what_cannot_be_sized_is_said(config: dict[str, Any], words: str) -> None:
    with pytest.raises(CannotSize, match=words):
        parse(config)


@pytest.mark.parametrize(
    "vision", ["x", {"hidden_size": 1, "intermediate_size": "x", "patch_size": 0}, {"hidden_size": 1}]
)
def test_an_image_encoder_that_cannot_be_counted_is_said(vision: Any) -> None:
    with pytest.raises(CannotSize, match="image encoder's configuration"):
        count(parse({**LLAMA, "vision_config": vision}))


def test_the_weights_of_a_family_that_is_not_known_are_not_guessed() -> None:
    with pytest.raises(CannotSize, match="`newest`"):
        count(parse({**LLAMA, "model_type": "newest"}))


@pytest.mark.parametrize(
    ("config", "bits"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, 4 + 20 / 128),
        ({"quant_method": "gptq", "bits": 8, "group_size": -1}, 8),
        ({"quant_method": "fp8"}, 8),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"0": {"weights": {"num_bits": 4, "group_size": 32}}},
            },
            4 + 20 / 32,
        ),
    ],
)
def test_bits_of_a_quantized_weight_with_its_scales(config: dict[str, Any], bits: float) -> None:
    found = quantization(config)
    assert found is not None
    assert found.bits == pytest.approx(bits)
