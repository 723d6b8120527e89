"""random.RandomId and random.RandomBytes: drawn once, kept in Pulumi's state, known to no cloud."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values


class RandomId(Kind):
    """Random bytes in several spellings. The id is the URL-safe base64, as the real provider has it."""

    token = "random:index/randomId:RandomId"
    computed = ("b64Std", "b64Url", "dec", "hex")

    def create(self, want: Values) -> str:
        """Draw the bytes."""
        return base64.urlsafe_b64encode(secrets.token_bytes(want["byteLength"])).decode().rstrip("=")

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """The spellings of the id; `prefix` goes in front of each."""
        data = base64.urlsafe_b64decode(ident + "=" * (-len(ident) % 4))
        prefix = hint.get("prefix") or ""
        return {
            "b64Std": prefix + base64.b64encode(data).decode(),
            "b64Url": prefix + ident,
            "byteLength": len(data),
            "dec": prefix + str(int.from_bytes(data, "big")),
            "hex": prefix + data.hex(),
        }

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """Nothing to do: it exists in the state only."""


class RandomBytes(Kind):
    """Random bytes that are a secret: the id says nothing, and the SDK marks both spellings as secret outputs."""

    token = "random:index/randomBytes:RandomBytes"
    computed = ("base64", "hex")

    def create(self, want: Values) -> str:
        """Draw the bytes; they go the way of the outputs, for there is no cloud to ask afterwards."""
        want["base64"] = base64.b64encode(secrets.token_bytes(want["length"])).decode()
        return "none"  # the real provider's word

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """The spellings of what the state has."""
        data = base64.b64decode(hint["base64"])
        return {"base64": hint["base64"], "hex": data.hex(), "length": len(data)}

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """Nothing to do: it exists in the state only."""
