"""What vLLM is told, by profile."""

from __future__ import annotations

import dataclasses
from typing import get_args

import pytest

from core.engines import serve
from core.engines.profiles import DEFAULT, PROFILES
from core.engines.serve import EngineSpec
from core.settings.model import Engine

GPU = EngineSpec("q", 8100, ("q",), "a/b", 8192, "gpu", "auto", None, (), "here")


def test_settings_know_every_profile() -> None:
    assert set(get_args(Engine.model_fields["profile"].annotation)) == set(PROFILES)
    assert Engine.model_fields["profile"].default == DEFAULT == GPU.profile


@pytest.mark.parametrize("profile", PROFILES)
def test_no_profile_gives_the_cuda_graphs_up(profile: str) -> None:
    flags = serve.flags(dataclasses.replace(GPU, profile=profile), "/m")
    assert "enforce-eager" not in flags


def test_fast_start_captures_every_batch_that_it_runs() -> None:
    flags = serve.flags(GPU, "/m")
    assert flags["max-num-seqs"] == 64
    assert flags["cudagraph-capture-sizes"] == [1, 2, 4, 8, 16, 32, 64]


@pytest.mark.parametrize(("sequences", "sizes"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_captures_follow_the_stack_files_limit(sequences: int, sizes: list[int]) -> None:
    wanted = dataclasses.replace(GPU, flags=(("max-num-seqs", sequences),))
    assert serve.flags(wanted, "/m")["cudagraph-capture-sizes"] == sizes


def test_throughput_leaves_vllms_limits() -> None:
    flags = serve.flags(dataclasses.replace(GPU, profile="throughput"), "/m")
    assert not {"max-num-seqs", "cudagraph-capture-sizes"} & set(flags)


def test_the_stack_files_flags_win_over_the_profile() -> None:
    assert serve.flags(dataclasses.replace(GPU, flags=(("max-num-seqs", 8),)), "/m")["max-num-seqs"] == 8


def test_a_cpu_has_no_profile() -> None:
    assert "cudagraph-capture-sizes" not in serve.flags(dataclasses.replace(GPU, device="cpu"), "/m")
