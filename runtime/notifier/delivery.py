"""One signed POST: 2xx is delivered, all else is not. Redirects are not followed, TLS is verified.

The signature is over the time and the body, so that a recorded request cannot be sent again later; how a receiver
verifies it is in `docs/notifications.md`.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import ssl
import time
from collections.abc import Mapping
from typing import Final

from core.notifications import Notification
from runtime.notifier.webhooks import FORMATS, Webhook

CONNECT_S: Final = 3.0
READ_S: Final = 7.0
DELIVERY_S: Final = CONNECT_S + READ_S


class Undelivered(Exception):
    """A webhook did not take a notification; the words hold its host's name and no more of its URL."""


def sign(key: bytes, timestamp: str, body: bytes) -> str:
    """The value of X-Pilotlight-Signature: HMAC-SHA256 of `<timestamp>.<body>`."""
    return f"v1={hmac.new(key, timestamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def deliver(notification: Notification, webhook: Webhook, key: bytes) -> int:
    """POST a notification; the status of the answer. Undelivered says why not."""
    body = FORMATS[webhook.format](notification).encode()
    timestamp = str(int(time.time()))
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "pilotlight-notifier/1",
        "X-Pilotlight-Event": notification.kind.value,
        "X-Pilotlight-Delivery": notification.id,
        "X-Pilotlight-Timestamp": timestamp,
        "X-Pilotlight-Signature": sign(key, timestamp, body),
    }
    try:
        status = _post(webhook, body, headers)
    except OSError as error:
        raise Undelivered(f"{webhook.host} did not answer: {error.strerror or type(error).__name__}") from None
    except (http.client.HTTPException, ValueError) as error:  # their words may quote the URL
        raise Undelivered(f"{webhook.host}: {type(error).__name__}") from None
    if not 200 <= status < 300:
        raise Undelivered(f"{webhook.host} answered {status}")
    return status


def _post(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> int:
    connection = _connection(webhook)
    try:
        connection.connect()
        connection.sock.settimeout(READ_S)
        path = webhook.url.path or "/"
        connection.request("POST", f"{path}?{webhook.url.query}" if webhook.url.query else path, body, dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


def _connection(webhook: Webhook) -> http.client.HTTPConnection:
    host, port = webhook.host, webhook.url.port
    if webhook.url.scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=CONNECT_S)
    return http.client.HTTPSConnection(host, port, timeout=CONNECT_S, context=ssl.create_default_context())
