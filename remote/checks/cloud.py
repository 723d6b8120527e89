"""What the cloud says: `pulumi preview`, which changes nothing, asks AWS whether credentials, quota, zones, images,
subnets and keys fit (`components/aws/preflight.py`), and tells what the stack file and the cloud differ in.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import DeployError
from core.versions import PULUMI_MINIMUM
from remote.checks import Area, Check, failed, passed, warned
from remote.stack_files import StackFile

TIMEOUT_S: Final = 180.0
NO_CHANGE: Final = ("same", "read", "refresh")  # Pulumi's names of steps that change nothing


@dataclass(frozen=True)
class Preview:
    """What a preview said: whether it got through, its messages by severity, and how many steps of each kind."""

    succeeded: bool
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    steps: Mapping[str, int] | None = None


def preview(file: StackFile) -> Preview:
    """Run `pulumi preview`. DeployError: there is no Pulumi, or it did not answer in time."""
    program = shutil.which("pulumi", path=file.environment.get("PATH"))
    if program is None:
        raise DeployError("`pulumi` is not on PATH.")
    command = [program, "preview", "--json", "--non-interactive", "-s", file.name]
    try:
        done = subprocess.run(
            command,
            cwd=file.project,
            env=dict(file.environment) | {"PULUMI_SKIP_UPDATE_CHECK": "true"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DeployError(f"`{' '.join(command)}` did not answer within {TIMEOUT_S:.0f} s.") from error
    return read(done.stdout, done.stderr, succeeded=done.returncode == 0)


def pulumi_version(file: StackFile) -> str:
    """What `pulumi version` prints, e.g. v3.220.0; "" where it cannot run."""
    program = shutil.which("pulumi", path=file.environment.get("PATH"))
    if program is None:
        return ""
    environment = dict(file.environment) | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    done = subprocess.run(
        [program, "version"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def versions(pulumi: str, ours: str) -> Check:
    """What this computer has; Pulumi is new enough."""
    least = ".".join(map(str, PULUMI_MINIMUM))
    fix = "`make setup` brings one, and says where."
    if not pulumi:
        return failed(Area.STACK, "versions", f"{ours}; Pulumi is not on PATH, or does not run", fix)
    number = tuple(int(part) for part in re.findall(r"\d+", pulumi)[:3])
    said = f"{ours}, Pulumi {pulumi.removeprefix('v')}"
    if number < PULUMI_MINIMUM:
        return failed(Area.STACK, "versions", f"{said}, which is older than {least}", fix)
    return passed(Area.STACK, "versions", said)


def read(out: str, err: str, *, succeeded: bool) -> Preview:
    """A preview from what Pulumi printed; where that is no JSON, its last lines are the error."""
    try:
        printed: dict[str, Any] = json.loads(out)
    except ValueError:
        said = "\n".join((err.strip() or out.strip()).splitlines()[-5:])
        return Preview(succeeded=False, errors=(said or "Pulumi said nothing.",))
    messages: dict[str, list[str]] = {}
    for each in printed.get("diagnostics") or ():
        severity, text = str(each.get("severity", "")), str(each.get("message", "")).strip()
        messages.setdefault(severity, []).append(text.removeprefix(f"{severity}: "))
    errors = messages.get("error", []) or ([] if succeeded else messages.get("info#err", [])[-5:])
    return Preview(
        succeeded,
        tuple(errors),
        tuple(messages.get("warning", ())),
        tuple(messages.get("info", ())),
        printed.get("changeSummary"),
    )


def checks(found: Preview, stack: str, *, aws: bool = True) -> Iterator[Check]:
    """A line for credentials and limits, and one for each thing that the cloud and the stack file differ in.

    `aws` False: the stack is made of the user's own machine, and AWS was asked nothing.
    """
    again = f"Mend what it names, then see for yourself: `pulumi preview -s {stack}`."
    if not found.succeeded or found.errors:
        yield failed(Area.CLOUD, "preview", "\n".join(found.errors) or "It failed without a message.", again)
        return
    fits = "credentials are accepted; quota, zones, images, subnets and keys fit"
    yield passed(Area.CLOUD, "preview", fits if aws else "no cloud is needed: the host is a machine of your own")
    for text in found.warnings:
        yield warned(Area.CLOUD, "preview", text, again)
    for text in found.notes if aws else ():
        yield warned(Area.CLOUD, "differs", text, "Nothing, where that is meant; else change the stack file.")
    yield _steps(found.steps or {}, stack)


def _steps(steps: Mapping[str, int], stack: str) -> Check:
    changes = {kind: count for kind, count in sorted(steps.items()) if kind not in NO_CHANGE}
    if not changes:
        return passed(Area.CLOUD, "applied", "`pulumi up` would change nothing")
    told = ", ".join(f"{kind} {count}" for kind, count in changes.items())
    return warned(Area.CLOUD, "applied", f"`pulumi up` would change resources: {told}", f"`pulumi up -s {stack}`.")
