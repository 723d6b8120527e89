"""moto's Lambda, with the uploaded archive really run (`runtime_api.py`) instead of a Docker image.

An idle environment is used again while code and configuration stay the same, another is started when all are busy, up
to CONCURRENCY: what Lambda does. Events (scheduled or `InvocationType=Event`) are tried once and dropped when they are
older than their maximum age: the product sets MaximumRetryAttempts 0 everywhere, so retries are not stood in for.
"""

from __future__ import annotations

import base64
import io
import logging
import shutil
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from moto.awslambda import urls
from moto.awslambda.models import EventSourceMapping, LambdaBackend, LambdaFunction, lambda_backends
from moto.core.exceptions import JsonRESTError
from moto.sqs.models import sqs_backends

from local.cloud.credentials import Keyring
from local.cloud.runtime_api import Environment, Function, Invoked
from local.cloud.site import ACCOUNT, MARK, REGION, Site, aws_environment

log = logging.getLogger(__name__)

CONCURRENCY: Final = 10  # what a new AWS account has


@dataclass
class _Pool:
    """One function's environments and what became of its invocations."""

    idle: list[Environment] = field(default_factory=list)
    busy: int = 0  # idle ones taken and new ones being started
    running: list[Environment] = field(default_factory=list)
    invocations: int = 0
    errors: int = 0
    dropped: int = 0
    last_error: str = ""


class Runner:
    """Runs functions. Safe for threads."""

    def __init__(self, site: Site, keyring: Keyring) -> None:
        self._site, self._keyring = site, keyring
        self._folder = site.folder / "lambda"
        self._pools: dict[str, _Pool] = {}
        self._lock = threading.Lock()
        self._events = ThreadPoolExecutor(max_workers=CONCURRENCY, thread_name_prefix="event")

    def run(self, moto_function: LambdaFunction, body: bytes) -> Invoked:
        """Run once and wait. JsonRESTError TooManyRequestsException where every environment is busy."""
        function = _function(moto_function)
        environment = self._acquire(function, moto_function)
        pool = self._pools[function.name]
        pool.running.append(environment)
        try:
            result = environment.invoke(body or b"{}")
        except BaseException:
            environment.close()
            raise
        finally:
            with self._lock:
                pool.running.remove(environment)
                pool.busy -= 1
        self._give_back(environment, result)
        return result

    def send(self, moto_function: LambdaFunction, body: bytes, *, max_age_s: float) -> None:
        """Run once in the background, unless the event is older than `max_age_s` before its turn comes."""
        self._events.submit(self._event, moto_function, body, time.monotonic() + max_age_s).add_done_callback(_log)

    def crash(self, name: str) -> None:
        """Kill what this function runs now, as if its computer had failed."""
        with self._lock:
            running = list(self._pools[name].running) if name in self._pools else []
        for environment in running:
            environment.kill()

    def forget(self, name: str) -> None:
        """The function is gone: end its environments."""
        with self._lock:
            pool = self._pools.pop(name, _Pool())
        for environment in pool.idle:
            environment.close()

    def close(self) -> None:
        """End everything."""
        self._events.shutdown(wait=False, cancel_futures=True)
        for name in list(self._pools):
            self.forget(name)

    def report(self) -> list[dict[str, Any]]:
        """For the status."""
        with self._lock:
            return [
                {
                    "name": name,
                    "environments": len(pool.idle) + pool.busy,
                    "invocations": pool.invocations,
                    "errors": pool.errors,
                    "dropped": pool.dropped,
                    "last_error": pool.last_error,
                    "log": str(self._folder / f"{name}.log"),
                }
                for name, pool in sorted(self._pools.items())
            ]

    def _event(self, moto_function: LambdaFunction, body: bytes, until: float) -> None:
        if time.monotonic() > until:
            log.warning("an event for %s was too old and is dropped", moto_function.function_name)
            with self._lock:
                self._pools.setdefault(str(moto_function.function_name), _Pool()).dropped += 1
            return
        self.run(moto_function, body)

    def _acquire(self, function: Function, moto_function: LambdaFunction) -> Environment:
        with self._lock:
            pool = self._pools.setdefault(function.name, _Pool())
            stale = [e for e in pool.idle if e.function != function or not e.alive]
            pool.idle = [e for e in pool.idle if e not in stale]
            if pool.busy >= CONCURRENCY:
                raise JsonRESTError("TooManyRequestsException", "Rate Exceeded.")
            pool.busy += 1
            found = pool.idle.pop() if pool.idle else None
        for environment in stale:
            environment.close()
        return found or self._start(function, moto_function)

    def _start(self, function: Function, moto_function: LambdaFunction) -> Environment:
        try:
            code = self._unpack(function, moto_function.code_bytes)
            writer = self._writer(function.name, moto_function)
            return Environment(function, code, self._variables(function.name), writer)
        except BaseException:
            with self._lock:
                self._pools[function.name].busy -= 1
            raise

    def _variables(self, name: str) -> dict[str, str]:
        return {**aws_environment(self._site, self._keyring.function(name)), MARK: self._site.name}

    def _give_back(self, environment: Environment, result: Invoked) -> None:
        with self._lock:
            pool = self._pools.setdefault(environment.function.name, _Pool())
            pool.invocations += 1
            if result.error:
                pool.errors += 1
                pool.last_error = result.payload.decode(errors="replace")[:500]
            if environment.alive:
                pool.idle.append(environment)
                return
        environment.close()

    def _unpack(self, function: Function, archive: bytes) -> Path:
        """The code's folder, named by its digest; older ones of this function go."""
        parent = self._folder / function.name
        folder = parent / base64.b32encode(base64.b64decode(function.code_sha256)).decode().rstrip("=").lower()
        if not folder.exists():
            shutil.rmtree(parent, ignore_errors=True)
            with zipfile.ZipFile(io.BytesIO(archive)) as packed:
                packed.extractall(folder)
            for path in (folder, *folder.rglob("*")):  # the function's user reads it, whatever our umask is
                path.chmod(0o755 if path.is_dir() else 0o644)
        return folder

    def _writer(self, name: str, moto_function: LambdaFunction) -> Callable[[str], None]:
        """Lines go to a file; and to CloudWatch Logs, as moto has it."""
        path = self._folder / f"{name}.log"
        path.touch()

        def write(line: str) -> None:
            with path.open("a") as file:
                file.write(line)
            moto_function.logs_backend.ensure_log_group(moto_function.logs_group_name)
            moto_function.save_logs(line)

        return write


def _log(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()):
        log.error("an event could not be delivered", exc_info=error)


def _function(moto_function: LambdaFunction) -> Function:
    return Function(
        name=str(moto_function.function_name),
        arn=str(moto_function.function_arn),
        handler=str(moto_function.handler),
        memory_mib=int(moto_function.memory_size),
        timeout_s=int(moto_function.timeout),
        environment=tuple(sorted(moto_function.environment_vars.items())),
        code_sha256=str(moto_function.code_sha_256),
    )


def install(runner: Runner) -> None:
    """Put RunnerBackend where moto makes Lambda backends."""
    RunnerBackend.runner = runner
    lambda_backends.backend = RunnerBackend


def find(arn: str) -> LambdaFunction | None:
    """The function with this ARN (a version or alias after it is ignored)."""
    plain = ":".join(arn.split(":")[:7])
    region = plain.split(":")[3] if plain.count(":") >= 6 else REGION
    found: LambdaFunction | None = lambda_backends[ACCOUNT][region].get_function_by_arn(plain)
    return found


class RunnerBackend(LambdaBackend):
    """Lambda whose Invoke runs the code."""

    runner: ClassVar[Runner]

    @property
    def _url_module(self) -> Any:
        return urls

    def invoke(
        self, function_name: str, qualifier: str | None, body: Any, headers: Any, response_headers: Any
    ) -> str | bytes | None:
        """Invoke: RequestResponse waits, Event does not, DryRun does nothing."""
        function = self.get_function(function_name, qualifier)
        kind = headers.get("X-Amz-Invocation-Type", "RequestResponse")
        raw = body.encode() if isinstance(body, str) else bytes(body or b"")
        if kind == "DryRun":
            return b""
        if kind == "Event":
            self.runner.send(function, raw, max_age_s=_event_age_s(function))
            return b""
        result = self.runner.run(function, raw)
        response_headers["x-amz-executed-version"] = "$LATEST"
        response_headers["x-amz-log-result"] = base64.b64encode(result.log.encode()).decode()
        if result.error:
            response_headers["x-amz-function-error"] = result.error
        return result.payload

    def create_event_source_mapping(self, spec: dict[str, Any]) -> EventSourceMapping:
        """As on AWS, which refuses a queue whose messages would come again while the function still has them.

        moto's queues call the function themselves for a mapping that they know; `event_sources.py` polls instead.
        """
        mapping: EventSourceMapping = super().create_event_source_mapping(spec)
        function = self.get_function(mapping.function_arn)
        for queue in sqs_backends[ACCOUNT][self.region_name].queues.values():
            queue.lambda_event_source_mappings.pop(mapping.function_arn, None)
            hidden_s = int(queue.attributes["VisibilityTimeout"])
            if queue.queue_arn == mapping.event_source_arn and hidden_s < function.timeout:
                self.delete_event_source_mapping(mapping.uuid)
                raise JsonRESTError(
                    "InvalidParameterValueException",
                    f"Queue visibility timeout: {hidden_s} seconds is less than Function timeout: "
                    f"{function.timeout} seconds",
                )
        return mapping

    def delete_function(self, function_name: str, qualifier: str | None = None) -> None:
        """As on AWS, and its processes end."""
        name = str(self.get_function(function_name, qualifier).function_name)
        super().delete_function(function_name, qualifier)
        self.runner.forget(name)


def _event_age_s(function: LambdaFunction) -> float:
    """The function's MaximumEventAgeInSeconds; Lambda's own maximum where none is set."""
    ages = [c.config.get("MaximumEventAgeInSeconds") for c in function.event_invoke_config]
    return float(next((age for age in ages if age), 21600))
