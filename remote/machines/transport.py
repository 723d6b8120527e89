"""A machine reached by SSH: one connection (Fabric's), root commands with standard input, facts, pinned host keys.

The host is reached through the gateway's connection. A machine's host key is pinned at first sight under its instance
id; another key later is refused, never accepted in silence.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import paramiko
from fabric import Config, Connection
from paramiko.config import SSHConfig
from paramiko.ssh_exception import NoValidConnectionsError

from core.contract.network import SSH_PORT
from core.errors import DeployError
from core.settings.checks import KEY_FILE
from remote.machines import facts, openssh
from remote.machines.facts import Facts, Query
from remote.machines.openssh import Resolved

CONNECT_S: Final = 8.0
RETRY_S: Final = 1.0
REFUSED_S: Final = 15.0  # a machine that is still booting refuses everybody but root
KEEPALIVE_S: Final = 10
# what goes wrong is raised and told once; paramiko would write it to the terminal as well
logging.getLogger("paramiko").addHandler(logging.NullHandler())
_OPENING: Final = threading.RLock()  # the host's connection opens the gateway's inside its own


class Unreachable(DeployError):
    """The machine does not answer on its SSH port."""


@dataclass(frozen=True)
class Result:
    """A finished command: exit code, standard output and standard error as text."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Address:
    """Where a machine is: `role` is host or gateway; `key` a private key file, or "" for ssh's own agent and keys."""

    role: str
    instance_id: str
    address: str
    user: str
    key: str
    pins: Path  # folder of the pinned host keys
    ssh_config: bool = False  # the user's SSH configuration applies; not in the embedded cloud
    stack: str = "NAME"  # for messages
    theirs: bool = False  # a machine of the user's own, which no `pulumi up` made


class _Pinned(paramiko.MissingHostKeyPolicy):  # type: ignore[misc]
    """Accepts the first key of an instance and pins it; refuses any other."""

    def __init__(self, where: Address) -> None:
        self._where = where

    def missing_host_key(self, client: Any, hostname: str, key: paramiko.PKey) -> None:  # noqa: ARG002
        """Called for every connection, since no known_hosts is loaded."""
        line = f"{key.get_name()} {key.get_base64()}"
        pin = self._where.pins / self._where.instance_id
        if not pin.exists():
            pin.parent.mkdir(parents=True, exist_ok=True)
            pin.write_text(line + "\n", encoding="utf-8")
        elif pin.read_text(encoding="utf-8").strip() != line:
            raise DeployError(
                f"The {self._where.role} {self._where.instance_id} ({self._where.address}) shows another host key than "
                f"before: {key.fingerprint}. Somebody may stand between you and it. If you know why (its disk was "
                f"made anew), delete {pin} and run the command again."
            )


class _Connection(Connection):  # type: ignore[misc]
    """Fabric's, but two threads never log in over one transport at once (paramiko then asks twice, and sshd hangs up),
    and a gateway that cannot reach the host gives up after the connect time-out, not after an hour.
    """

    def open(self) -> Any:
        """Connect and log in, unless that is done."""
        with _OPENING:
            return super().open()

    def open_gateway(self) -> Any:
        """A channel through the gateway's connection, or the user's own way there (ProxyCommand, ProxyJump)."""
        if isinstance(self.gateway, str):
            return paramiko.ProxyCommand(shlex.join(["sh", "-c", f"exec {self.gateway}"]))
        self.gateway.open()
        dest, source = (self.host, int(self.port)), ("", 0)
        return self.gateway.transport.open_channel("direct-tcpip", dest, source, timeout=self.connect_timeout)


def _log_in(where: Address, found: Resolved) -> dict[str, Any]:
    """paramiko's arguments: with which keys. A key that the user named is the only one."""
    if where.key:
        return {"key_filename": where.key, "look_for_keys": False, "allow_agent": False}
    if found.agent_socket:
        os.environ["SSH_AUTH_SOCK"] = found.agent_socket  # paramiko looks nowhere else
    usual = found.keys is None
    return {"key_filename": list(found.keys or ()), "look_for_keys": usual, "allow_agent": found.agent}


class Machine:
    """One machine. `connect` first; then `run` and `facts` from any thread."""

    def __init__(self, where: Address, gateway: Machine | None = None) -> None:
        self.where = where
        self._opening = threading.Lock()
        found = openssh.resolve(where.address, where.user) if where.ssh_config else Resolved(where.address)
        behind = gateway._connection if gateway else None
        self._connection: Any = _Connection(
            where.address if gateway else found.host,
            user=where.user,
            port=SSH_PORT,
            gateway=behind or found.proxy or None,
            connect_timeout=int(CONNECT_S),
            connect_kwargs={"banner_timeout": CONNECT_S, "auth_timeout": CONNECT_S} | _log_in(where, found),
            # an empty one: fabric reads none by itself, whatever its own settings say
            config=Config(ssh_config=SSHConfig()),
        )
        self._connection.client.set_missing_host_key_policy(_Pinned(where))

    @property
    def role(self) -> str:
        """host or gateway."""
        return self.where.role

    @property
    def known(self) -> bool:
        """We have been on it before: its host key is pinned."""
        return (self.where.pins / self.where.instance_id).exists()

    def connect(self, patience_s: float = 0.0, waiting: Callable[[], None] = lambda: None) -> None:
        """Open the connection; try again for `patience_s` while nothing answers, calling `waiting` once.

        Raises:
            Unreachable: nothing answered. DeployError: it answered, but accepts none of our keys.
        """
        began = time.monotonic()
        told = False
        while (error := self._open()) is not None:
            passed = time.monotonic() - began
            if isinstance(error, paramiko.AuthenticationException):
                if passed >= min(patience_s, REFUSED_S):
                    raise DeployError(self._refused(error)) from error
            elif passed >= patience_s:
                raise Unreachable(self._silent(error)) from error
            if not told:
                waiting()
                told = True
            time.sleep(RETRY_S)

    def _open(self) -> Exception | None:
        """Open the connection unless it is open; the error where it cannot be opened now."""
        with self._opening:
            try:
                self._connection.open()
                self._connection.transport.set_keepalive(KEEPALIVE_S)
            except (paramiko.SSHException, OSError, EOFError) as error:
                self._connection.close()
                return error
        return None

    def _refused(self, error: paramiko.AuthenticationException) -> str:
        if isinstance(error, paramiko.PasswordRequiredException) and self.where.key:
            load = f"`ssh-add {self.where.key}`"
            return f"The key {self.where.key} has a passphrase. Load it by {load}, and leave out --identity."
        key = f"the key {self.where.key}" if self.where.key else "your SSH agent's keys and those in ~/.ssh"
        if self.where.theirs:
            return (
                f"The {self.role} {self.where.address} does not accept {key} for {self.where.user}. Let it accept one: "
                f"`ssh-copy-id {self.where.user}@{self.where.address}`, or name another with `--identity FILE`."
            )
        return (
            f"The {self.role} {self.where.address} does not accept {key} for {self.where.user}. It was made with the "
            "public key in the stack file (pilotlight:host.sshPublicKey). Give the private one: "
            f"`--identity {KEY_FILE}`, or load it: `ssh-add {KEY_FILE}`."
        )

    def _silent(self, error: Exception) -> str:
        where = f"{self.role} {self.where.instance_id} does not answer on {self.where.address} port {SSH_PORT}"
        if self.where.theirs:
            return f"The {where} ({_cause(error)}). Is it on, and does sshd run there?"
        if not self.where.ssh_config:
            return f"The {where} ({_cause(error)}). Is it running? `fab cloud.status` says so."
        return (
            f"The {where} ({_cause(error)}). Is it running (AWS console), and is your address in "
            f"pilotlight:access.sshCidrs? After a change there run `pulumi up -s {self.where.stack}`."
        )

    def run(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Result:
        """Run a shell script as root. Secrets go by `stdin`, never into the script."""
        return self._execute(f"sudo -n sh -c {shlex.quote(script)}", stdin, timeout_s)

    def must(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0, failure: str = "") -> str:
        """Like `run`, but a failure is a DeployError with the script's last lines. Returns standard output."""
        result = self.run(script, stdin=stdin, timeout_s=timeout_s)
        if result.code != 0:
            said = (result.err.strip() + "\n" + result.out.strip()).strip()
            raise DeployError(f"On the {self.role} {failure or 'a command failed'}:\n{tail(said)}")
        return result.out

    def facts(self, query: Query) -> Facts:
        """One round trip that gathers the machine's facts."""
        result = self._execute("sudo -n python3 -", facts.script(query).encode(), 60.0)
        if result.code != 0:
            raise DeployError(f"The {self.role} did not tell its facts:\n{tail(result.err or result.out)}")
        return facts.read(result.out, self.role)

    def stream(self, command: str) -> Iterator[bytes]:
        """Run as root and give the output in pieces as it comes, until the command ends."""
        with self._channel() as channel:
            channel.set_combine_stderr(True)
            channel.exec_command(f"sudo -n sh -c {shlex.quote(command)}")
            while piece := channel.recv(65536):
                yield piece

    def transfer(
        self, script: str, stdin: Iterable[bytes], into: BinaryIO | None = None, *, timeout_s: float = 60.0
    ) -> Result:
        """Like `run`, for bytes of any number: standard output goes into a file where there is one, and is not in the
        result then. `timeout_s` is how long the machine may say and take nothing.
        """
        with self._channel() as channel:
            channel.settimeout(timeout_s)
            try:
                channel.exec_command(f"sudo -n sh -c {shlex.quote(script)}")
                _send(channel, stdin)
                out = _received(channel, into)
                err = channel.makefile_stderr("rb").read()
                code = channel.recv_exit_status()
            except TimeoutError as error:
                raise DeployError(f"The {self.role} said nothing for {timeout_s:.0f} s and was given up.") from error
        if code == -1:
            raise Unreachable(f"The connection to the {self.role} {self.where.address} broke.")
        return Result(code, out.decode(errors="replace"), err.decode(errors="replace"))

    def _execute(self, command: str, stdin: bytes, timeout_s: float) -> Result:
        with self._channel() as channel:
            channel.settimeout(timeout_s)
            try:
                channel.exec_command(command)
                channel.sendall(stdin)
                channel.shutdown_write()
                out = channel.makefile("rb").read()
                err = channel.makefile_stderr("rb").read()
                return Result(channel.recv_exit_status(), out.decode(errors="replace"), err.decode(errors="replace"))
            except TimeoutError as error:
                said = f"On the {self.role} a command said nothing for {timeout_s:.0f} s and was given up"
                raise DeployError(f"{said}: {command[:120]}…") from error

    @contextlib.contextmanager
    def _channel(self) -> Iterator[Any]:
        transport = self._connection.transport
        if transport is None:
            raise Unreachable(f"There is no connection to the {self.role} {self.where.address}.")
        try:
            with transport.open_session(timeout=CONNECT_S) as channel:
                yield channel
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Unreachable(
                f"The connection to the {self.role} {self.where.address} broke: {_cause(error)}."
            ) from error

    def close(self) -> None:
        """Close the connection; closing twice is fine."""
        self._connection.close()


def _send(channel: Any, pieces: Iterable[bytes]) -> None:
    """All of it, unless the command ends before: then what it said tells why."""
    try:
        for piece in pieces:
            channel.sendall(piece)
        channel.shutdown_write()
    except TimeoutError:
        raise
    except OSError:  # paramiko's "Socket is closed"
        return


def _received(channel: Any, into: BinaryIO | None) -> bytes:
    kept = io.BytesIO()
    while piece := channel.recv(65536):
        try:
            (into or kept).write(piece)
        except OSError as error:  # this computer's, and no broken connection
            raise DeployError(f"What was sent could not be written here: {_cause(error)}.") from error
    return kept.getvalue()


def _cause(error: Exception) -> str:
    """In words, without Python's `[Errno …]`."""
    if isinstance(error, NoValidConnectionsError):  # one error an address that the name has
        return ", ".join(sorted({_cause(each) for each in error.errors.values()}))
    said = error.strerror if isinstance(error, OSError) else ""
    return said or str(error) or type(error).__name__


def tail(text: str, lines: int = 25) -> str:
    """The last lines of a text, for messages."""
    return "\n".join(text.strip().splitlines()[-lines:])
