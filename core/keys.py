"""API keys: what adding, revoking and rotating one changes in keys.json, or why it may not.

Pure: the gateway's clock and the keys that there are come in, and a `Change` goes out. Whoever carries it out does so
under the gateway's lock, on the keys that it was decided by.
"""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.contract.documents import ApiKey, ApiKeys
from core.contract.network import CHECK_KEY, WEBUI_KEY
from core.errors import SettingsError

NAME_MAX: Final = 40  # characters; with a user's id behind it, it is one key of HAProxy's tables
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_OURS: Final = {WEBUI_KEY: "the chat page's own key; `fab deploy` makes it", CHECK_KEY: "what `fab deploy` asks with"}


@dataclass(frozen=True)
class Change:
    """Records that go, by their hash, and records that come. One that changes is in both."""

    gone: tuple[str, ...] = ()
    new: tuple[ApiKey, ...] = ()


class KeyState(StrEnum):
    """What a record is good for."""

    VALID = "valid"
    EXPIRED = "expired"
    REPLACED = "replaced"  # rotated; works until it expires


def add(there: ApiKeys, key: ApiKey, now: float) -> Change:
    """One more key. SettingsError: its name is taken, ours or none; a limit below 1; it expires before it begins."""
    check(key.name)
    if (own := there.named(key.name)) is not None:
        gone = " (it has expired)" if state(there, own, now) is KeyState.EXPIRED else ""
        raise SettingsError(
            f"There is a key `{key.name}` already{gone}. Choose another name, or give this one a new secret: "
            f"`fab keys.rotate {key.name}`."
        )
    for flag, limit in (("rpm", key.rpm), ("tokens-per-day", key.tokens_per_day)):
        if limit is not None and limit < 1:
            raise SettingsError(f"--{flag} {limit}: such a key could do nothing. Write 1 or more, or leave it out.")
    _in_future(key.expires, now)
    return Change(new=(key,))


def revoke(there: ApiKeys, name: str) -> Change:
    """No key of this name. SettingsError: there is none."""
    _known(there, name)
    return Change(gone=tuple(key.sha256 for key in there.keys if key.name == name))


def rotate(there: ApiKeys, name: str, sha256: str, *, now: float, grace_s: float = 0.0) -> Change:
    """Another secret for a name with all its limits; what it had before works for `grace_s` longer.

    SettingsError: there is no such key, or it has expired.
    """
    old = _known(there, name)
    if state(there, old, now) is KeyState.EXPIRED:
        raise SettingsError(
            f"The key `{name}` has expired, and a new secret would not work either. Run `fab keys.revoke {name}`, then "
            f"`fab keys.add {name}`."
        )
    gone = tuple(key.sha256 for key in there.keys if key.name == name)
    end = now + grace_s if old.expires is None else min(old.expires, now + grace_s)
    kept = (dataclasses.replace(old, expires=end),) if grace_s > 0 else ()
    return Change(gone, (*kept, dataclasses.replace(old, sha256=sha256, created=now)))


def state(there: ApiKeys, key: ApiKey, now: float) -> KeyState:
    """Of one of the records."""
    if key.expires is not None and key.expires <= now:
        return KeyState.EXPIRED
    return KeyState.VALID if there.named(key.name) == key else KeyState.REPLACED


def check(name: str) -> None:
    """SettingsError where a person's key may not be called so."""
    if len(name) > NAME_MAX or not _NAME.fullmatch(name):
        raise SettingsError(
            f'"{name[:80]}" cannot be a key\'s name: letters, digits, `.`, `_` and `-`, a letter or digit first, '
            f"{NAME_MAX} characters at most; e.g. ann."
        )
    _not_ours(name)


def _not_ours(name: str) -> None:
    if name in _OURS:
        raise SettingsError(f"The name `{name}` is {_OURS[name]}. Choose another one.")


def _known(there: ApiKeys, name: str) -> ApiKey:
    _not_ours(name)
    own = there.named(name)
    if own is None:
        names = ", ".join(dict.fromkeys(key.name for key in there.keys if key.name not in _OURS))
        known = f"The keys are {names}." if names else "There is no key at all; `fab keys.add NAME` makes one."
        raise SettingsError(f"There is no key `{name[:80]}`. {known}")
    return own


def _in_future(expires: float | None, now: float) -> None:
    if expires is not None and expires <= now:
        raise SettingsError("--expires is in the past: the key would never work. Write e.g. 30d.")
