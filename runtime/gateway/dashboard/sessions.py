"""Sessions of operators, without a memory: a cookie says whose it is and until when, and is signed (ADR 25).

So they outlive a restart of the relay, and two relays know the same ones. A session ends at its time, when its key is
revoked, rotated or no longer an operator's, and for everybody when the secret file is deleted and the relay restarted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.contract.documents import ApiKey
from runtime.gateway.dashboard.operators import Operators

log = logging.getLogger(__name__)

SESSION_S: Final = 12 * 3600.0  # a working day; there is no renewal
COOKIE_MAX: Final = 1000  # characters that are looked at
SECRET_BYTES: Final = 32


@dataclass(frozen=True)
class Session:
    """Somebody who logged in: the key's name, and the token that every form of theirs carries. `cookie`: as signed."""

    name: str
    csrf: str
    ends: float
    cookie: str


class Sessions:
    """Begins sessions and knows them again. `clock` says the time, s since 1970."""

    def __init__(self, secret: bytes, operators: Operators, *, clock: Callable[[], float] = time.time) -> None:
        self._secret, self._operators, self._clock = secret, operators, clock

    def begin(self, api_key: str) -> Session | None:
        """A session for who has this API key; None where it is no operator's."""
        key = self._operators.by_secret(api_key)
        if key is None:
            return None
        ends = self._clock() + SESSION_S
        head = f"{_encode(key.name)}.{int(ends)}.{secrets.token_hex(8)}"
        return self._session(key, ends, f"{head}.{self._signature(head, key)}")

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie; None where it is not ours, over, or its key may not operate any longer."""
        head, _, signature = cookie.rpartition(".") if len(cookie) <= COOKIE_MAX else ("", "", "")
        parts = head.split(".")
        if len(parts) != 3 or not parts[1].isascii() or not parts[1].isdecimal():
            return None
        name, ends = _decode(parts[0]), float(parts[1])
        if name is None or ends <= self._clock():
            return None
        for key in self._operators.named(name):
            if _same(self._signature(head, key), signature):
                return self._session(key, ends, cookie)
        return None

    def _session(self, key: ApiKey, ends: float, cookie: str) -> Session:
        return Session(key.name, self._mac("csrf", cookie), ends, cookie)

    def _signature(self, head: str, key: ApiKey) -> str:
        """Of the key's own hash too: a session ends with the key that began it."""
        return self._mac("session", head, key.sha256)

    # ------------------------------------------------------------ what a session may carry
    def allows(self, session: Session, token: str) -> bool:
        """A form comes from a page of this session."""
        return _same(session.csrf, token)

    def seal(self, session: Session, words: str) -> str:
        """Words for this session's next page, for a cookie: nobody else can write some there."""
        return f"{_encode(words)}.{self._mac('words', session.cookie, words)}"

    def unseal(self, session: Session, sealed: str) -> str:
        """The words; "" where they are not ours."""
        text, _, mac = sealed.partition(".")
        words = _decode(text) or ""
        return words if words and _same(self._mac("words", session.cookie, words), mac) else ""

    def _mac(self, *parts: str) -> str:
        return hmac.new(self._secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _encode(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _decode(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text.encode() + b"=" * (-len(text) % 4)).decode()
    except (binascii.Error, UnicodeError, ValueError):
        return None


def secret(path: str) -> bytes:
    """The secret in the file at `path`, which is made (0600) where it is missing, by whichever relay is first.

    Where that cannot be, one of this process alone: sessions then end with it, which is logged.
    """
    try:
        return _kept(Path(path))
    except (OSError, ValueError) as error:
        log.warning("sessions end with this process", extra={"facts": {"path": path, "error": str(error)}})
        return secrets.token_bytes(SECRET_BYTES)


def _kept(path: Path) -> bytes:
    if not path.exists():
        new = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_hex(SECRET_BYTES))
            new.replace(path) if not path.exists() else None
        finally:
            new.unlink(missing_ok=True)
    kept = bytes.fromhex(path.read_text().strip())
    if len(kept) < SECRET_BYTES:
        raise ValueError(f"{path} is too short for a secret; delete it")
    return kept
