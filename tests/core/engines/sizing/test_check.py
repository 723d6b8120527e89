"""What preview says of a stack's engines: what cannot be served, what would, and what the ladder leaves out."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from core.engines.sizing import check, known
from core.engines.sizing.architecture import parse
from core.engines.sizing.check import Engine
from core.engines.sizing.fit import Model, Wish, yarn_overrides

SEVEN = "Qwen/Qwen2.5-7B-Instruct"
REGION = "us-east-1"


def engine(name: str = SEVEN, **wish: object) -> Engine:
    return Engine("qwen7b", Model(name, parse(known.MODELS[name])), replace(Wish(context=8192), **wish))  # type: ignore[arg-type]


def said(*engines: Engine, types: tuple[str, ...] = ("g6.xlarge",)) -> list[str]:
    return list(check.problems(engines, types, REGION))


def test_what_fits_is_not_mentioned() -> None:
    assert said(engine()) == []
    assert said(engine(f"{SEVEN}-GPTQ-Int4", gpus=4, context=32768), types=("g6.12xlarge",)) == []


def test_what_does_not_fit_names_what_would() -> None:
    (problem,) = said(engine(), types=("g4dn.xlarge",))
    assert problem.startswith(f"pilotlight:engines.qwen7b: {SEVEN} cannot be served on g4dn.xlarge (1 × T4): ")
    assert "weights take 14.2 GiB" in problem
    assert f"model {SEVEN}-AWQ" in problem
    assert "g6.xlarge ($" in problem
    assert "g5g" not in problem, "another processor"


def test_a_context_that_does_not_fit_names_the_longest_that_does() -> None:
    (problem,) = said(engine("meta-llama/Llama-3.1-8B-Instruct", context=131072))
    longest = re.search(r"maxModelLen (\d+) or less", problem)
    assert longest is not None
    assert said(engine("meta-llama/Llama-3.1-8B-Instruct", context=int(longest[1]))) == []
    assert said(engine("meta-llama/Llama-3.1-8B-Instruct", context=int(longest[1]) + 16)) != []
    assert "first in pilotlight:host.instanceTypes" in problem


def test_128k_needs_yarn_and_then_the_room() -> None:
    (asked,) = said(engine(context=131072), types=("g6e.xlarge",))
    overrides = yarn_overrides(parse(known.MODELS[SEVEN]), 131072)
    assert f"hf-overrides: '{overrides}'" in asked
    wish = check.wish({"hf-overrides": overrides}, context=131072, dtype="auto", quantization=None, gpus=1)
    assert said(replace(engine(), wish=wish), types=("g6e.xlarge",)) == []
    (small,) = said(replace(engine(), wish=wish))
    assert "a request of 131,072 tokens takes 7.0" in small
    assert f"model {SEVEN}-AWQ" in small


def test_flags_of_the_stack_file_count() -> None:
    flags = {"kv-cache-dtype": "fp8", "gpu-memory-utilization": 0.5, "max-num-seqs": 8, "max-num-batched-tokens": 512}
    found = check.wish(flags, context=1, dtype="auto", quantization=None, gpus=1)
    assert (found.kv_dtype, found.utilization, found.sequences, found.step_tokens) == ("fp8", 0.5, 8, 512)
    (problem,) = said(engine(utilization=0.5))
    assert "50% of 22.0 GiB" in problem
    assert check.counts(flags)
    assert not check.counts({"cpu-offload-gb": 8})
    assert check.wish({"hf-overrides": "{"}, context=1, dtype="auto", quantization=None, gpus=1).most_context is None


def test_two_engines_cannot_both_have_the_whole_gpu() -> None:
    two = engine("Qwen/Qwen2.5-0.5B-Instruct"), replace(engine("Qwen/Qwen2.5-0.5B-Instruct"), name="other")
    (problem,) = said(*two)
    assert "qwen7b 92%, other 92%" in problem
    assert "gpu-memory-utilization: 0.47" in problem
    assert said(*(replace(e, wish=replace(e.wish, utilization=0.47)) for e in two)) == []


@pytest.mark.parametrize("models", [(), (engine(),)])
def test_a_part_of_a_gpu_is_refused_wherever_an_engine_needs_one(models: tuple[Engine, ...]) -> None:
    found = said(*models, types=("g6.xlarge", "g6f.large"))
    assert ["g6f.large has a part of an L4" in each for each in found] == [True] * len(models)


def test_a_model_that_nobody_has_looked_up_is_left_alone() -> None:
    assert said(Engine("x", None, Wish(context=10**9))) == []


def test_the_ladder_uses_sizes_where_they_are_known() -> None:
    types = ("g6.xlarge", "g4dn.xlarge", "g5.xlarge", "x9.mega")
    small = engine("Qwen/Qwen2.5-0.5B-Instruct")
    assert check.skipped([small], types) == {}  # a T4 holds it, though it has less memory than the first
    assert list(check.skipped([engine()], types)) == ["g4dn.xlarge"]
    assert "weights take 14.2 GiB" in check.skipped([engine()], types)["g4dn.xlarge"]
    unknown = Engine("x", None, Wish())
    assert check.skipped([unknown, small], types) == {"g4dn.xlarge": "16 GiB of GPU memory, g6.xlarge has 24"}
    assert check.skipped([], types) == {}


def test_a_larger_card_that_cannot_compute_so_is_skipped_too() -> None:
    eight = engine("Qwen/Qwen2.5-0.5B-Instruct", kv_dtype="fp8")
    assert list(check.skipped([eight], ("g6.xlarge", "g5.12xlarge"))) == ["g5.12xlarge"]


@pytest.mark.parametrize(
    ("wanted", "model", "types", "told"),
    [
        ("auto", "Qwen/Qwen2.5-0.5B-Instruct", ("g4dn.xlarge", "g6.xlarge"), "float16"),
        ("auto", "Qwen/Qwen2.5-0.5B-Instruct", ("g6.xlarge", "g4dn.xlarge"), "float16"),
        ("auto", "Qwen/Qwen2.5-0.5B-Instruct", ("g6.xlarge", "g5.xlarge"), "auto"),
        ("auto", "team/own", ("g4dn.xlarge",), "float16"),
        ("float32", "team/own", ("g4dn.xlarge",), "float32"),
        ("auto", "google/gemma-3-1b-it", ("g6.xlarge", "g4dn.xlarge"), "auto"),
        ("auto", "team/own", ("x9.mega",), "auto"),
    ],
)
def test_float16_where_a_card_has_no_bfloat16(wanted: str, model: str, types: tuple[str, ...], told: str) -> None:
    assert check.dtype(wanted, model, types) == told
