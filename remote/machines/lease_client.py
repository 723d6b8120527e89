"""The lease, read and written by boto3 code on a machine: `python -m runtime.lease_client` over SSH.

It runs where the relay's environment is: on the gateway, or on the host of a stack without one. Nothing here decides;
core.lease does, over there.
"""

from __future__ import annotations

import getpass
import json
import os
import shlex
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from core.contract.intervals import INHIBITOR_S
from core.contract.paths import LEASE_CLIENT_APP, RELAY_CONFIG, RELAY_VENV
from core.errors import DeployError
from remote.items.venvs import ENVIRONMENT
from remote.machines.transport import Machine, Result, tail

Record = dict[str, Any]
RENEW_S: Final = INHIBITOR_S / 3
NOT_MET: Final = 3  # lease_cli: a `wait` that was not met


class LeaseClient:
    """The lease of one unit, through the machine that may write it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def call(self, verb: str, *arguments: str, timeout_s: float = 30.0) -> Record:
        """One lease_cli command; what it prints, as a mapping. DeployError with its own message where it fails."""
        return dict(json.loads(self._run(verb, *arguments, timeout_s=timeout_s).out))

    def _run(self, verb: str, *arguments: str, timeout_s: float) -> Result:
        words = shlex.join(["python", "-m", "runtime.lease_client", "--config", RELAY_CONFIG, verb, *arguments])
        script = f"{ENVIRONMENT}; cd {LEASE_CLIENT_APP} && PYTHONPATH={LEASE_CLIENT_APP} exec {RELAY_VENV}/bin/{words}"
        result = self._machine.run(script, timeout_s=timeout_s)
        if result.code not in (0, NOT_MET):
            raise DeployError(f"The lease command `{verb}` failed: {_said(result.out) or tail(result.err, 5)}")
        return result

    def show(self) -> Record:
        """The lease as it stands (`state` None where there is none), and under `machine` what EC2 says."""
        return self.call("show", "--machine")

    def events(self, since_s: float | None = None) -> list[Record]:
        """The history, oldest first: all of it, or of the last `since_s` seconds by the table's clock."""
        words = ("events",) if since_s is None else ("history", "--for", str(since_s))
        return [json.loads(line) for line in self._run(*words, timeout_s=60.0).out.splitlines()]


def _said(out: str) -> str:
    """lease_cli's own message of a failure, or ""."""
    try:
        return str(json.loads(out)["error"])
    except (ValueError, KeyError, TypeError):
        return ""


def myself() -> str:
    """Who inhibits: user, computer and process, so that two at work at the same time do not release each other."""
    return f"{getpass.getuser()}@{socket.gethostname()} ({os.getpid()})"


class Inhibitor:
    """An inhibitor of the host's stop while somebody works on it; renewed in a thread, released at the end. Use as a
    context.
    """

    def __init__(self, client: LeaseClient, why: str, lost: Callable[[str], None]) -> None:
        self._client = client
        self._arguments = ("--who", myself(), "--why", why)
        self._lost = lost
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._taken = False

    @property
    def taken(self) -> bool:
        """It stands."""
        return self._taken

    def take(self) -> Record:
        """Take it now; returns the lease as it is under the inhibitor."""
        lease = self._client.call("inhibit", *self._arguments, "--for", str(int(INHIBITOR_S)))
        if not self._taken:
            self._taken = True
            self._thread.start()
        return lease

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_S):
            try:
                self._client.call("inhibit", *self._arguments, "--for", str(int(INHIBITOR_S)))
            except DeployError as error:
                self._lost(f"the inhibitor could not be renewed: {error}")

    def __enter__(self) -> Inhibitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if not self._taken:
            return
        self._thread.join()
        try:
            self._client.call("release", *self._arguments[:2])
        except DeployError as failure:
            if error is None:
                raise
            self._lost(
                f"the inhibitor was not released and ends by itself within {INHIBITOR_S / 60:.0f} min: {failure}"
            )
