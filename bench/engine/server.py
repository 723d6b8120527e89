"""One vLLM server: started as a row says, timed until its first token, ended."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

PORT: Final = 8137
START_S: Final = 600.0
STOP_S: Final = 25.0
KV_TOKENS: Final = re.compile(r"GPU KV cache size: ([\d,]+) tokens")
FREE_GIB: Final = re.compile(r"Available KV cache memory: ([\d.]+) GiB")


@dataclass
class Server:
    """A server on loopback; use as a context manager. `log` is the file that all of them write to."""

    command: Sequence[str]
    environment: Mapping[str, str]
    log: IO[str]
    healthy_s: float = 0.0  # process start → /health
    first_token_s: float = 0.0  # process start → one completion
    _process: subprocess.Popen[bytes] | None = None
    _log_from: int = field(default=0)

    @property
    def url(self) -> str:
        """Where its API is."""
        return f"http://127.0.0.1:{PORT}/v1"

    def __enter__(self) -> Server:
        """Start it and wait. RuntimeError with the end of its log where it does not come up."""
        self.log.flush()
        self._log_from = Path(self.log.name).stat().st_size
        begun = time.monotonic()
        environment = {**os.environ, **self.environment}
        self._process = subprocess.Popen(
            list(self.command), env=environment, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            self._wait_healthy(begun)
            self.healthy_s = time.monotonic() - begun
            self._first_token()
            self.first_token_s = time.monotonic() - begun
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        process = self._process
        if process is None:
            return
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        _signal(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(1.5)  # the driver gives the memory back a moment later

    def said(self) -> str:
        """What it has logged so far."""
        with open(self.log.name, errors="replace") as found:
            found.seek(self._log_from)
            return found.read()

    def memory(self) -> dict[str, float]:
        """KV cache: tokens, and the GiB that vLLM found free for it; what it did not say is left out."""
        text, found = self.said(), {}
        if match := KV_TOKENS.search(text):
            found["kv_tokens"] = float(match[1].replace(",", ""))
        if match := FREE_GIB.search(text):
            found["kv_gib"] = float(match[1])
        return found

    def post(self, path: str, body: Mapping[str, Any] | None = None, timeout_s: float = 120.0) -> bytes:
        """POST JSON; RuntimeError where it is refused."""
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}{path}", data, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"POST {path}: {error.code} {error.read(300)!r}") from error

    def _first_token(self) -> None:
        self.post(
            "/v1/completions",
            {"model": "m", "prompt": list(range(100, 116)), "max_tokens": 1, "return_token_ids": True},
        )

    def _wait_healthy(self, begun: float) -> None:
        assert self._process is not None
        while time.monotonic() - begun < START_S:
            if self._process.poll() is not None:
                raise RuntimeError(f"ended with {self._process.returncode}: …{self.said()[-1500:]}")
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"not healthy after {START_S:.0f} s: …{self.said()[-1500:]}")


def _signal(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return  # all of it has ended


def vllm(*more: str) -> list[str]:
    """`vllm serve` in this interpreter."""
    return [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve", *more]
