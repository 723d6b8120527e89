"""keys.json as the relay reads it: the limits of a key by its name, read again when the file changes.

The file is looked at for each request: HAProxy knows a new key at once, and a request that comes by its limit in the
same moment must not pass as one of a key without a limit.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from core.contract.documents import ApiKey, ApiKeys
from core.contract.paths import KEYS_FILE
from core.errors import ContractError

log = logging.getLogger(__name__)


class Keys:
    """Asked by name. A file that cannot be read leaves what was known, and is said once."""

    def __init__(self, path: str = KEYS_FILE) -> None:
        self._path = Path(path)
        self._by_name: Mapping[str, ApiKey] = {}
        self._seen: tuple[int, int, int] | None = None
        self._problem = ""

    def named(self, name: str) -> ApiKey | None:
        """The name's own record; None where no key has the name."""
        self._look()
        return self._by_name.get(name)

    def tokens_per_day(self, name: str) -> int | None:
        """None: as many as it likes."""
        key = self.named(name)
        return key.tokens_per_day if key else None

    def _look(self) -> None:
        try:
            found = os.stat(self._path)
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen == self._seen:
                return
            keys = ApiKeys.from_json(self._path.read_text(encoding="utf-8"))
        except (OSError, ContractError, UnicodeDecodeError) as error:
            self._say(str(error))
            return
        self._seen, self._by_name = seen, {key.name: key for key in keys.keys}  # the last one of a name is its own
        self._say("")

    def _say(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.warning("keys", extra={"facts": {"file": str(self._path), "error": problem}})
        self._problem = problem
