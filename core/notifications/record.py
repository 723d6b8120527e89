"""The schema of a notification, and its other spellings: a mail, a mail's subject, Slack's text.

`docs/notifications.md` is this schema for receivers. Later versions may add fields and kinds under the same
`schema_version`; it is raised only where an old receiver would misread a notification.
"""

from __future__ import annotations

import dataclasses
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final, Self

from core.contract.table import unit_name
from core.errors import ContractError

NOTIFICATION_VERSION: Final = 1
SUBJECT_MAX: Final = 99  # SNS: "less than 100 characters", no line breaks, no control characters
SUMMARY_MAX: Final = 300  # characters
FACTS_MAX: Final = 40
FACT_MAX: Final = 1000  # characters of a fact's text, and of its name
REASON_MAX: Final = 4000  # characters; SNS and SQS take 256 KiB in all
_ID: Final = re.compile(r"[!-~]{1,300}")  # it becomes an HTTP header
Fact = str | float | int | bool


class Kind(StrEnum):
    """What a notification is about."""

    ABOUT_TO_STOP = "about-to-stop"
    STOPPED = "stopped"
    WAKING = "waking"
    READY = "ready"
    FAILED = "failed"
    FORCED = "forced"
    BUDGET = "budget"
    ALERT = "alert"


@dataclass(frozen=True)
class Notification:
    """One thing that people are told.

    Attributes:
        id: the same whenever this happening is sent again; printable ASCII without spaces.
        kind: what it is about.
        stack: whose, "" where it is no stack's (an alarm).
        unit: the lease's key, "" likewise.
        at: when it happened, ISO 8601 in UTC.
        summary: one line for people.
        reason: why, in words; may be long.
        facts: for programs, flat; names end in their unit.
    """

    id: str
    kind: Kind
    stack: str
    unit: str
    at: str
    summary: str
    reason: str
    facts: Mapping[str, Fact] = field(default_factory=lambda: MappingProxyType({}))
    schema_version: int = NOTIFICATION_VERSION

    def to_json(self) -> str:
        """One line of JSON with sorted keys."""
        raw = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        raw |= {"kind": self.kind.value, "facts": dict(self.facts)}
        return json.dumps(raw, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a notification; fields that this version does not know are left out. ContractError says what is
        wrong.
        """
        try:
            raw = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"A notification is not JSON: {error}.") from error
        if not isinstance(raw, dict):
            raise ContractError(f"A notification is a JSON object, not {type(raw).__name__}.")
        if (version := raw.get("schema_version")) != NOTIFICATION_VERSION:
            raise ContractError(
                f"A notification has schema_version {version!r}; this program reads {NOTIFICATION_VERSION}."
            )
        texts: dict[str, Any] = {name: raw.get(name) for name in _TEXTS}
        if wrong := sorted(name for name, value in texts.items() if not isinstance(value, str)):
            raise ContractError(f"A notification lacks {', '.join(wrong)}, or has no text there.")
        if not _ID.fullmatch(str(raw["id"])):
            raise ContractError(f"A notification's id {raw['id']!r} is not printable ASCII without spaces.")
        return cls(**texts | {"kind": _kind(raw["kind"]), "facts": _facts(raw.get("facts"))})


_TEXTS: Final = ("id", "kind", "stack", "unit", "at", "summary", "reason")


def _kind(value: Any) -> Kind:
    try:
        return Kind(value)
    except ValueError as error:
        raise ContractError(f"A notification has kind {value!r}; known are {', '.join(Kind)}.") from error


def _facts(value: Any) -> dict[str, Fact]:
    if not isinstance(value, dict):
        raise ContractError(f"A notification's facts are an object, not {type(value).__name__}.")
    if wrong := sorted(k for k, v in value.items() if not isinstance(v, str | float | int | bool)):
        raise ContractError(f"A notification's facts {', '.join(wrong)} are neither text, number nor truth value.")
    return value


def notification(
    kind: Kind, unit: str, words: str, *, id: str, stack: str, at: float, reason: str, facts: Mapping[str, Fact]
) -> Notification:
    """A notification about a unit at a moment (s since 1970); `words` follow the unit's name in the summary."""
    summary = line(f"{name_of(stack, unit)} {words}")
    return Notification(id, kind, stack, unit, iso(at), summary, reason[:REASON_MAX], _bounded(facts))


def _bounded(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Facts that may be a stranger's: no more and no longer than a topic takes, or its notification would never
    leave.
    """
    shown = list(facts.items())[:FACTS_MAX]
    return {name[:FACT_MAX]: value[:FACT_MAX] if isinstance(value, str) else value for name, value in shown}


def iso(moment: float) -> str:
    """A moment (s since 1970) as `2026-11-24T09:00:00Z`."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def line(words: str) -> str:
    """Words of whatever origin as one line for people, not too long."""
    joined = " ".join(words.split())
    return joined if len(joined) <= SUMMARY_MAX else f"{joined[: SUMMARY_MAX - 1]}…"


def name_of(stack: str, unit: str) -> str:
    """What people call a unit: its stack, where that has one host."""
    return stack if unit == unit_name(stack) else unit


def subject(notification: Notification) -> str:
    """The summary as SNS takes it for a mail's subject: short ASCII in one line that begins with a character."""
    plain = unicodedata.normalize("NFKD", notification.summary).encode("ascii", "replace").decode()
    line = " ".join("".join(c if c.isprintable() else " " for c in plain).split())
    return line[:SUBJECT_MAX].rstrip() or f"pilotlight: {notification.kind}"


def email(notification: Notification) -> str:
    """The notification as a mail: the summary, why, and the facts, a line each."""
    facts = [f"{name}: {value}" for name, value in sorted(notification.facts.items())]
    where = [f"unit: {notification.unit}"] if notification.unit else []
    parts = [notification.summary, "" if notification.reason in notification.summary else notification.reason]
    foot = [f"at: {notification.at}", *where, f"kind: {notification.kind}", *facts, f"id: {notification.id}"]
    return "\n\n".join([*(p for p in parts if p), "\n".join(foot)]) + "\n"


def slack(notification: Notification) -> str:
    """The notification as a Slack-compatible JSON body; the three characters that Slack reads as markup are escaped."""
    icon = _ICONS[notification.kind]
    words = (
        notification.summary
        if notification.reason in notification.summary
        else f"{notification.summary}\n{notification.reason}"
    )
    for plain, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        words = words.replace(plain, escaped)
    return json.dumps({"text": f"{icon} {words}"})


_ICONS: Final[Mapping[Kind, str]] = MappingProxyType(
    {
        Kind.ABOUT_TO_STOP: ":hourglass:",
        Kind.STOPPED: ":zzz:",
        Kind.WAKING: ":sunrise:",
        Kind.READY: ":white_check_mark:",
        Kind.FAILED: ":x:",
        Kind.FORCED: ":octagonal_sign:",
        Kind.BUDGET: ":moneybag:",
        Kind.ALERT: ":warning:",
    }
)
