"""What vLLM is told to serve an engine: its flags for `serve --config`, and its environment. Pure.

Each flag that we set has its reason beside it; what the stack file sets by `flags` comes last and wins. What vLLM does
with which flag: `vllm serve --help=all` on the host. `bench/engine/` measures these very flags.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.engines.profiles import DEFAULT, PROFILES, captures

CAPTURES: Final = "cudagraph-capture-sizes"
SHUTDOWN_S: Final = 15  # vLLM drains this long on SIGTERM; systemd's TimeoutStopSec is twice that

_ENVIRONMENT: Final = {
    "VLLM_NO_USAGE_STATS": "1",  # tells nobody
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",  # the model is on the disk: a start must not wait for the hub, nor fail without it
}
_DEVICE_ENVIRONMENT: Final = {
    # spawn imports everything twice: 30-40 s to ready against 21-22 s (measured on 0.26.0)
    "gpu": {"VLLM_WORKER_MULTIPROC_METHOD": "fork"},
    "cpu": {
        "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB; its default takes 4 and more
        # without it the CPU build turns `uni` back into `mp`: one process and one import of torch more, and 160 MiB of
        # /dev/shm (vllm/platforms/cpu.py, 0.32.0). The API server has its engine process in both cases.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
    },
}


@dataclass(frozen=True)
class EngineSpec:
    """One engine as the stack wants it. `names`: what callers may use as `model`; answers say the first."""

    name: str
    port: int
    names: tuple[str, ...]
    model: str
    max_model_len: int  # tokens, prompt and answer
    device: str  # gpu | cpu
    dtype: str
    quantization: str | None
    flags: tuple[tuple[str, Any], ...]
    where: str  # the setting that names the model, for messages
    bind: str = "0.0.0.0"  # only the gateway reaches the port (security group); 127.0.0.1 where HAProxy is on the host
    profile: str = DEFAULT  # a name of PROFILES; for a GPU only
    gpus: int = 1  # tensor parallel


def flags(spec: EngineSpec, path: str) -> dict[str, Any]:
    """vLLM's flags for `serve --config`; `path` is the model's folder on the host."""
    found: dict[str, Any] = {
        "model": path,
        "served-model-name": list(spec.names),
        "host": spec.bind,
        "port": spec.port,
        "max-model-len": spec.max_model_len,
        "dtype": spec.dtype,
        # 0, the default, cuts streams or hangs on SIGTERM
        "shutdown-timeout": SHUTDOWN_S,
        # a line a request in the journal tells nothing that HAProxy's log does not
        "disable-uvicorn-access-log": True,
    }
    if spec.quantization:
        found["quantization"] = spec.quantization
    if spec.device == "cpu":
        found |= {
            "dtype": "float32" if spec.dtype == "auto" else spec.dtype,  # bfloat16 crashed on a 1-token prompt
            "enforce-eager": True,  # compiling for a CPU costs minutes at every start
            "distributed-executor-backend": "uni",  # one process less to start and to keep
        }
        return found | dict(spec.flags)
    if spec.gpus > 1:
        found["tensor-parallel-size"] = spec.gpus
    profile = PROFILES[spec.profile]
    found |= {**profile.flags, **dict(spec.flags)}
    sequences = found.get("max-num-seqs")
    if profile.few_captures and CAPTURES not in found and isinstance(sequences, int):
        found[CAPTURES] = captures(sequences)
    return found


def environment(device: str, home: str) -> dict[str, str]:
    """Variables of an engine's process. `home`: a folder that outlives a stop, with what makes the next start quick."""
    kept: Mapping[str, str] = {
        "HOME": home,
        "VLLM_CACHE_ROOT": f"{home}/vllm",
        # written at the first start, by the engine itself and only for what it imports; all would take a minute
        "PYTHONPYCACHEPREFIX": f"{home}/bytecode",
    }
    return {**kept, **_ENVIRONMENT, **_DEVICE_ENVIRONMENT[device]}
