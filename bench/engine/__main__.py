"""`python -m bench.engine [--rows NAME …] [--models 0.5b 7b-awq] [--folder WORK] [--json FILE]`

Start-up and serving speed of vLLM on the card that is here, row by row: vLLM's own defaults, our profiles by our own
configuration files (`core/engines`), old guides' flags, and ways to start sooner. Each row of a model starts its engine
`--starts` times with warm caches, after once with what the rows before left; the load runs on the last start. Results
are written after each row, so that a run that is cut off keeps what it has.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from bench.engine import load
from bench.engine.server import PORT, Server, vllm
from core.engines import serve
from core.engines.serve import EngineSpec

CONTEXT: Final = 32_768
MODELS: Final = ("0.5b", "7b-awq")
REHEARSED: Final = "tiny"


@dataclass(frozen=True)
class Place:
    """Where things lie: weights, caches, configuration files, the servers' log."""

    folder: Path
    device: str  # gpu | cpu, for a rehearsal

    def environment(self, **more: str) -> dict[str, str]:
        """Ours for a GPU, with caches below the folder."""
        # the sampler of FlashInfer compiles at its first use, for which this machine may lack the compiler
        return {**serve.environment(self.device, str(self.folder / "home")), "VLLM_USE_FLASHINFER_SAMPLER": "0", **more}

    def plain(self, **more: str) -> dict[str, str]:
        """vLLM's own defaults in the same folders."""
        found = self.environment(**more)
        found.pop("VLLM_WORKER_MULTIPROC_METHOD", None)
        return found


@dataclass(frozen=True)
class Row:
    """How an engine is started: `flags` on top of our file's, `start` the command's begin."""

    words: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    profile: str = "fast-start"
    start: Callable[..., list[str]] = vllm
    environment: Mapping[str, str] = field(default_factory=dict)
    ours: bool = True  # our environment, else vLLM's own defaults
    prepare: str = ""  # a shell command before each start
    streams: Sequence[int] = (1, 12, 64)


def lean(*more: str) -> list[str]:
    """`bench/engine/lean.py` in place of `vllm serve`."""
    return [sys.executable, "-m", "bench.engine.lean", *more]


def split(*more: str) -> list[str]:
    """`bench/engine/split.py` in place of `vllm serve`."""
    return [sys.executable, "-m", "bench.engine.split", *more]


DROP: Final = "sync; echo 3 > /proc/sys/vm/drop_caches"
PLAN: Final = {"VLLM_ENABLE_STARTUP_PLAN": "1"}
GUIDE: Final = {"enforce-eager": True, "gpu-memory-utilization": 0.95, "dtype": "half"}
ROWS: Final[Mapping[str, Row]] = {
    "default": Row("vLLM's defaults (spawn)", profile="throughput", ours=False),
    "fork": Row("fast-start: fork, 64 sequences, 7 captures"),
    "plan": Row("besides, the start-up plan", environment=PLAN),
    "lean": Row("besides, no other subcommands, no GC on import", start=lean, environment=PLAN),
    "aot": Row("plan, and AOT compilation", environment={**PLAN, "VLLM_USE_AOT_COMPILE": "1"}),
    "split": Row("plan, API server and engine import at the same time", start=split, environment=PLAN),
    "split-aot": Row("split, and AOT compilation", start=split, environment={**PLAN, "VLLM_USE_AOT_COMPILE": "1"}),
    "throughput": Row("throughput profile: fork, vLLM's limits", profile="throughput"),
    "guide": Row("old guides' flags (eager, util 0.95)", GUIDE, profile="throughput", ours=False, streams=(1, 12)),
    "cold-plan": Row("plan, page cache dropped", environment=PLAN, prepare=DROP, streams=()),
    "cold-lean": Row("lean, page cache dropped", start=lean, environment=PLAN, prepare=DROP, streams=()),
}


def spec(model: str, row: Row, device: str) -> EngineSpec:
    """The engine of a row, as a stack file would have it."""
    flags = tuple(row.flags.items())
    dtype = "float16" if device == "gpu" else "auto"
    return EngineSpec("m", PORT, ("m",), model, CONTEXT, device, dtype, None, flags, "", "127.0.0.1", row.profile)


def measure(place: Place, name: str, model: str, starts: int, say: Callable[[str], None]) -> dict[str, Any]:
    """All starts of a row, and its loads. A row that fails says why and has no figures."""
    row = ROWS[name]
    file = place.folder / f"{model}-{name}.yaml"
    file.write_text(yaml.safe_dump(serve.flags(spec(model, row, place.device), str(place.folder / f"model-{model}"))))
    environment = (place.environment if row.ours else place.plain)(**row.environment)
    found: dict[str, Any] = {"row": name, "model": model, "words": row.words, "first_token_s": [], "loads": []}
    try:
        with open(place.folder / "servers.log", "a") as log:
            for number in range(1 + starts):
                if row.prepare:
                    subprocess.run(row.prepare, shell=True, check=True)
                with Server(row.start("--config", str(file)), environment, log) as server:
                    found["first_token_s"].append(round(server.first_token_s, 2))
                    found["healthy_s"] = round(server.healthy_s, 2)
                    found |= server.memory()
                    say(f"{model} {name} start {number}: first token {server.first_token_s:.1f} s")
                    if number == starts:
                        _loads(server, row, found, say)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        found["failed"] = str(error)[-800:]
        say(f"{model} {name} FAILED: {found['failed']}")
    return found


def _loads(server: Server, row: Row, found: dict[str, Any], say: Callable[[str], None]) -> None:
    for streams in row.streams:
        seen = load.run(server.url, streams).flat()
        found["loads"].append(seen)
        say(f"  {seen}")


def machine() -> dict[str, str]:
    """Card, driver, versions, date."""
    from importlib.metadata import PackageNotFoundError, version

    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        card = subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        card = "none"
    found = {"card": card, "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")}
    for package in ("vllm", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 where a row failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.engine", description="Start-up and speed of vLLM on a card.")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), metavar="ROW")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, metavar="MODEL")
    parser.add_argument("--starts", type=int, default=1, help="warm starts a row, after its first (default: 1)")
    parser.add_argument("--folder", type=Path, default=Path("work"), help="weights, caches and logs")
    parser.add_argument("--rehearse", action="store_true", help="a tiny model on the CPU, to try the command itself")
    parser.add_argument("--out", type=Path, help="results as JSON, added to what is there")
    options = parser.parse_args(argv)
    place = Place(options.folder.resolve(), "cpu" if options.rehearse else "gpu")
    place.folder.mkdir(parents=True, exist_ok=True)
    results = json.loads(options.out.read_text())["rows"] if options.out and options.out.exists() else []
    about = machine()
    for model in (REHEARSED,) if options.rehearse else options.models:
        make = [
            sys.executable,
            "-m",
            "bench.engine.weights",
            model,
            str(place.folder),
            *(["cpu"] if options.rehearse else []),
        ]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
        for name in options.rows:
            results.append(measure(place, name, model, options.starts, lambda text: print(text, flush=True)))
            if options.out:
                options.out.write_text(json.dumps({**about, "rows": results}, indent=1))
    return int(any("failed" in row for row in results))


if __name__ == "__main__":
    sys.exit(main())
