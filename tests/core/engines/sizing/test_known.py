"""The table of usual models: each row is a configuration that counts as many weights as its model card says."""

from __future__ import annotations

import pytest

from core.engines.model_source import Kind
from core.engines.model_source import parse as parse_source
from core.engines.sizing import known
from core.engines.sizing.architecture import parse
from core.engines.sizing.parameters import GIB, count, weight_bytes


def original(name: str) -> str:
    """The model that a quantized one was made of."""
    return name.removesuffix("-AWQ").removesuffix("-GPTQ-Int4")


@pytest.mark.parametrize("name", sorted(known.CARDS))
def test_a_model_has_as_many_weights_as_its_card_says(name: str) -> None:
    billions = count(parse(known.MODELS[name])).total / 1e9
    assert billions == pytest.approx(known.CARDS[name], rel=0.0125)


@pytest.mark.parametrize("name", sorted(known.MODELS))
def test_every_model_is_a_hub_id_with_a_source_and_a_card(name: str) -> None:
    assert parse_source(name).kind is Kind.HUB
    assert known.source(name)
    assert original(name) in known.CARDS


@pytest.mark.parametrize(
    ("name", "gb"),
    [
        # sizes of the safetensors files as the models' pages list them, GB
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", 5.57),
        ("Qwen/Qwen2.5-72B-Instruct-AWQ", 41.6),
        ("Qwen/Qwen2.5-7B-Instruct", 15.2),
        ("deepseek-ai/DeepSeek-V2-Lite-Chat", 31.4),
    ],
)
def test_weights_take_what_the_files_have(name: str, gb: float) -> None:
    model = parse(known.MODELS[name])
    assert weight_bytes(model, model.dtype) / 1e9 == pytest.approx(gb, rel=0.01)


def test_four_bits_take_a_third_of_sixteen() -> None:
    sizes = {
        suffix: weight_bytes(parse(known.MODELS[f"Qwen/Qwen2.5-7B-Instruct{suffix}"]), "float16") / GIB
        for suffix in ("", "-AWQ", "-GPTQ-Int4")
    }
    assert sizes["-AWQ"] == sizes["-GPTQ-Int4"] == pytest.approx(5.19, abs=0.01)
    assert sizes[""] == pytest.approx(14.19, abs=0.01)
