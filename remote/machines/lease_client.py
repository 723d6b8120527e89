"""The lease, read and written by boto3 code on a machine: `python -m runtime.lease_client` over SSH.

It runs where the relay's environment is: on the gateway, or on the host of a stack without one. Nothing here decides;
core.lease does, over there. What it prints becomes an `Answer` here, once; the verbs see no JSON. A lease client of
another version, or none, is a DeployError that names `fab deploy`, which mends it.
"""

from __future__ import annotations

import dataclasses
import getpass
import json
import os
import shlex
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Any, Final, TypeVar

from core.contract.documents import UnitSettings
from core.contract.intervals import INHIBITOR_S
from core.contract.paths import LEASE_CLIENT_APP, RELAY_CONFIG, RELAY_VENV
from core.errors import DeployError, PilotlightError
from core.lease import Event, Lease, State, from_item
from core.shutdown_report import Journal, ShutdownReport
from remote.items.venvs import ENVIRONMENT
from remote.machines.transport import Machine, Result, tail

T = TypeVar("T")
RENEW_S: Final = INHIBITOR_S / 3
NOT_MET: Final = 3  # runtime.lease_client: a `wait` that was not met


@dataclass(frozen=True)
class Instance:
    """The machine behind a unit, as its cloud describes it. `state` "" where nobody asked."""

    instance_id: str = ""
    state: str = ""  # pending | running | stopping | stopped | …
    state_reason: str = ""
    instance_type: str = ""
    zone: str = ""
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


NOT_ASKED: Final = Instance()


@dataclass(frozen=True)
class Answer:
    """What one command of the lease client said.

    `lease` None: there is none yet. `now`: the table's time, s. `changed` False comes with `note`: why nothing was
    written. `met`: what a `wait` waited for is there. `unpinned`: a pin was ended on the way. `machine`, `settings`,
    `events` and `redis` ("ok", or why it is down) only where they were asked for.
    """

    lease: Lease | None
    now: float
    changed: bool = False
    note: str = ""
    met: bool = True
    unpinned: bool = False
    machine: Instance = NOT_ASKED
    settings: UnitSettings | None = None
    events: tuple[Event, ...] = ()
    redis: str = ""

    @property
    def state(self) -> State | None:
        """The lease's state; None: there is no lease yet."""
        return self.lease.state if self.lease else None

    @property
    def why(self) -> str:
        """What the write said, or the lease's own reason; without a full stop."""
        return (self.note or (self.lease.reason if self.lease else "") or "no reason is known").rstrip(".")

    @property
    def over_budget(self) -> bool:
        """The month's budget is spent: what is off stays off."""
        return self.lease is not None and self.lease.spent(self.now)


def read(printed: Mapping[str, Any]) -> Answer:
    """One printed object as an Answer. LeaseError, ContractError: written by another version."""
    settings = printed.get("settings")
    lease = from_item({k: v for k, v in printed.items() if v not in (None, "")}) if printed.get("state") else None
    return Answer(
        lease,
        float(printed["now"]),
        changed=bool(printed.get("changed", False)),
        note=str(printed.get("note", "")),
        met=bool(printed.get("met", True)),
        unpinned=bool(printed.get("unpinned", False)),
        machine=_as(Instance, printed.get("machine", {})),
        settings=UnitSettings.from_dict(settings) if settings else None,
        events=tuple(_as(Event, event) for event in printed.get("events", ())),
        redis=str(printed.get("redis", "")),
    )


def _as(kind: type[T], printed: Mapping[str, Any]) -> T:
    """A dataclass from its printed form; what a newer program prints besides is left out."""
    names = {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]  # T is a dataclass
    return kind(**{name: value for name, value in printed.items() if name in names})


def read_report(printed: Mapping[str, Any] | None) -> ShutdownReport | None:
    """A shutdown report as printed; None: nothing is kept."""
    if printed is None:
        return None
    journals = {name: Journal(tuple(told["lines"]), int(told["cut"])) for name, told in printed["journals"].items()}
    return _as(ShutdownReport, {**printed, "journals": journals})


class LeaseClient:
    """The lease of one unit, through the machine that may write it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def call(self, verb: str, *arguments: str, timeout_s: float = 30.0) -> Answer:
        """One command that changes the lease, waits for it or reads it. DeployError with its own message: it failed."""
        return self._ask(lambda out: read(json.loads(out)), verb, *arguments, timeout_s=timeout_s)

    def _ask(self, understand: Callable[[str], T], verb: str, *arguments: str, timeout_s: float) -> T:
        """One command, and what it printed as `understand` reads it. DeployError: it failed, or cannot be read."""
        out = self._run(verb, *arguments, timeout_s=timeout_s).out
        try:
            return understand(out)
        except (PilotlightError, ValueError, KeyError, TypeError, AttributeError) as error:
            what = error if isinstance(error, PilotlightError) else repr(error)
            raise self._differs(verb, f"its answer cannot be read: {what}") from error

    def _run(self, verb: str, *arguments: str, timeout_s: float) -> Result:
        words = shlex.join(["python", "-m", "runtime.lease_client", "--config", RELAY_CONFIG, verb, *arguments])
        script = f"{ENVIRONMENT}; cd {LEASE_CLIENT_APP} && PYTHONPATH={LEASE_CLIENT_APP} exec {RELAY_VENV}/bin/{words}"
        result = self._machine.run(script, timeout_s=timeout_s)
        if result.code not in (0, NOT_MET):
            if said := _said(result.out):
                raise DeployError(f"The lease command `{verb}` failed: {said}")
            raise self._differs(verb, tail(result.err, 5))
        return result

    def _differs(self, verb: str, what: str) -> DeployError:
        """The failure of a lease client that does not speak as this checkout's does."""
        return DeployError(
            f"The lease command `{verb}` failed: {what.rstrip('.')}. The {self._machine.role} seems to have another "
            "version than this checkout: `fab deploy -s STACK` gives it this one."
        )

    def show(self) -> Answer:
        """The lease as it stands, and what EC2 says of the machine."""
        return self.call("show", "--machine")

    def events(self, since_s: float) -> list[Event]:
        """The history of the last `since_s` seconds by the table's clock, oldest first."""
        arguments = ("history", "--for", str(since_s))
        return self._ask(lambda out: [_as(Event, json.loads(x)) for x in out.splitlines()], *arguments, timeout_s=60.0)

    def shutdown_report(self, back: int = 0) -> ShutdownReport | None:
        """What the host said before its last stop, or before the one `back` stops earlier; None: nothing is kept."""
        arguments = ("shutdown-report", "--back", str(back))
        return self._ask(lambda out: read_report(json.loads(out)["words"]), *arguments, timeout_s=30.0)


def _said(out: str) -> str:
    """The lease client's own message of a failure, or ""."""
    try:
        return str(json.loads(out)["error"])
    except (ValueError, KeyError, TypeError):
        return ""


def person() -> str:
    """Who runs the verb, as lease and history record it: user@computer."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def myself() -> str:
    """Who inhibits: the person and the process, so that two at work at the same time do not release each other."""
    return f"{person()} ({os.getpid()})"


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

    def through(self, client: LeaseClient) -> None:
        """Go on through another connection."""
        self._client = client

    def take(self) -> Answer:
        """Take it now; returns the lease as it is under the inhibitor."""
        answer = self._client.call("inhibit", *self._arguments, "--for", str(int(INHIBITOR_S)))
        if not self._taken:
            self._taken = True
            self._thread.start()
        return answer

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_S):
            try:
                self._client.call("inhibit", *self._arguments, "--for", str(int(INHIBITOR_S)))
            except Exception as error:  # noqa: BLE001
                # whatever it is, the next renewal may succeed: the inhibitor outlives one that failed
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
