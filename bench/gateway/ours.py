"""Our gateway as the end-to-end tests run it, with the gauge as its engine; and callers who wait for its host."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.gateway.processes import resident_mib
from core.contract.network import QUEUE_LIMIT
from tests.e2e.gateway.front import KEY, RELAYS, Front, aws, until
from tests.e2e.gateway.test_gateway import stop_host, waiting

LIMIT_S: Final = 90.0


class Gateway(Front):
    """HAProxy with our configuration, both relays, moto for AWS. Its engine is everybody's in this bench."""

    def __init__(self, folder: Path, gauge: Path) -> None:
        self.gauge = gauge
        super().__init__(folder, queue_max=QUEUE_LIMIT)

    def start_engine(self) -> None:
        """The gauge."""
        self._start("engine", str(self.gauge), "engine", str(self.ports["engine"]))

    def url(self) -> str:
        """Where callers ask."""
        return f"http://127.0.0.1:{self.ports['api']}/v1/chat/completions"


@contextlib.contextmanager
def running(folder: Path, gauge: Path) -> Iterator[Gateway]:
    """A gateway whose host is awake."""
    folder.mkdir()
    folder.chmod(0o755)  # HAProxy drops to its own user before it reads the maps again
    with aws() as environment:
        os.environ.update(environment)
        gateway = Gateway(folder, gauge)
        try:
            gateway.make_running()
            gateway.recover()
            yield gateway
        finally:
            gateway.close()


def ask(gauge: Path, url: str, *options: object) -> dict[str, Any]:
    """What callers counted (`gauge/callers.go`)."""
    with asking(gauge, url, *options) as callers:
        return told(callers)


def asking(gauge: Path, url: str, *options: object) -> subprocess.Popen[str]:
    """Callers that have begun."""
    command = [str(gauge), "callers", *map(str, options), url]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"GAUGE_KEY": KEY})


def told(callers: subprocess.Popen[str]) -> dict[str, Any]:
    """Their count, once they are done."""
    said, _ = callers.communicate(timeout=LIMIT_S)
    found: dict[str, Any] = json.loads(said)
    return found


@dataclass(frozen=True)
class Waited:
    """Callers who waited for a wake. `grown_mib`: of both relays while all waited, beside their own size."""

    callers: int
    grown_mib: float
    errors: int


def wait_and_release(gateway: Gateway, callers: int) -> Waited:
    """So many wait, half of them for a stream, until the host is awake; each asks once."""
    gateway.recover()
    stop_host(gateway)
    pids = [gateway.processes[name].pid for name in RELAYS]
    before = resident_mib(pids)
    with contextlib.ExitStack() as stack:
        half = ("-once", "-count", callers // 2)
        asked = [stack.enter_context(asking(gateway.gauge, gateway.url(), *half, *more)) for more in ((), STREAM)]
        until(lambda: waiting(gateway) == callers, f"{callers} wait", limit_s=LIMIT_S)
        grown = resident_mib(pids) - before
        until(lambda: gateway.machine() == "running", "the host was started", limit_s=LIMIT_S)
        gateway.start_engine()
        gateway.agent_ready(f"boot-{secrets.token_hex(4)}")
        counts = [told(one) for one in asked]
    missing = callers - sum(count["requests"] + count["errors"] for count in counts)
    return Waited(callers, grown, missing + sum(count["errors"] for count in counts))


STREAM: Final[Sequence[object]] = ("-events", 10)
