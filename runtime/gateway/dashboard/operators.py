"""Who may operate: the API keys that are marked so in keys.json, read again whenever the file has changed.

A file that cannot be read has no operators: nobody logs in, and sessions end.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from core.contract.documents import ApiKey, ApiKeys
from core.errors import ContractError

log = logging.getLogger(__name__)

_NOTHING: Final = (0, 0)


class Operators:
    """The operators' keys at `path`; `clock` says the time, s since 1970."""

    def __init__(self, path: str, *, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = Path(path), clock
        self._stamp: tuple[int, int] | None = None
        self._keys: tuple[ApiKey, ...] = ()

    def by_secret(self, secret: str) -> ApiKey | None:
        """The operator's key that is this secret; None where there is none, or it may not operate."""
        digest = hashlib.sha256(secret.encode()).hexdigest().upper()
        return next((key for key in self.valid() if key.sha256 == digest), None)

    def named(self, name: str) -> Sequence[ApiKey]:
        """The operator's keys of this name: two while a rotated one still works."""
        return [key for key in self.valid() if key.name == name]

    def valid(self) -> Sequence[ApiKey]:
        """Every operator's key that has not expired."""
        self._read_again()
        now = self._clock()
        return [key for key in self._keys if key.operator and (key.expires is None or key.expires > now)]

    def _read_again(self) -> None:
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp, self._keys = stamp, ()
        try:
            self._keys = ApiKeys.from_json(self._path.read_text()).keys
        except (OSError, UnicodeDecodeError, ContractError) as error:
            log.warning("keys", extra={"facts": {"path": str(self._path), "error": str(error)}})

    def _stamped(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return _NOTHING
        return found.st_mtime_ns, found.st_ino
