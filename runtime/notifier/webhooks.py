"""Where each queue's notifications go: the SSM parameter, read once a cold start, and again where it may have changed.

Its shape is `core.contract`'s: `{"key": hex, "webhooks": {"<queue's ARN>": {"url", "format": "json"|"slack"}}}`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from core.errors import ContractError
from core.notifications import Notification, slack

AGAIN_S: Final = 60.0  # it is read again at most this often
FORMATS: Final[Mapping[str, Callable[[Notification], str]]] = {"json": Notification.to_json, "slack": slack}

log = logging.getLogger("pilotlight.notifier")


@dataclass(frozen=True)
class Webhook:
    """One receiver. The URL shows in no representation: it may hold a token."""

    url: SplitResult = field(repr=False)
    format: str = "json"

    @property
    def host(self) -> str:
        """What a log may say of it."""
        return self.url.hostname or "?"


class Webhooks:
    """The parameter `name` as read. Methods raise ContractError where it cannot be read or lacks a queue."""

    def __init__(self, name: str, region: str) -> None:
        self._name, self._region = name, region
        self._known: dict[str, Webhook] = {}
        self._key = b""
        self._asked_at = 0.0  # monotonic clock
        self._doubted = False

    @property
    def key(self) -> bytes:
        """What bodies are signed with."""
        return self._key

    def doubt(self) -> None:
        """A delivery failed: what was read may be old."""
        self._doubted = True

    def of(self, queue_arn: str) -> Webhook:
        """The webhook behind a queue; an unknown queue, or a doubt, is looked up anew once a minute at most."""
        if not self._known or ((self._doubted or queue_arn not in self._known) and self._may_ask_again()):
            self._refresh()
        found = self._known.get(queue_arn)
        if found is None:
            raise ContractError(f"The parameter {self._name} has no webhook for {queue_arn}. Run `pulumi up`.")
        return found

    def _may_ask_again(self) -> bool:
        return time.monotonic() - self._asked_at >= AGAIN_S

    def _refresh(self) -> None:
        """Read it; where that fails, what is known is better than nothing."""
        try:
            self._key, self._known = parse(self._name, self._value())
            self._doubted = False
        except ContractError as error:
            if not self._known:
                raise
            log.warning("webhooks not read again", extra={"facts": {"why": str(error)}})

    def _value(self) -> str:
        from runtime import aws

        self._asked_at = time.monotonic()
        try:
            answer = aws.client("ssm", self._region).get_parameter(Name=self._name, WithDecryption=True)
        except aws.errors() as error:
            aws.failed(error)
            raise ContractError(f"The parameter {self._name} cannot be read: {error}") from error
        return str(answer["Parameter"]["Value"])


def parse(name: str, text: str) -> tuple[bytes, dict[str, Webhook]]:
    """Key and webhooks by queue; ContractError says what is wrong, without saying what it holds."""
    try:
        raw = json.loads(text)
        key = bytes.fromhex(raw["key"])
        found = {str(arn): _webhook(entry) for arn, entry in raw["webhooks"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ContractError(
            f"The parameter {name} has a wrong shape ({type(error).__name__}). Run `pulumi up`."
        ) from None
    if not key:
        raise ContractError(f"The parameter {name} has an empty key. Run `pulumi up`.")
    return key, found


def _webhook(entry: Any) -> Webhook:
    url, form = urlsplit(entry["url"]), entry["format"]
    if url.scheme not in ("http", "https") or not url.hostname or form not in FORMATS:
        raise ValueError
    return Webhook(url, form)
