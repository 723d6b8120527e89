"""Sizing beside kvfit and hf-mem on ten models, and beside what vLLM found.

    python -m bench.sizing [--json] [--tokens N]

KV cache: GiB of one request of N tokens by each. Free memory: what is left for the KV cache, against seven measured
starts of vLLM 0.26.0 (docs/sizing.md); hf-mem computes none. The others run in an environment of their own below the
cache folder (uv, from PyPI), fed with our table's config.json, since their commands need huggingface.co. kvplan, which
was to be compared too, is not on PyPI.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from core.capacity.instance_types import Gpus
from core.engines.sizing import known
from core.engines.sizing.architecture import parse
from core.engines.sizing.fit import Model, Wish, fit
from core.engines.sizing.kv_cache import KvCache
from core.engines.sizing.parameters import GIB, weight_bytes
from core.errors import SetupError
from tests.core.engines.sizing.test_measured import STARTS, Seen

PEERS: Final = ("kvfit==0.3.0", "hf-mem==0.5.6")
MODELS: Final = (
    "Qwen/Qwen2.5-0.5B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct",
    "Qwen/Qwen2.5-72B-Instruct-AWQ",
    "Qwen/Qwen3-8B",
    "Qwen/Qwen3-30B-A3B",
    "meta-llama/Llama-3.1-8B-Instruct",
    "mistralai/Mistral-7B-Instruct-v0.3",
    "google/gemma-2-9b-it",
    "google/gemma-3-27b-it",
    "deepseek-ai/DeepSeek-V2-Lite-Chat",
)
_ARCHITECTURES: Final = {  # what config.json says beside its model_type
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3": "Gemma3ForConditionalGeneration",
    "deepseek_v2": "DeepseekV2ForCausalLM",
}
_PATTERNS: Final = {"gemma2": 2, "gemma3": 6}  # their config.json names the layers; transformers' defaults
SAME: Final = 0.02  # of one another


@dataclass(frozen=True)
class Row:
    """GiB of one request; of the others also a refusal in their words."""

    model: str
    ours: float
    kvfit: float | str
    hf_mem: float | str


@dataclass(frozen=True)
class Left:
    """GiB for the KV cache."""

    seen: Seen
    ours: float
    kvfit: float

    def error(self, value: float) -> float:
        """Against vLLM's own, as a ratio."""
        return value / self.seen.free_gib - 1


def config(name: str) -> dict[str, Any]:
    """A config.json as a hub's, from our table."""
    fields = {key: value for key, value in known.MODELS[name].items() if key != "yarn"}
    kind, layers = fields["model_type"], fields["num_hidden_layers"]
    if every := _PATTERNS.get(kind):
        full = {n for n in range(layers) if (n + 1) % every == 0}
        fields["layer_types"] = ["full_attention" if n in full else "sliding_attention" for n in range(layers)]
    return {**fields, "architectures": [_ARCHITECTURES[kind]]}


def python() -> Path:
    """The interpreter of the others' environment, made where it is missing. SetupError: PyPI or uv is not there."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilotlight" / "bench-sizing"
    found = base / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    try:
        if not found.exists():
            subprocess.run([uv, "venv", "-q", base], check=True)
        subprocess.run([uv, "pip", "install", "-q", "--python", found, *PEERS], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"{' and '.join(PEERS)} could not be installed into {base}: {error}") from error
    return found


def ask(questions: Mapping[str, Any]) -> dict[str, Any]:
    """The others' answers."""
    script = Path(__file__).with_name("sizing_peers.py")
    done = subprocess.run([python(), script], input=json.dumps(questions), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{script.name} failed: {done.stderr.strip()[-500:]}")
    return dict(json.loads(done.stdout))


def measure(tokens: int) -> tuple[list[Row], list[Left], float]:
    """Both comparisons, and the seconds that ours took for the ten models."""
    began = time.perf_counter()
    ours = [KvCache(parse(known.MODELS[name]), 2, step_tokens=8192).request_bytes(tokens) / GIB for name in MODELS]
    took = time.perf_counter() - began
    told = ask(
        {
            "kv": [{"config": config(name), "tokens": tokens} for name in MODELS],
            "free": [_question(seen) for seen in STARTS],
        }
    )
    rows = [
        Row(name, own, _gib(each["kvfit"]), _gib(each["hf_mem"]))
        for name, own, each in zip(MODELS, ours, told["kv"], strict=True)
    ]
    return rows, [Left(seen, _free(seen), gib) for seen, gib in zip(STARTS, told["free"], strict=True)], took


def _gib(value: float | str) -> float | str:
    return value / GIB if isinstance(value, float) else value


def _question(seen: Seen) -> dict[str, Any]:
    shape = parse(known.MODELS[seen.model])
    return {
        "config": config(seen.model),
        "weights": weight_bytes(shape, shape.dtype),
        "hardware": seen.gpu.name.lower(),
        "utilization": seen.utilization,
    }


def _free(seen: Seen) -> float:
    wish = Wish(sequences=seen.sequences, utilization=seen.utilization)
    return fit(Model(seen.model, parse(known.MODELS[seen.model])), Gpus(1, seen.gpu), wish).free_gib


def tables(rows: Sequence[Row], left: Sequence[Left], tokens: int) -> list[Table]:
    """For people."""
    first = Table(
        "model", "ours", "kvfit", "hf-mem", title=f"KV cache of one request of {tokens:,} tokens, GiB", box=None
    )
    for row in rows:
        others = (f"{v:.3f}" if isinstance(v, float) else f"refused: {v}" for v in (row.kvfit, row.hf_mem))
        first.add_row(row.model, f"{row.ours:.3f}", *others)
    second = Table("model", "card", "vLLM", "ours", "error", "kvfit", "error", title="free for it, GiB", box=None)
    for each in left:
        seen, errors = each.seen, (f"{each.error(v):+.2%}" for v in (each.ours, each.kvfit))
        own, other = errors
        second.add_row(
            seen.model, seen.gpu.name, f"{seen.free_gib:.2f}", f"{each.ours:.2f}", own, f"{each.kvfit:.2f}", other
        )
    return [first, second]


def figures(rows: Sequence[Row], left: Sequence[Left], took_s: float) -> dict[str, float]:
    """For programs: on how many models the others say the same within 2 %, and the worst errors."""

    def same(value: float | str, own: float) -> bool:
        return isinstance(value, float) and abs(value / own - 1) <= SAME

    return {
        "models": len(rows),
        "kvfit_same_models": sum(same(row.kvfit, row.ours) for row in rows),
        "hf_mem_same_models": sum(same(row.hf_mem, row.ours) for row in rows),
        "ours_free_error_worst_ratio": round(max(abs(each.error(each.ours)) for each in left), 5),
        "kvfit_free_error_worst_ratio": round(max(abs(each.error(each.kvfit)) for each in left), 5),
        "ours_ten_models_s": round(took_s, 4),
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one flat JSON object last")
    parser.add_argument("--tokens", type=int, default=32768, help="of the request that is sized")
    flags = parser.parse_args()
    try:
        rows, left, took = measure(flags.tokens)
    except SetupError as error:
        sys.exit(f"bench.sizing: {error}")
    console = Console(stderr=flags.json, width=160)
    for table in tables(rows, left, flags.tokens):
        console.print(table)
        console.print()
    console.print(
        "kvplan is not on PyPI; hf-mem computes no free memory; kvfit's reserve is its user's to name (here: none)"
    )
    if flags.json:
        print(json.dumps(figures(rows, left, took)))


if __name__ == "__main__":
    main()
