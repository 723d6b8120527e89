"""Which of our modules each program is shipped with: an allow-list a program, over `core/` and `runtime/`.

A program's list decides what an edit restarts: a change in `runtime/gateway/` is none of the agent's business. A part
is a module or a folder, without its suffix, and brings the packages above it along. To let a program import more: a
line here; a test says which (`tests/core/test_shipping.py`), and another imports each program alone.

Nothing here lists files or reads them: the callers do (`components/aws/archive.py`, `remote/services/app.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

SUFFIXES: Final = (".py", ".html.j2", ".css", ".js")  # modules, and what the relay's pages are made of


class Program(StrEnum):
    """What runs by itself."""

    REAPER = "reaper"
    NOTIFIER = "notifier"
    AGENT = "agent"  # and the dead-man's switch
    RELAY = "relay"
    LEASE_CLIENT = "lease-client"
    CERTIFICATES = "certificates"


_ALL: Final = (
    "core/codes",
    "core/contract",
    "core/errors",
    "core/notifications/record",
    "core/versions",
    "runtime/aws",
)
_WITH_A_LEASE: Final = (  # the lease's own rules, and what backends need
    "core/capacity/gpus",
    "core/capacity/instance_types",
    "core/capacity/ladder",
    "core/capacity/power_errors",
    "core/lease",
    "core/money",
    "core/past",
    "core/plain",
    "core/shutdown_report",
    "core/times/bounds",
    "core/times/durations",
    "core/times/moments",
    "core/times/zones",
    "core/wakes",
    "runtime/backends",
)
_POLICY: Final = (  # the reaper decides by it, and the relay's dashboard says what it will decide
    "core/engines/health",
    "core/overrides",
    "core/policy",
    "core/soon",
    "core/times/schedule",
    "core/times/schedule_words",
)
_REAPER: Final = (*_POLICY, "core/notifications", "runtime/logs", "runtime/reaper")

_AGENT: Final = ("core/engines/health", "core/sessions", "core/soon", "runtime/logs", "runtime/agent")
_RELAY: Final = (*_POLICY, "core/shaping", "runtime/logs", "runtime/gateway", "runtime/operations")
_CERTIFICATES: Final = "runtime/certificates"

PARTS: Final[Mapping[Program, tuple[str, ...]]] = MappingProxyType(
    {
        Program.REAPER: (*_ALL, *_WITH_A_LEASE, *_REAPER),
        Program.NOTIFIER: (*_ALL, "runtime/logs", "runtime/notifier"),
        Program.AGENT: (*_ALL, *_WITH_A_LEASE, *_AGENT),
        Program.RELAY: (*_ALL, *_WITH_A_LEASE, *_RELAY),
        Program.LEASE_CLIENT: (*_ALL, *_WITH_A_LEASE, "runtime/lease_client", "runtime/operations"),
        Program.CERTIFICATES: ("core/certificates", "core/contract", "core/errors", "core/versions", _CERTIFICATES),
    }
)


def files(program: Program, paths: Iterable[str]) -> tuple[str, ...]:
    """Of these paths (from the checkout's root, with `/`) those that a program is shipped with, sorted."""
    parts = PARTS[program]
    packages = {f"{above}/__init__.py" for part in parts for above in _above(part)}
    modules = (path for path in paths if path.endswith(SUFFIXES))
    return tuple(sorted(m for m in modules if m in packages or any(_is_in(m, part) for part in parts)))


def _above(part: str) -> Iterable[str]:
    """The packages that a part is in."""
    names = part.split("/")
    return ("/".join(names[:length]) for length in range(1, len(names)))


def _is_in(path: str, part: str) -> bool:
    return path == f"{part}.py" or path.startswith(f"{part}/")
