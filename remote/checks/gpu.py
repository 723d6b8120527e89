"""The host's GPUs: what the driver says, and whether a kernel runs on them in the engine's own environment."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.contract.paths import ENGINE_USER, ENGINE_VENV
from remote.checks import Area, Check, failed, passed, warned
from remote.machines.transport import Machine, Result, tail

LAUNCH: Final = Path(__file__).parents[1] / "scripts" / "launch_kernel.py"
LAUNCH_S: Final = 180.0  # importing torch from a cold disk takes most of it
FIELDS: Final = "name,driver_version,memory.used,memory.total,ecc.errors.uncorrected.volatile.total"
SMI: Final = f"nvidia-smi --query-gpu={FIELDS} --format=csv,noheader,nounits"
MIB_A_GIB: Final = 1024
FULL: Final = "out of memory"  # torch's and CUDA's words; seen on an H100 with less than 0.7 GiB free


@dataclass(frozen=True)
class Card:
    """One GPU by the driver; memory in MiB. `errors`: uncorrected memory errors since its start; None: no ECC."""

    name: str
    driver: str
    used_mib: int
    total_mib: int
    errors: int | None


@dataclass(frozen=True)
class Launched:
    """What scripts/launch_kernel.py printed: versions, each GPU (name, what was wrong), and the error of the whole."""

    vllm: str = ""
    torch: str = ""
    cuda: str = ""
    gpus: tuple[tuple[str, str], ...] = ()
    error: str = ""


def look(host: Machine) -> tuple[list[Card] | str, Launched]:
    """Two commands on the host: the cards (or what nvidia-smi said instead), and what ran on them."""
    # bytes of Python are written nowhere, and HOME is the user's own
    words = shlex.join(
        ["runuser", "-u", ENGINE_USER, "--", "env", "PYTHONDONTWRITEBYTECODE=1", f"{ENGINE_VENV}/bin/python"]
    )
    launched = host.run(f"cd / && {words} -", stdin=LAUNCH.read_bytes(), timeout_s=LAUNCH_S)
    return cards(host.run(SMI)), read(launched)


def cards(said: Result) -> list[Card] | str:
    """The GPUs that nvidia-smi lists, or its words where it lists none."""
    rows = [[cell.strip() for cell in line.split(",")] for line in said.out.splitlines() if line.count(",") == 4]
    if said.code != 0 or not rows:
        return tail(said.out + said.err, 3) or "nvidia-smi said nothing"
    return [
        Card(name, driver, _whole(used), _whole(total), _errors(errors)) for name, driver, used, total, errors in rows
    ]


def _whole(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _errors(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def read(said: Result) -> Launched:
    """What the program printed, or its last words as the error."""
    try:
        raw: dict[str, Any] = json.loads(said.out.splitlines()[-1])
        gpus = tuple((str(each["name"]), str(each["wrong"])) for each in raw.pop("gpus"))
        return Launched(**raw, gpus=gpus)
    except (ValueError, IndexError, KeyError, TypeError):
        return Launched(error=tail(said.err or said.out, 3) or "it said nothing")


def checks(found: list[Card] | str, launched: Launched, stack: str) -> Iterator[Check]:
    """A line a GPU by the driver, and one for the kernels."""
    area, deploy = Area.HOST, f"`fab deploy -s {stack}` installs the driver where it is missing"
    if isinstance(found, str):
        fix = f"{deploy}. Has pilotlight:host.instanceTypes a GPU? After an update of the kernel: reboot."
        yield failed(area, "GPU driver", found, fix)
    else:
        for card in found:
            yield _card(card, stack)
    yield _kernel(launched, stack)


def _card(card: Card, stack: str) -> Check:
    memory = f"{card.used_mib / MIB_A_GIB:.1f} of {card.total_mib / MIB_A_GIB:.1f} GiB used"
    said = f"{card.name}, driver {card.driver}, {memory}"
    if card.errors:
        fix = f"Another machine: `fab stop -s {stack}`, then `fab wake -s {stack}`. Tell AWS if it comes again."
        return warned(Area.HOST, "GPU driver", f"{said}; {card.errors} uncorrected memory errors", fix)
    return passed(Area.HOST, "GPU driver", said)


def _kernel(launched: Launched, stack: str) -> Check:
    versions = ", ".join(
        f"{name} {number}"
        for name, number in (("vLLM", launched.vllm), ("torch", launched.torch), ("CUDA", launched.cuda))
        if number
    )
    wrong = [f"{name}: {what.partition('. ')[0]}" for name, what in launched.gpus if what]
    if wrong and all(FULL in what for what in wrong):
        said = f"the engine leaves no room for a second program: {'; '.join(wrong)}"
        return warned(Area.HOST, "GPU kernel", said, f"Ask the engine itself: `fab doctor -s {stack} --wake`.")
    if launched.error or wrong or not launched.gpus:
        said = launched.error or "; ".join(wrong) or "torch sees no GPU"
        fix = (
            f"Does the driver fit torch's CUDA? docs/gpu.md. `fab logs -s {stack}` shows whether the engine uses it; "
            f"`fab deploy -s {stack}` renews the engine's environment where it is not as wanted."
        )
        return failed(Area.HOST, "GPU kernel", f"{said} ({versions or 'no versions'})", fix)
    count = len(launched.gpus)
    return passed(Area.HOST, "GPU kernel", f"ran on {count} GPU{'' if count == 1 else 's'}: {versions}")
