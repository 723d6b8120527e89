"""The kinds of values a stack file holds, each with its check and the message for a wrong value.

A check raises ValueError with a sentence that says what is allowed; `messages.py` puts path and value before it.
None of them does I/O.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from core.capacity import instance_types
from core.contract import network
from core.errors import SettingsError
from core.settings.suggest import closest
from core.times import durations, zones
from core.times.bounds import Bounds

_DURATION_PATTERN: Final = r"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
BOUNDS_KEY: Final = "x-between"  # in the schema of a duration; schema.py puts it into the description
_DURATION_SCHEMA: Final[dict[str, Any]] = {"type": "string", "pattern": _DURATION_PATTERN, "examples": ["30m", "1h30m"]}
_OR_OFF_SCHEMA: Final[dict[str, Any]] = {"anyOf": [_DURATION_SCHEMA, {"enum": ["off", False]}]}
KEY_TYPES: Final = ("ssh-ed25519", "ssh-rsa")  # what EC2's ImportKeyPair takes
KEY_FILE: Final = "~/.ssh/pilotlight"  # where our hints put a key pair; SSH looks there only when it is told to
KEYGEN: Final = f"ssh-keygen -t ed25519 -f {KEY_FILE}"
# Wider than this is "the whole internet" in parts: 0.0.0.0/1 and 128.0.0.0/1 together are 0.0.0.0/0
WIDEST_V4: Final = 8
WIDEST_V6: Final = 16
PASSWORD_SHORTEST: Final = 8
PASSWORD_LONGEST: Final = 72  # bcrypt, which Open WebUI uses, reads no more
_ORIGIN_PATTERN: Final = r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:]+\])(?::\d{1,5})?"
_QUEUE_SCHEMA: Final[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": network.QUEUE_LIMIT}
_ANY_DAY: Final = datetime(2026, 1, 1, tzinfo=UTC)  # cronsim wants a start; only the syntax is looked at


@dataclass(frozen=True)
class Within:
    """A duration within its bounds, seconds; with `off` also `off`, which is 0; with `unset` also nothing, None."""

    bounds: Bounds
    off: bool = False
    unset: bool = False

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._seconds, handler(source))

    def __get_pydantic_json_schema__(self, _: CoreSchema, __: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**(_OR_OFF_SCHEMA if self.off else _DURATION_SCHEMA), BOUNDS_KEY: str(self.bounds)}

    def _seconds(self, value: Any) -> float | None:
        if value is None and self.unset:
            return None
        try:
            return (self.bounds.limit(value) or 0.0) if self.off else self.bounds.read(value)
        except SettingsError as error:
            raise ValueError(_without_value(value, error)) from error


def _without_value(value: Any, error: SettingsError) -> str:
    """The sentence alone: `messages.py` puts path and value before it."""
    text = str(error).removeprefix(f'"{value}" ')
    return text.removeprefix(f'"{durations.short(value)}" ') if isinstance(value, str) else text


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise ValueError("is not an address range; write e.g. 203.0.113.0/24 or 203.0.113.7/32") from error
    if "/" not in text:
        raise ValueError(f"has no prefix length; for one address write {text}/{network.max_prefixlen}")
    if str(network.network_address) != text.split("/", maxsplit=1)[0].lower():
        raise ValueError(f"has bits set behind its prefix; write {network}")
    return str(network)


def lets_the_internet_in(network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Whether a range is the whole internet, or a part as large as a provider's."""
    return network.prefixlen < (WIDEST_V4 if network.version == 4 else WIDEST_V6)


def _narrow(text: str) -> str:
    if lets_the_internet_in(ipaddress.ip_network(text)):
        raise ValueError(
            f"lets the internet in; name the ranges of who logs in (at least /{WIDEST_V4} for IPv4, /{WIDEST_V6} for "
            "IPv6)"
        )
    return text


def _origin(text: str) -> str:
    """An origin as browsers send it (RFC 6454): lower case, no path, no port that goes without saying."""
    found = re.match(_ORIGIN_PATTERN, text.lower())
    bare = re.sub(r"^(http:.*):80$|^(https:.*):443$", r"\1\2", found[0]) if found else ""
    if text not in {"*", bare}:
        write = bare or "https://app.example.com"
        raise ValueError(f"is not an origin, which is scheme, host and port alone; write e.g. {write}")
    return text


def _queue(count: int) -> int:
    if count > network.QUEUE_LIMIT:
        raise ValueError(
            f"is more than {network.QUEUE_LIMIT}: the gateway has {network.API_CONNECTIONS_MAX} connections for "
            f"callers, one key has {network.KEY_REQUESTS_MAX} requests at most, and who waits keeps one of both"
        )
    return count


def _public_key(text: str) -> str:
    """An OpenSSH public key on one line; the blob must name the same type as the line does."""
    if "PRIVATE KEY" in text:
        raise ValueError("is a PRIVATE key; put the public half (the .pub file) here and make a new pair")
    wrong = ValueError(f"is not a public key of type {' or '.join(KEY_TYPES)}; make a key pair with `{KEYGEN}`")
    parts = text.split()
    if len(parts) < 2 or parts[0] not in KEY_TYPES:
        raise wrong
    try:
        blob = base64.b64decode(parts[1], validate=True)
        (length,) = struct.unpack_from(">I", blob)
    except (binascii.Error, struct.error) as error:
        raise wrong from error
    if blob[4 : 4 + length] != parts[0].encode() or len(blob) < 4 + length + 36:
        raise wrong
    return " ".join(parts)


def _instance_type(text: str) -> str:
    try:
        instance_types.architecture(text)
    except SettingsError as error:
        raise ValueError("is not an instance type; write e.g. g6.xlarge") from error
    return text


def _time_zone(text: str) -> str:
    if text in zones.names():
        return text
    if inside := zones.inside(text):
        raise ValueError(f"is not a time zone, but a part of the world with {len(inside)}; write e.g. {inside[0]}")
    raise ValueError(f"is not a time zone; write e.g. Europe/Berlin{closest(text, zones.names())}")


def _cron(text: str) -> str:
    if len(text.split()) != 5:
        raise ValueError('is not a cron expression of 5 fields; write e.g. "0 9 * * mon-fri"')
    try:
        CronSim(text, _ANY_DAY)
    except CronSimError as error:
        raise ValueError(f'is not a cron expression ({error}); write e.g. "0 9 * * mon-fri"') from error
    return text


_IMAGE: Final = re.compile(
    r"(?:[a-z0-9.-]+(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*(:[\w][\w.-]{0,127})?(@sha256:[0-9a-f]{64})?"
)


def _image(text: str) -> str:
    """A container image's name with a tag or a digest; without one it would be whatever `latest` is that day."""
    found = _IMAGE.fullmatch(text)
    if found is None:
        raise ValueError("is not a container image; write e.g. ghcr.io/open-webui/open-webui:v1.2.3@sha256:…")
    if not any(found.groups()) or (found.group(1) == ":latest" and not found.group(2)):
        raise ValueError("names no version; write NAME:TAG or NAME:TAG@sha256:…, and not `latest`")
    return text


def _password(value: Any) -> Any:
    """A password; None for an encrypted one, which only Pulumi can read. Its text is in no message."""
    if isinstance(value, Mapping) and "secure" in value:
        return None
    if (
        not isinstance(value, str)
        or not PASSWORD_SHORTEST <= len(value.encode()) <= PASSWORD_LONGEST
        or not value.isprintable()
    ):
        raise ValueError(f"must be one line of {PASSWORD_SHORTEST} to {PASSWORD_LONGEST} bytes")
    return value


def _no_search(value: Any) -> Any:
    if value == "search":
        raise ValueError(
            "is refused in this release: the chat page would need a model for embeddings beside it, and chat models "
            "have none. Allowed: prompt (a file goes into the prompt as it is), off"
        )
    return value


def _no_spot(value: bool) -> bool:
    if value:
        raise ValueError(
            "is refused in this release: an interrupted spot machine can be restarted only by EC2, "
            "with the same type, unasked; so a wake could not start it"
        )
    return value


FORMS: Final[dict[str, str]] = {}  # pattern → what it allows, in words for messages; the pattern is the editors'


def _form(pattern: str, words: str) -> StringConstraints:
    FORMS[pattern] = words
    return StringConstraints(pattern=pattern)


_NAME: Final = "[a-z][a-z0-9-]{0,30}"
_NAME_WORDS: Final = "lower-case letters, digits and -, at most 31, beginning with a letter"
# What callers write as `model`: also a key of HAProxy's map and the end of a path, so no space, no `..`, no empty part
_PART: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_SERVICE: Final = f"^{_PART}(/{_PART}){{0,3}}$"
_SERVICE_WORDS: Final = (
    "letters, digits and ., _, -, in at most four parts with / between them, each beginning with a letter or digit, "
    "e.g. Qwen/Qwen2.5-7B-Instruct"
)
_STACK: Final = rf"^([A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/)?{_NAME}$"
_STACK_WORDS: Final = f"a stack's name ({_NAME_WORDS}), or ORGANIZATION/PROJECT/NAME"
_KEY_ARN: Final = r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$"
_KEY_WORDS: Final = "the ARN of a KMS key, e.g. arn:aws:kms:us-east-1:111122223333:key/1234abcd-…"
_USER: Final = r"^[a-z_][a-z0-9_-]{0,31}$"
_USER_WORDS: Final = "lower-case letters, digits, - and _, at most 32, beginning with a letter or _"
_ADDRESS: Final = r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$"
_ADDRESS_WORDS: Final = "a host's name or its IPv4 address, e.g. workstation.example.org or 192.168.1.20"
ContainerImage = Annotated[str, AfterValidator(_image)]
_SEALED: Final[dict[str, Any]] = {"type": "object", "required": ["secure"], "additionalProperties": {"type": "string"}}
Password = Annotated[
    str | None,
    BeforeValidator(_password),
    WithJsonSchema({"anyOf": [{"type": "string", "minLength": PASSWORD_SHORTEST}, _SEALED]}),
]
Origin = Annotated[str, AfterValidator(_origin)]
QueueMax = Annotated[int, Field(ge=1), AfterValidator(_queue), WithJsonSchema(_QUEUE_SCHEMA)]
Cidr = Annotated[str, AfterValidator(_network)]
NarrowCidr = Annotated[str, AfterValidator(_network), AfterValidator(_narrow)]
PublicKey = Annotated[str, AfterValidator(_public_key)]
InstanceType = Annotated[str, AfterValidator(_instance_type)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Cron = Annotated[str, AfterValidator(_cron)]
Documents = Annotated[Literal["prompt", "off"], BeforeValidator(_no_search)]
Spot = Annotated[bool, AfterValidator(_no_spot)]
Name = Annotated[str, _form(f"^{_NAME}$", _NAME_WORDS)]
ServiceName = Annotated[str, _form(_SERVICE, _SERVICE_WORDS)]
StackName = Annotated[str, _form(_STACK, _STACK_WORDS)]
Zone = Annotated[str, _form(r"^(auto|[a-z]{2}(-[a-z]+)+-[0-9][a-z])$", "auto, or a zone, e.g. us-east-1a")]
SubnetId = Annotated[str, _form(r"^subnet-[0-9a-f]+$", "a subnet's id, e.g. subnet-0a1b2c3d")]
ImageId = Annotated[str, _form(r"^ami-[0-9a-f]+$", "an image's id, e.g. ami-0a1b2c3d")]
KmsKeyArn = Annotated[str, _form(_KEY_ARN, _KEY_WORDS)]
UserName = Annotated[str, _form(_USER, _USER_WORDS)]
Address = Annotated[str, _form(_ADDRESS, _ADDRESS_WORDS)]
Region = Annotated[str, _form(r"^[a-z]{2}(-[a-z]+)+-[0-9]$", "a region, e.g. us-east-1")]
Method = Annotated[str, _form(r"^[a-z0-9_]+$", "lower-case letters, digits and _, e.g. awq_marlin")]
Dollars = Annotated[float, Field(gt=0)]
