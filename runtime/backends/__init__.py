"""What a unit is, for the programs that run: where its lease lives, what turns it on and off, who is told.

`open(place)` is the one place that asks which kind of host it is: a module a kind, with an `open` of its own
(`ec2.py`). Agent, relay, reaper and lease client take a `Backend` and know no cloud. To add a kind: a module here, a
line in `KINDS`, its stores and powers in `leases/` and `power/`, and `core/settings` accepts it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

from core.contract.documents import Place
from core.errors import ContractError
from runtime.backends.leases import LeaseStore
from runtime.backends.notifications import Notifications
from runtime.backends.power import FleetPower, Plain

KINDS: Final[Mapping[str, str]] = MappingProxyType({"ec2": "runtime.backends.ec2", "ssh": "runtime.backends.ssh"})


def _nothing() -> None:
    return None


def _never() -> str:
    return ""


@dataclass(frozen=True)
class Backend:
    """One kind of host, opened.

    `ask_reaper` has the reaper look at one unit now, without waiting for it. `prepare` makes now what a later wake
    shall not wait for. `given_up` says why this process should end ("" where it should not), so that a supervisor
    starts a fresh one. `instance_type` is that of the machine this runs on. `plain` finds machines without an agent,
    where this kind has such. All block; `ask_reaper` and `prepare` may raise PowerRefused or PowerUnanswered.
    """

    leases: LeaseStore
    power: FleetPower
    notifications: Notifications
    ask_reaper: Callable[[str], None]
    prepare: Callable[[], None] = _nothing
    given_up: Callable[[], str] = _never
    instance_type: Callable[[], str] = _never
    plain: Plain | None = None


def open(place: Place) -> Backend:
    """The backend of a place; ContractError for a kind that this release does not have. Connects to nothing yet."""
    if place.kind not in KINDS:
        raise ContractError(
            f"This release has no kind of host {place.kind!r}, only {', '.join(KINDS)}. Run `fab deploy` from the "
            "checkout that made this stack."
        )
    return cast(Backend, importlib.import_module(KINDS[place.kind]).open(place))
