"""Who may call the cloud's API: the credentials that it handed out, and what each of them is good for.

Four kinds of callers have credentials: this computer (`cloud.json`, readable by its owner only), machines (their
metadata service), functions (their environment) and the pollers of their queues. Nobody else is answered
(`signatures.py`). Roles' policies are not evaluated; one rule stands in for them: only this computer changes what runs
on this computer (functions, schedules, roles).
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

LAMBDA_KEY: Final = "lambda-"  # a function's access key id is this and its name, so that its calls can be told apart
POLLER_KEY: Final = "poller-"  # the same for what receives messages for a function, in its role on AWS
MACHINE_LIFE_S: Final = 6 * 3600.0  # what EC2's metadata service gives
FILE: Final = "credentials.json"


class Holder(StrEnum):
    """Who holds credentials."""

    COMPUTER = "computer"
    MACHINE = "machine"
    FUNCTION = "function"
    POLLER = "poller"


@dataclass(frozen=True)
class Credentials:
    """`token` is the session token, "" for long-lived ones. The secret is not in `repr`: it would land in logs."""

    holder: Holder
    key: str
    secret: str
    token: str = ""

    def __repr__(self) -> str:
        return f"Credentials({self.holder}, {self.key})"

    def environment(self) -> dict[str, str]:
        """As AWS's clients read them."""
        found = {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret}
        return {**found, "AWS_SESSION_TOKEN": self.token} if self.token else found

    def to_json(self) -> str:
        """For a file that only its owner reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What `to_json` wrote."""
        raw = json.loads(text)
        return cls(**{**raw, "holder": Holder(raw["holder"])})


def draw(holder: Holder, key: str = "", *, session: bool = False) -> Credentials:
    """New credentials; `key` where the id is to tell who it is."""
    token = secrets.token_urlsafe(48) if session else ""
    prefix = "ASIA" if session else "AKIA"
    return Credentials(holder, key or prefix + secrets.token_hex(8).upper(), secrets.token_urlsafe(30), token)


def of_computer(folder: Path) -> Credentials:
    """This computer's own, out of the state folder."""
    return Credentials.from_json((folder / FILE).read_text())


def may(holder: Holder, service: str, action: str) -> bool:
    """Whether a holder may make this call. What a role may on AWS is the policies' (`components/aws/policies.py`)."""
    if holder is Holder.COMPUTER:
        return True
    if holder is Holder.POLLER:
        return service == "sqs"
    if service == "lambda":
        return action in {"Invoke", "GetFunction"}
    return service not in {"iam", "scheduler", ""}


class Keyring:
    """The credentials of one cloud. Safe for threads."""

    def __init__(self, computer: Credentials, clock: Callable[[], float]) -> None:
        self.computer = computer
        self._clock = clock
        self._lock = threading.Lock()
        self._lasting = {computer.key: computer}
        self._passing: dict[str, tuple[Credentials, float]] = {}  # key → credentials, until (on the clock)

    def find(self, key: str) -> Credentials | None:
        """The credentials with this access key id, unless they are over."""
        with self._lock:
            if key in self._lasting:
                return self._lasting[key]
            found, until = self._passing.get(key, (None, 0.0))
            return found if self._clock() < until else None

    def machine(self) -> Credentials:
        """New ones, for MACHINE_LIFE_S."""
        made, now = draw(Holder.MACHINE, session=True), self._clock()
        with self._lock:
            self._passing = {key: kept for key, kept in self._passing.items() if kept[1] > now}
            self._passing[made.key] = (made, now + MACHINE_LIFE_S)
        return made

    def function(self, name: str) -> Credentials:
        """A function's, the same for all its environments."""
        return self._named(Holder.FUNCTION, LAMBDA_KEY + name)

    def poller(self, name: str) -> Credentials:
        """Those of the poller of this function's queues."""
        return self._named(Holder.POLLER, POLLER_KEY + name)

    def _named(self, holder: Holder, key: str) -> Credentials:
        with self._lock:
            if key not in self._lasting:
                self._lasting[key] = draw(holder, key)
            return self._lasting[key]
