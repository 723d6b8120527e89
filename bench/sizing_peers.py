"""What kvfit and hf-mem say of a model's KV cache and room, by their own functions.

`bench/sizing.py` runs it in an environment of theirs. Their commands ask huggingface.co by its name, so their fetching
is left out: both get the same config.json and weights. Standard input and output are JSON.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from typing import Any

from hf_mem.safetensors.kv_cache import compute_safetensors_kv_cache_size
from kvfit.architectures import estimate_cache
from kvfit.hardware import parse_hardware
from kvfit.planner import plan_topologies

GIB = 2**30


def kvfit_bytes(config: Mapping[str, Any], tokens: int) -> float | str:
    """Of one request; a refusal in its own words."""
    try:
        return float(estimate_cache(config, context_tokens=tokens).total_bytes)
    except ValueError as error:
        return str(error)


def hf_mem_bytes(config: Mapping[str, Any], tokens: int) -> float | str:
    """Of one request; a refusal in its own words."""
    try:
        return float(compute_safetensors_kv_cache_size(dict(config), "BF16", tokens))
    except (KeyError, RuntimeError) as error:
        return repr(error)


def kvfit_free_gib(config: Mapping[str, Any], weights: float, hardware: str, utilization: float) -> float:
    """What it leaves for the KV cache on one card, without the reserve that its user may name."""
    cache = estimate_cache(config, context_tokens=4096)
    (layout,) = plan_topologies(
        cache, weight_bytes=int(weights), hardware=parse_hardware(hardware), gpus=1, utilization=utilization
    )
    return float(layout.budget_per_rank_bytes - layout.weights_per_rank_bytes) / GIB


def main() -> None:
    """One answer for each question of both lists."""
    warnings.simplefilter("ignore")
    asked = json.load(sys.stdin)
    answer = {
        "kv": [
            {"kvfit": kvfit_bytes(q["config"], q["tokens"]), "hf_mem": hf_mem_bytes(q["config"], q["tokens"])}
            for q in asked["kv"]
        ],
        "free": [kvfit_free_gib(q["config"], q["weights"], q["hardware"], q["utilization"]) for q in asked["free"]],
    }
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
