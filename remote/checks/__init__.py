"""What `fab doctor` checks, one file an area. A check is a line: what was looked at, what was found, and what mends it.

Looking and judging are separate: a function that looks returns plain facts, and a pure one makes lines of them. A new
check: a function here that yields `Check`s, and its call in `remote/verbs/doctor.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How a check ended."""

    PASS = "pass"
    WARN = "warn"  # it works, and somebody should look
    FAIL = "fail"


class Area(StrEnum):
    """What a check is about, in the order in which the lines are printed."""

    STACK = "stack"  # the stack file, and what this computer needs
    CLOUD = "cloud"  # what Pulumi and AWS say
    GATEWAY = "gateway"
    HOST = "host"
    SERVICE = "service"  # the lease, and what serves
    FRONT_DOOR = "front door"  # as callers see it, from this computer


@dataclass(frozen=True)
class Check:
    """One line. `fix`: what mends it, a sentence or a command; only a check that passes has none."""

    area: Area
    name: str
    verdict: Verdict
    said: str
    fix: str = ""

    def as_dict(self) -> dict[str, str | None]:
        """For `--json` (docs/json.md)."""
        return {
            "area": self.area.value,
            "name": self.name,
            "verdict": self.verdict.value,
            "said": self.said,
            "fix": self.fix or None,
        }


def passed(area: Area, name: str, said: str) -> Check:
    """It is well."""
    return Check(area, name, Verdict.PASS, said)


def warned(area: Area, name: str, said: str, fix: str) -> Check:
    """It works; `fix` says what to do before it no longer does."""
    return Check(area, name, Verdict.WARN, said, fix)


def failed(area: Area, name: str, said: str, fix: str) -> Check:
    """It does not work; `fix` mends it."""
    return Check(area, name, Verdict.FAIL, said, fix)
