"""What a request's JSON says at its top level, read while the bytes come, without building what lies below.

`json.loads` makes 900 MiB of 31 MiB that hold nothing but `{}`, and stands still meanwhile. An `Outline` keeps the
members of the outermost object, with `[null]` for lists that hold something, `{}` for objects and `LONG` for long
strings, and costs no more than those. ADR 17 says why no library does it. What lies deeper is the engine's to judge.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

KEPT_MAX: Final = 256 * 2**10  # of members that are neither long strings, lists nor objects
LONG_STRING: Final = 1024
LONG: Final = "a long string"

# Possessive throughout, so that no input makes them go back
_STRING: Final = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)  # up to its end, or to a lone \ at the chunk's
_FLAT: Final = re.compile(rb'[^"\[\]{}]*+')
_DEEP: Final = re.compile(rb'(?:[^"\[\]{}]++|\{\}|\[\]|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)


class NotAnObject(ValueError):
    """The text is no JSON object, or its outermost level is not JSON; the message says which."""


class Outline:
    """Give it the text in pieces with `feed`; `members` at the end."""

    def __init__(self) -> None:
        self._kept = bytearray()
        self._depth = 0
        self._string: bytearray | None = None  # what the open string holds so far, as far as it matters
        self._escaped = False  # the last piece ended behind a \
        self._empty = False  # a list of a member is open, and nothing was in it yet

    def feed(self, piece: bytes) -> None:
        """The next bytes. NotAnObject as soon as it cannot become an object."""
        at = 0
        while at < len(piece):
            at = self._in_string(piece, at) if self._string is not None else self._between(piece, at)
        if len(self._kept) > KEPT_MAX:
            raise NotAnObject(f"its outermost members are longer than {KEPT_MAX // 2**10} KiB")

    def members(self) -> list[tuple[str, Any]]:
        """Names and values in their order, those that come twice too."""
        if self._depth or self._string is not None:
            raise NotAnObject("it ends too early")
        try:
            found = json.loads(bytes(self._kept), object_pairs_hook=lambda pairs: pairs or {})
        except ValueError as error:
            raise NotAnObject(str(error)) from error
        if not isinstance(found, list | dict):
            raise NotAnObject("it is not a JSON object")
        return list(found)  # of no members where it is an empty object

    def _in_string(self, piece: bytes, at: int) -> int:
        start = at
        if self._escaped:
            self._escaped, at = False, at + 1
        found = _STRING.match(piece, at)
        at = found.end() if found else at
        self._remember(piece[start:at])
        if at == len(piece):
            return at
        if piece[at] == 0x5C:  # a \ whose character is in the next piece
            self._escaped = True
            self._remember(b"\\")
            return at + 1
        self._close_string()
        return at + 1

    def _remember(self, text: bytes) -> None:
        if self._depth <= 1 and self._string is not None and len(self._string) <= LONG_STRING:
            self._string += text

    def _close_string(self) -> None:
        if self._depth <= 1 and self._string is not None:
            self._kept += b'"' + (self._string if len(self._string) <= LONG_STRING else LONG.encode()) + b'"'
        self._string = None

    def _between(self, piece: bytes, at: int) -> int:
        found = (_FLAT if self._depth <= 1 else _DEEP).match(piece, at)
        end = found.end() if found else at
        if self._depth <= 1:
            self._kept += piece[at:end]
        elif self._empty and piece[at:end].strip():
            self._fill()
        if end == len(piece):
            return end
        self._mark(piece[end : end + 1])
        return end + 1

    def _fill(self) -> None:
        """The open list of a member holds something."""
        self._kept += b"null"
        self._empty = False

    def _mark(self, mark: bytes) -> None:
        if self._empty and mark in b'"[{':
            self._fill()
        if mark == b'"':
            self._string = bytearray()
        elif mark in b"[{":
            self._open(mark)
        elif self._depth == 0:
            raise NotAnObject(f"it has a `{mark.decode()}` too many")
        else:
            self._depth -= 1
            self._kept += mark if self._depth <= 1 else b""
            self._empty = False

    def _open(self, mark: bytes) -> None:
        if self._depth == 0 and mark == b"[":
            raise NotAnObject("it is not a JSON object")
        self._depth += 1
        if self._depth <= 2:
            self._kept += mark
        self._empty = self._depth == 2 and mark == b"["
