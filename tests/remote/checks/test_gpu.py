"""GPUs: what nvidia-smi prints, what the kernel's program prints, and the lines of both. Samples are from one H100."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from remote.checks import Verdict, gpu
from remote.checks.gpu import Card, Launched
from remote.machines.transport import Result
from remote.scripts import launch_kernel

SMI = "NVIDIA H100 80GB HBM3, 580.159.04, 74123, 81559, 0\n"
CARD = Card("NVIDIA H100 80GB HBM3", "580.159.04", 74123, 81559, 0)
RAN = {"vllm": "0.26.0", "torch": "2.11.0+cu130", "cuda": "13.0", "error": ""}
GOOD = [{"name": "NVIDIA H100 80GB HBM3", "wrong": ""}]


def kernel(**changes: object) -> tuple[str, str]:
    found = gpu.read(Result(0, "a warning of torch\n" + json.dumps({**RAN, "gpus": GOOD, **changes}), ""))
    check = list(gpu.checks([CARD], found, "demo"))[-1]
    assert check.name == "GPU kernel"
    return check.verdict, check.said


def test_cards_by_the_driver() -> None:
    assert gpu.cards(Result(0, SMI * 2, "")) == [CARD, CARD]
    without_ecc = gpu.cards(Result(0, "Tesla T4, 580.1, 100, 15360, [N/A]\n", ""))
    assert without_ecc == [Card("Tesla T4", "580.1", 100, 15360, None)]


@pytest.mark.parametrize(
    "said",
    [
        Result(127, "", "sh: 1: nvidia-smi: not found"),
        Result(9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n", ""),
        Result(0, "", ""),
    ],
)
def test_no_card_is_told_in_its_own_words(said: Result) -> None:
    found = gpu.cards(said)
    assert isinstance(found, str)
    check = next(iter(gpu.checks(found, Launched(), "demo")))
    assert (check.verdict, check.name, check.said) == (Verdict.FAIL, "GPU driver", found)
    assert "`fab deploy -s demo`" in check.fix


def test_a_card_and_its_memory_errors() -> None:
    check, _ = gpu.checks([CARD], Launched(), "demo")
    assert check.said == "NVIDIA H100 80GB HBM3, driver 580.159.04, 72.4 of 79.6 GiB used"
    worn = next(iter(gpu.checks([Card("L4", "580", 1, 2, 3)], Launched(), "demo")))
    assert worn.verdict is Verdict.WARN
    assert "3 uncorrected memory errors" in worn.said


@pytest.mark.parametrize(
    ("changes", "verdict", "said"),
    [
        ({}, Verdict.PASS, "ran on 1 GPU: vLLM 0.26.0, torch 2.11.0+cu130, CUDA 13.0"),
        (
            {"gpus": [*GOOD, {"name": "L4", "wrong": "CUDA error: no kernel image"}]},
            Verdict.FAIL,
            "L4: CUDA error: no ker",
        ),
        (
            {"gpus": [{"name": "L4", "wrong": "CUDA out of memory. Tried to allocate 32.00 MiB. GPU 0 has"}]},
            Verdict.WARN,
            "no room for a second program: L4: CUDA out of memory",
        ),
        (
            {"gpus": [{"name": "L4", "wrong": "CUDA error: out of memory"}]},
            Verdict.WARN,
            "no room for a second program",
        ),
        ({"gpus": []}, Verdict.FAIL, "torch sees no GPU (vLLM 0.26.0, torch"),
        ({"gpus": [], "error": "The NVIDIA driver on your system is too old"}, Verdict.FAIL, "too old (vLLM"),
    ],
)
def test_the_kernel(changes: dict[str, object], verdict: Verdict, said: str) -> None:
    found = kernel(**changes)
    assert found[0] is verdict
    assert said in found[1]


def test_a_program_that_could_not_run_is_told() -> None:
    found = gpu.read(Result(127, "", "env: '/opt/pilotlight/engine/bin/python': No such file or directory"))
    assert found.error.endswith("No such file or directory")


def test_the_program_says_what_is_missing_here() -> None:
    """Without torch, which is not in this environment."""
    done = subprocess.run([sys.executable, "-"], input=gpu.LAUNCH.read_bytes(), capture_output=True, check=True)
    found = gpu.read(Result(0, done.stdout.decode(), ""))
    assert found.gpus == ()
    assert found.error


class Torch:
    """As much of torch as the program uses, which may compute wrongly."""

    float32 = "float32"

    def __init__(self, error: str = "", right: bool = True) -> None:
        self.error, self.right = error, right

    def arange(self, *_: object, **__: object) -> Torch:
        if self.error:
            raise RuntimeError(self.error)
        return self

    def remainder(self, _: int) -> Torch:
        return self

    view = flip = lambda self, *_: self

    def cpu(self) -> Torch:
        return self

    def __matmul__(self, _: Torch) -> Torch:
        return self

    def __eq__(self, _: object) -> Torch:  # type: ignore[override]
        return self

    def all(self) -> bool:
        return self.right

    __hash__ = object.__hash__


@pytest.mark.parametrize(
    ("torch", "said"),
    [
        (Torch(), ""),
        (Torch(right=False), "it computed a wrong product"),
        (Torch("CUDA out of memory. Tried\nmore"), "CUDA out of memory. Tried"),
    ],
)
def test_a_product_is_compared_with_the_processors(torch: Torch, said: str) -> None:
    assert launch_kernel.multiplied(torch, 0) == said
