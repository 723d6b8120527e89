"""Who is told: the checks of `pilotlight:notify`. A webhook's URL is a key, so no message of ours shows one whole.

In a stack file a URL may be encrypted (`pulumi config set --secret`). Pulumi hands the plain one to the program; who
reads the file itself (`remote/`) sees `{secure: v1:…}`, and gets a webhook whose `url` is None.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import AnyUrl, ValidationError

WEBHOOKS_MAX: Final = 5  # each is a queue that Lambda polls, and its polls are billed
SLACK_HOST: Final = "hooks.slack.com"
HIDDEN: Final = "the value (not shown: it may be a secret)"
LONGEST_URL: Final = 500  # characters: all five, with their queues' ARNs, fit into a parameter's 4 KiB
_SEALED_KEY: Final = "secure"
_NEAR: Final = tuple(
    ipaddress.ip_network(n)
    for n in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")
)
_FORM: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\\\x00-\x20\x7f-\U0010ffff][^\\\x00-\x20\x7f-\U0010ffff]*")
_ADDRESS: Final = re.compile(r"[^\s@<>,;\"()]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


def is_sealed(value: Any) -> bool:
    """Whether a value is encrypted in the stack file: `{secure: v1:…}`."""
    return isinstance(value, Mapping) and set(value) == {_SEALED_KEY}


def as_section(value: Any) -> Any:
    """A webhook that is only a URL, plain or encrypted, as a section."""
    return {"url": value} if isinstance(value, str) or is_sealed(value) else value


def checked_url(value: Any) -> str | None:
    """A webhook's URL; None for an encrypted one, which only Pulumi can read. ValueError says what is allowed."""
    if is_sealed(value):
        return None
    if not isinstance(value, str):
        raise ValueError("must be text, e.g. https://example.org/hook")
    if len(value) > LONGEST_URL:
        raise ValueError(f"is longer than {LONGEST_URL} characters")
    url = _parsed(value)
    if url is None or not url.host:
        raise ValueError("is not a URL; write e.g. https://example.org/hook")
    if url.username is not None or url.password is not None:
        raise ValueError("has a user or password in it; every call is signed instead")
    if url.fragment is not None:
        raise ValueError("has a # in it, and what follows is never sent; leave it out")
    if url.scheme != "https" and not (url.scheme == "http" and _is_near(url.host)):
        raise ValueError("must begin with https:// (http:// only to this computer or a private address)")
    return value


def is_http(url: str | None) -> bool:
    """Whether a checked URL is a plain http one."""
    return url is not None and url[:7].lower() == "http://"


def default_format(url: str | None) -> str:
    """`slack` for Slack's own URLs, else `json`."""
    parsed = _parsed(url) if url else None
    return "slack" if parsed is not None and parsed.host == SLACK_HOST else "json"


def checked_email(value: str) -> str:
    """An e-mail address by its form; that it exists is proved by the confirmation that SNS sends there."""
    if not _ADDRESS.fullmatch(value):
        raise ValueError("is not an e-mail address; write e.g. ops@example.org")
    return value


def without_sealed(value: Any) -> Any:
    """A list as a tuple, without its encrypted entries: they are nobody's business but Pulumi's."""
    return tuple(v for v in value if not is_sealed(v)) if isinstance(value, list) else value


def distinct_urls(urls: Sequence[str | None]) -> None:
    """ValueError where two webhooks are the same; it names their places, not the URL."""
    seen: dict[str, int] = {}
    for index, url in enumerate(urls):
        if url is not None and seen.setdefault(url, index) != index:
            raise ValueError(f"has the same URL twice: [{seen[url]}] and [{index}]")


def veiled(value: Any) -> str:
    """A webhook's value for a message: scheme and host of a URL, nothing of anything else."""
    parsed = _parsed(value) if isinstance(value, str) else None
    return f'"{parsed.scheme}://{parsed.host}/…"' if parsed is not None and parsed.host else HIDDEN


def _parsed(text: str) -> AnyUrl | None:
    """The URL; None where it is none. What a URL parser would drop or escape unasked is refused here."""
    if not _FORM.fullmatch(text):
        return None
    try:
        return AnyUrl(text)
    except ValidationError:
        return None


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return any(address in network for network in _NEAR)
