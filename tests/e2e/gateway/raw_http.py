"""HTTP as bytes: a connection that stays open for many requests, whatever they look like, and reads what comes back."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

CONTINUE, NO_CONTENT, NOT_MODIFIED = 100, 204, 304


@dataclass(frozen=True)
class Answer:
    """One answer. `body` has no frame any more; header names are small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """None where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class Line:
    """One connection at a time to a port of the loopback, made anew where the other side closed it."""

    def __init__(self, port: int, timeout_s: float = 30.0) -> None:
        self._port, self._timeout_s = port, timeout_s
        self._door: socket.socket | None = None
        self._file: BinaryIO | None = None
        self.connections = 0

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        for part in (self._file, self._door):
            if part is not None:
                part.close()
        self._file = self._door = None

    def ask(self, request: bytes) -> Answer | None:
        """The answer to one request; None where the other side closed the connection instead.

        An old connection may have ended meanwhile: then once more, on a new one.
        """
        old = self._file is not None
        answer = self._try(request)
        return self._try(request) if answer is None and old else answer

    def _try(self, request: bytes) -> Answer | None:
        if self._file is None:
            self._door = socket.create_connection(("127.0.0.1", self._port), timeout=self._timeout_s)
            self._file = self._door.makefile("rb")
            self.connections += 1
        assert self._door is not None
        try:
            self._door.sendall(request)
            answer = read_answer(self._file, head=request.startswith(b"HEAD "))
        except ConnectionError:
            answer = None
        if answer is None or answer.headers.get("connection") == "close":
            self.close()
        return answer


def everything(port: int, request: bytes, timeout_s: float = 30.0) -> list[Answer]:
    """What comes back to these bytes until the other side closes, which is to come within `timeout_s`."""
    found = []
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as door, door.makefile("rb") as file:
        with contextlib.suppress(ConnectionError):  # refused before it was read: the answer may be here all the same
            door.sendall(request)
        with contextlib.suppress(ConnectionError):
            while (answer := read_answer(file, head=False)) is not None:
                found.append(answer)
    return found


def read_answer(file: BinaryIO, *, head: bool) -> Answer | None:
    """The next answer, None at the connection's end. `head`: it has no body, whatever its headers say."""
    status = CONTINUE
    while status == CONTINUE:
        first = file.readline()
        if not first:
            return None
        status = int(first.split()[1])
        headers = dict(_headers(file))
    if head or status in (NO_CONTENT, NOT_MODIFIED):
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") == "chunked":
        return Answer(status, headers, b"".join(_chunks(file)))
    length = headers.get("content-length")
    return Answer(status, headers, file.read(int(length)) if length is not None else file.read())


def _headers(file: BinaryIO) -> Any:
    while line := file.readline().strip():
        name, _, value = line.decode("latin-1").partition(":")
        yield name.lower(), value.strip().lower()


def _chunks(file: BinaryIO) -> Any:
    while size := int(file.readline().split(b";")[0] or b"0", 16):
        yield file.read(size)
        file.readline()
    file.readline()
