"""`fab deploy -s a,b`: several stacks at the same time, each in a process of its own.

So one that fails, hangs or is interrupted is no matter of the others, and Ctrl-C reaches each as if it were alone. Its
lines are shown as they come, each with its stack's name before it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

from core.errors import DeployError, SettingsError
from core.settings.suggest import closest
from remote import stack_files
from remote.verbs.deploy_report import HOST_UNKNOWN, WOULD_CHANGE, Options

FAB: Final = (sys.executable, "-m", "fabric", "deploy")
MESSAGE: Final = "fab deploy: "  # how a verb begins the message of its failure
INTERRUPTED: Final = 130
Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How one stack's deployment ended: its exit code, its message or last line, and with `--json` its data."""

    stack: str
    code: int
    last: str
    data: Mapping[str, Any] | None = None

    @property
    def failed(self) -> bool:
        """It is neither deployed nor shown."""
        return self.code not in (0, WOULD_CHANGE, HOST_UNKNOWN)

    def as_dict(self) -> dict[str, Any]:
        """For `--json` (docs/json.md)."""
        return {"stack": self.stack, "error": self.last if self.failed else None, **(self.data or {})}


def names(text: str) -> list[str]:
    """The stacks that `--stack` names, each once. DeployError: there is no such stack."""
    found = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = stack_files.names()
    for name in found if len(found) > 1 else ():
        if name not in known:
            there = ", ".join(known) or "none"
            raise DeployError(
                f"There is no stack `{name}`{closest(name, known)}; there are: {there}. Nothing was done."
            )
    return found


def words(options: Options, *, identity: str, as_json: bool) -> list[str]:
    """The options of each process. SettingsError: one that only a single stack can have."""
    for flag, path in (("key-file", options.key_file), ("password-file", options.password_file)):
        if path:
            raise SettingsError(f"--{flag} {path} is for one stack's. Leave it out, or deploy one stack at a time.")
    given = ["--identity", identity] if identity else []
    return [*given, *(["--plan"] if options.plan else []), *(["--json"] if as_json else [])]


def deploy(stacks: Sequence[str], options: Sequence[str], say: Say, command: Sequence[str] = FAB) -> list[Outcome]:
    """All of them at once; returns when the last one has ended. KeyboardInterrupt: all have ended by it."""
    width = max(map(len, stacks))
    found: dict[str, Outcome] = {}

    def one(stack: str, process: subprocess.Popen[str]) -> None:
        found[stack] = _followed(stack, process, lambda line: say(f"{stack:<{width}}  {line}"))

    started = {stack: _start([*command, "--stack", stack, *options]) for stack in stacks}
    threads = [threading.Thread(target=one, args=each) for each in started.items()]
    for thread in threads:
        thread.start()
    _join(threads)
    return [found[stack] for stack in stacks]


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        cwd=stack_files.CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def _join(threads: Sequence[threading.Thread]) -> None:
    """Ctrl-C has gone to every process as well: they end by themselves, and release what they hold."""
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for thread in threads:
            thread.join()
        raise


def _followed(stack: str, process: subprocess.Popen[str], say: Say) -> Outcome:
    """Say its lines until it ends; of both streams, but the JSON that comes last."""
    lines, data = list[str](), list[str]()
    assert process.stdout is not None
    assert process.stderr is not None
    errors = threading.Thread(target=_each, args=(process.stderr, lines, say))
    errors.start()
    with process:
        for line in process.stdout:
            if line.startswith('{"schema_version"'):
                data.append(line)
            else:
                lines.append(line.rstrip("\n"))
                say(lines[-1])
        errors.join()
    last = next((line for line in reversed(lines) if line.strip()), "it said nothing")
    told = next((line for line in lines if line.startswith(MESSAGE)), last)  # a message may have several lines
    return Outcome(stack, process.returncode, told, json.loads(data[-1])["data"] if data else None)


def _each(stream: IO[str], lines: list[str], say: Say) -> None:
    for line in stream:
        lines.append(line.rstrip("\n"))
        say(lines[-1])


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """A line a stack: how it ended. Those that failed come last, where they are seen."""
    ordered = sorted(outcomes, key=lambda each: each.failed)
    return [f"{'FAILED' if each.failed else 'ended':<6}  {each.stack}: {each.last}" for each in ordered]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """1 where one failed; else, of a plan, 3 where a host is off, 2 where anything would change."""
    if any(each.code == INTERRUPTED for each in outcomes):
        return INTERRUPTED
    return 1 if any(each.failed for each in outcomes) else max(each.code for each in outcomes)
