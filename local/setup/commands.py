"""Runs other programs for set-up: output into a log, low priority for long work, and all of them ended on Ctrl-C.

Steps run in threads; an interrupt reaches the main thread only. It calls `stop_all`, which ends every program that is
running, process group by process group, and lets no new one start.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from core.errors import SetupError
from local import trust


class InterruptedStepError(SetupError):
    """Set-up was told to stop while this program ran."""


class Commands:
    """Every program that set-up starts goes through here; tests give a fake with the same two methods."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def output(self, argv: Sequence[str], timeout_s: float = 20) -> str | None:
        """What a short program printed, stripped; None where it does not exist, fails, or takes longer."""
        try:
            done = subprocess.run(
                argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=timeout_s, check=False, text=True
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    def run(
        self,
        argv: Sequence[str],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        gently: bool = False,
        timeout_s: float | None = None,
    ) -> None:
        """Run to the end with output appended to `log`; SetupError with the log's last lines where it fails.

        `env` is added to this process's own, and to what makes clients trust the system's certificates; `gently` lowers
        the priority. Standard input is empty.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            sink.write(f"$ {' '.join(argv)}\n".encode())
            sink.flush()
            code = self._run(["nice", *argv] if gently else list(argv), sink, env, cwd, timeout_s)
        if code:
            words = trust.hint(tail(log).splitlines(), os.environ)
            more = f"\n{words}" if words else ""
            raise SetupError(f"`{' '.join(argv)[:300]}` failed with {code}:\n{tail(log)}\nThe whole log: {log}{more}")

    def _run(
        self, argv: list[str], sink: IO[bytes], env: Mapping[str, str] | None, cwd: Path | None, timeout_s: float | None
    ) -> int:
        process = self._start(argv, sink, env, cwd)
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            _end(process)
            raise SetupError(f"`{' '.join(argv)[:300]}` was not done after {timeout_s:.0f} s.") from None
        finally:
            with self._lock:
                self._running.discard(process)
        if self._stopped:
            raise InterruptedStepError(f"`{argv[0]}` was interrupted.")
        return code

    def _start(
        self, argv: list[str], sink: IO[bytes], env: Mapping[str, str] | None, cwd: Path | None
    ) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._stopped:
                raise InterruptedStepError(f"`{argv[0]}` was not started: set-up is stopping.")
            try:
                # A group of its own, not a session: sudo keeps the terminal that its ticket belongs to.
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    env={**trust.environment(os.environ), **os.environ, **(env or {})},
                    cwd=cwd,
                    process_group=0,
                )
            except FileNotFoundError as error:
                raise SetupError(f"`{error.filename}` does not exist on this computer.") from error
            self._running.add(process)
            return process

    def stop_all(self) -> None:
        """End what runs and let nothing start any more."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            _end(process)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented; for error messages."""
    text = log.read_text(errors="replace").replace("\r", "\n").splitlines()
    return "\n".join(f"    {line}" for line in text[-lines:])


def _end(process: subprocess.Popen[bytes]) -> None:
    """TERM to the whole group, as root where it runs as root, and KILL after ten seconds."""
    for name, patience_s in (("TERM", 10), ("KILL", 5)):
        try:
            os.killpg(process.pid, getattr(signal, f"SIG{name}"))
        except ProcessLookupError:
            return
        except PermissionError:
            subprocess.run(["sudo", "-n", "kill", f"-{name}", "--", f"-{process.pid}"], check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
            return
