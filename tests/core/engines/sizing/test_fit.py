"""A model on a host's GPUs: what fits, what does not and why, and which type is the cheapest."""

from __future__ import annotations

import json

import pytest

from core.capacity.instance_types import FRACTIONS, GPUS
from core.engines.sizing import known
from core.engines.sizing.architecture import parse
from core.engines.sizing.choice import cheapest, offers
from core.engines.sizing.fit import Model, Wish, divisor, fit, yarn_overrides

SEVEN = "Qwen/Qwen2.5-7B-Instruct"
REGION = "us-east-1"


def model(name: str) -> Model:
    return Model(name, parse(known.MODELS[name]))


@pytest.mark.parametrize(
    ("name", "instance_type", "wish", "words"),
    [
        (SEVEN, "g6.xlarge", Wish(32768), ""),
        (f"{SEVEN}-AWQ", "g4dn.xlarge", Wish(32768), ""),
        (f"{SEVEN}-GPTQ-Int4", "g6.12xlarge", Wish(32768, gpus=4), ""),
        (SEVEN, "g4dn.xlarge", Wish(), "weights take 14.2 GiB"),
        ("meta-llama/Llama-3.1-8B-Instruct", "g6.xlarge", Wish(65536), "a request of 65,536 tokens takes 8.0"),
        ("meta-llama/Llama-3.1-8B-Instruct", "g6.xlarge", Wish(262144), "ends at 131,072 tokens"),
        (SEVEN, "g6e.xlarge", Wish(131072), "YaRN reaches them"),
        (SEVEN, "g6.xlarge", Wish(gpus=2), "split over 2 GPUs, and there is 1"),
        (SEVEN, "g6.48xlarge", Wish(gpus=8), "28 attention heads cannot be split over 8"),
        ("Qwen/Qwen2.5-0.5B-Instruct-AWQ", "g6.12xlarge", Wish(gpus=2), "in whole groups of 128"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "g4dn.xlarge", Wish(dtype="bfloat16"), "use dtype float16"),
        ("google/gemma-3-1b-it", "g4dn.xlarge", Wish(), "not stable in float16"),
        ("google/gemma-3-1b-it", "g6.xlarge", Wish(), ""),
        (SEVEN, "g5.xlarge", Wish(kv_dtype="fp8"), "FP8 needs compute capability 8.9, and an A10G has 8.6"),
        (SEVEN, "g6.xlarge", Wish(kv_dtype="fp8"), ""),
        (f"{SEVEN}-AWQ", "g4dn.xlarge", Wish(quantization="awq_marlin"), "needs compute capability 8.0"),
    ],
)
def test_whether_it_fits_and_why_not(name: str, instance_type: str, wish: Wish, words: str) -> None:
    found = fit(model(name), GPUS[instance_type], wish)
    assert words in found.problem
    assert found.fits is (words == "")


def test_a_card_without_bfloat16_computes_in_float16() -> None:
    assert fit(model("Qwen/Qwen2.5-0.5B-Instruct"), GPUS["g4dn.xlarge"], Wish()).dtype == "float16"
    assert fit(model("Qwen/Qwen2.5-0.5B-Instruct"), GPUS["g6.xlarge"], Wish()).dtype == "bfloat16"


def test_fp8_halves_the_weights_of_a_checkpoint_in_16_bits() -> None:
    sixteen, eight = (fit(model(SEVEN), GPUS["g6.xlarge"], Wish(quantization=q)).weights_gib for q in (None, "fp8"))
    assert sixteen == pytest.approx(14.2, abs=0.1)
    assert eight == pytest.approx(8.1, abs=0.1)  # embeddings stay in 16 bits


def test_the_bytes_of_the_files_win_over_the_count() -> None:
    stored = Model(SEVEN, parse(known.MODELS[SEVEN]), stored_bytes=10 * 2**30)
    assert fit(stored, GPUS["g6.xlarge"], Wish()).weights_gib == 10
    assert fit(stored, GPUS["g6.12xlarge"], Wish(gpus=4)).weights_gib == 2.5


def test_a_model_is_split_over_as_many_gpus_as_its_heads_allow() -> None:
    assert divisor(parse(known.MODELS[SEVEN]), 8) == 4
    assert divisor(parse(known.MODELS["meta-llama/Llama-3.1-70B-Instruct"]), 8) == 8


def test_a_larger_card_computes_more_tokens_a_step_and_keeps_more_for_it() -> None:
    small, large = (fit(model(SEVEN), GPUS[name], Wish()) for name in ("g6.xlarge", "p5.4xlarge"))
    assert small.cache.step_tokens == 2048
    assert large.cache.step_tokens == 8192
    assert large.reserve_gib > 2 * small.reserve_gib
    assert fit(model(SEVEN), GPUS["p4de.24xlarge"], Wish()).cache.step_tokens == 2048  # vLLM excepts the A100


def test_yarn_is_offered_with_the_key_that_keeps_rope_theta() -> None:
    text = yarn_overrides(parse(known.MODELS[SEVEN]), 131072)
    assert text is not None
    assert json.loads(text) == {
        "max_position_embeddings": 131072,
        "rope_parameters": {
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 32768,
            "rope_theta": 1000000.0,
        },
    }
    assert yarn_overrides(parse(known.MODELS[SEVEN]), 131073) is None
    assert yarn_overrides(parse(known.MODELS["microsoft/phi-4"]), 131072) is None


def test_offers_are_sorted_by_price_and_name_the_cheapest() -> None:
    found = offers(model(SEVEN), Wish(), REGION)
    prices = [offer.usd_h for offer in found if offer.usd_h is not None and not offer.refused]
    assert prices == sorted(prices)
    best = cheapest(found)
    assert best is not None
    assert best.instance_type == "g6.xlarge"
    awq = cheapest(offers(model(f"{SEVEN}-AWQ"), Wish(), REGION))
    assert awq is not None
    assert awq.instance_type == "g4dn.xlarge"


def test_more_context_may_need_another_type() -> None:
    found = offers(model(SEVEN), Wish(), REGION)
    long = cheapest(found, 131072)
    assert long is not None
    assert long.instance_type == "g6e.xlarge"
    assert cheapest(found, 131073) is None  # the model ends there


def test_parts_of_a_gpu_are_listed_and_refused() -> None:
    found = {offer.instance_type: offer for offer in offers(model("Qwen/Qwen2.5-0.5B-Instruct"), Wish(), REGION)}
    assert set(FRACTIONS) < set(found)
    assert not found["g6f.large"].fits
    assert "GRID driver" in found["g6f.large"].problem
