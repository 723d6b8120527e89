"""HAProxy's admin socket, for certificates: exchange one while it runs, and let a certificate authority in.

`set ssl cert` and `commit ssl cert` change what new connections are shown; open ones, and so running streams, go on.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from core.contract.network import SERVER_ACME
from core.contract.paths import HAPROXY_SOCKET
from core.errors import CertificateError

TIMEOUT_S: Final = 5.0
SETTLED_S: Final = 1.0  # after a reload the old process answers for a moment; what was changed in it is not in the new
TRIES: Final = 15
_READY: Final = "2"  # srv_op_state in `show servers state` (HAProxy's management.txt, 9.3)
_STATE_COLUMN: Final = 5


class NotRunningError(CertificateError):
    """HAProxy does not listen on its admin socket."""


class FrontDoor:
    """The running HAProxy. `wait` pauses between two looks, seconds."""

    def __init__(self, path: str = HAPROXY_SOCKET, wait: Callable[[float], None] = time.sleep) -> None:
        self._path, self._wait = path, wait

    def ask(self, command: str) -> str:
        """One command; its answer. NotRunningError, or CertificateError where it does not answer in time."""
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(TIMEOUT_S)
                admin.connect(self._path)
                admin.sendall(command.encode() + b"\n")
                return b"".join(iter(lambda: admin.recv(65536), b"")).decode().strip()
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunningError(f"HAProxy does not run ({self._path}: {error}).") from error
        except OSError as error:
            raise CertificateError(f"HAProxy's admin socket {self._path}: {error}.") from error

    def exchange(self, path: str, pem: str) -> bool:
        """Show new connections this certificate in place of the one that was read from `path`.

        False where HAProxy runs without that one: it reads the file when it is reloaded. CertificateError where it
        refuses the new one; the old one is shown then.
        """
        said = self.ask(f"set ssl cert {path} <<\n{pem.strip()}\n")
        if "not referenced" in said:
            return False
        if "Transaction" in said:
            said = self.ask(f"commit ssl cert {path}")
        if "Success" not in said:
            self.ask(f"abort ssl cert {path}")
            raise CertificateError(f"HAProxy refused the certificate: {said}")
        return True

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Port 80 answers a certificate authority for so long."""
        try:
            self._let_in()
            yield
        finally:
            self.ask(f"set server {SERVER_ACME} state maint")

    def _let_in(self) -> None:
        """Let it in, and see that this stays so: a reload on its way would undo it."""
        said = ""
        for _ in range(TRIES):
            said = self.ask(f"set server {SERVER_ACME} state ready")
            self._wait(SETTLED_S)
            if not said and self._is_in():
                return
        raise CertificateError(
            f"HAProxy does not let the certificate authority in: {said or 'it keeps being reloaded'}. Run `fab deploy`."
        )

    def _is_in(self) -> bool:
        backend, server = SERVER_ACME.split("/")
        rows = [line.split() for line in self.ask(f"show servers state {backend}").splitlines()]
        return any(row[3] == server and row[_STATE_COLUMN] == _READY for row in rows if len(row) > _STATE_COLUMN)
