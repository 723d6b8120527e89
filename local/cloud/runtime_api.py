"""One Lambda execution environment: AWS's runtime client (awslambdaric) in a process, and the Runtime API for it.

The process is long-lived and takes one event at a time, as on AWS. Source: Lambda developer guide, "Using the Lambda
runtime API" (version 2018-06-01).
"""

from __future__ import annotations

import http.server
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.cloud import unprivileged

API: Final = "/2018-06-01/runtime/"
UNHANDLED: Final = "Unhandled"
_LOG_TAIL_BYTES: Final = 4096
_INIT_S: Final = 10.0  # Lambda gives a function's imports this long, outside its time-out


@dataclass(frozen=True)
class Invoked:
    """What an invocation gave. `error` is "" or Lambda's FunctionError; `log` is the tail of what it printed."""

    payload: bytes
    error: str = ""
    log: str = ""


@dataclass(frozen=True)
class Function:
    """What of a function's configuration decides how it runs."""

    name: str
    arn: str
    handler: str
    memory_mib: int
    timeout_s: int
    environment: tuple[tuple[str, str], ...]
    code_sha256: str


@dataclass(frozen=True)
class _Event:
    request_id: str
    body: bytes
    deadline_ms: int


class Environment:
    """A started process. `on_line` gets every line that it prints. Not for two threads at once."""

    def __init__(self, function: Function, code: Path, extra: dict[str, str], on_line: Callable[[str], None]) -> None:
        self.function = function
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Invoked] = queue.SimpleQueue()
        self._started = threading.Event()
        self._on_line = on_line
        self._lines: list[str] = []
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self._server.serve_forever, name="runtime-api", daemon=True).start()
        self._process = subprocess.Popen(
            unprivileged.command([unprivileged.python(), "-m", "awslambdaric", function.handler], code),
            cwd=code,
            env={**extra, **self._variables(code)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._read_output, name="lambda-output", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can take another event."""
        return self._process.poll() is None

    def invoke(self, body: bytes) -> Invoked:
        """Run the handler once; a time-out kills the process, as Lambda does."""
        self._lines.clear()
        self._started.wait(_INIT_S)
        deadline_s = time.time() + self.function.timeout_s
        event = _Event(str(uuid.uuid4()), body, int(deadline_s * 1000))
        self._events.put(event)
        try:
            answer = self._answers.get(timeout=self.function.timeout_s)
        except queue.Empty:
            self.close()
            answer = _failed(
                "Sandbox.Timedout", event.request_id, f"Task timed out after {self.function.timeout_s:.2f} seconds"
            )
        return Invoked(answer.payload, answer.error, "".join(self._lines)[-_LOG_TAIL_BYTES:])

    def kill(self) -> None:
        """End the process in the middle of what it does; `invoke` reports it."""
        self._process.kill()

    def close(self) -> None:
        """End the process and its Runtime API."""
        self._process.kill()
        self._process.wait()
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> _Event:
        """For the Runtime API: blocks until there is one."""
        self._started.set()
        return self._events.get()

    def answered(self, payload: bytes, error: str) -> None:
        """For the Runtime API."""
        self._answers.put(Invoked(payload, error))

    def _variables(self, code: Path) -> dict[str, str]:
        name = self.function.name
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "LANG": "C.UTF-8",
            "TZ": ":UTC",
            "PYTHONPATH": str(code),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            "_HANDLER": self.function.handler,
            "LAMBDA_TASK_ROOT": str(code),
            "AWS_EXECUTION_ENV": f"AWS_Lambda_python{sys.version_info.major}.{sys.version_info.minor}",
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_port}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.function.memory_mib),
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": uuid.uuid4().hex,
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            **dict(self.function.environment),
        }

    def _read_output(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.append(line)
            self._on_line(line)
        code = self._process.wait()
        self._started.set()
        self._answers.put(_failed("Runtime.ExitError", "", f"Runtime exited with error: exit status {code}"))


def _failed(kind: str, request_id: str, what: str) -> Invoked:
    prefix = f"RequestId: {request_id} Error: " if request_id else ""
    return Invoked(json.dumps({"errorType": kind, "errorMessage": prefix + what}).encode(), UNHANDLED)


def _handler(environment: Environment) -> type[http.server.BaseHTTPRequestHandler]:
    """The Runtime API of one environment."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            """Quiet: the function's own output is the log."""

        def do_GET(self) -> None:
            if not self.path.startswith(API + "invocation/next"):
                return self._reply(404)
            event = environment.next_event()
            headers = {
                "Lambda-Runtime-Aws-Request-Id": event.request_id,
                "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": environment.function.arn,
                "Lambda-Runtime-Trace-Id": f"Root=1-{event.request_id}",
                "Content-Type": "application/json",
            }
            return self._reply(200, event.body, headers)

        def do_POST(self) -> None:
            failed = self.path.endswith("/error")
            environment.answered(self._body(), UNHANDLED if failed else "")
            self._reply(202)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
