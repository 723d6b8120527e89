"""`fab pin` and `fab unpin`: somebody wants the host on until a time, whether anybody asks or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core import money
from core.errors import DeployError, SettingsError
from core.lease import Lease
from core.money.ledger import HOUR_S
from core.money.prices import PriceUnknown
from core.settings import shape
from core.times import durations, moments
from remote.machines.lease_client import Answer, person
from remote.verbs.lease import Front, Record, host_record

ASK_ABOVE_S: Final = 24 * HOUR_S  # a longer pin is confirmed first
LONGEST_S: Final = 731 * 24 * HOUR_S  # two years; a longer one is taken for a slip


@dataclass(frozen=True)
class Pinned:
    """The host after `pin` or `unpin`. `note`: what else happened, or why nothing was changed."""

    lease: Lease
    now: float
    changed: bool
    note: str

    def as_dict(self, at: Front) -> Record:
        """For `--json`."""
        host = host_record(self.lease, self.now, at.zone)
        return {"changed": self.changed, "note": self.note or None, "host": host}


@dataclass(frozen=True)
class Plan:
    """A pin before it is made: until when (table time, s), and how long from now."""

    until: float
    lasts_s: float
    zone: str
    cost: str  # `about $427 for the machine`, or why that is not known

    @property
    def words(self) -> str:
        """`until Sun 25 Dec 2027 12:00 (Europe/Berlin), 400d from now: about $7,774 for the machine`."""
        until = moments.with_year(self.until, self.zone)
        return f"until {until} ({self.zone}), {durations.show(self.lasts_s)} from now: {self.cost}"


Confirm = Callable[[Plan], bool]


def pin(at: Front, *, until: str = "", lasts: str = "", why: str = "", confirm: Confirm = lambda _: True) -> Pinned:
    """Pin until a time of the stack's clock (`18:00`) or for a duration (`2h`), and start the host where it is off.

    A pin that is longer than ASK_ABOVE_S is made only if `confirm` says so, one longer than LONGEST_S never.

    Raises:
        SettingsError: neither, both, not readable, or too long. DeployError: not confirmed, or the lease refuses it.
    """
    check(until, lasts)
    plan = _plan(at, until, lasts)
    if plan.lasts_s > LONGEST_S:
        raise SettingsError(
            f'--until "{until}" is more than {durations.show(LONGEST_S)} from now; write e.g. {moments.EXAMPLES}.'
        )
    if plan.lasts_s > ASK_ABOVE_S and not confirm(plan):
        raise DeployError(f"Not pinned {plan.words}.")
    when = ("--for", str(plan.lasts_s)) if lasts else ("--until", str(plan.until))
    return _pinned(at.client.call("pin", "--who", person(), "--why", why, *when, "--start", timeout_s=60.0))


def check(until: str, lasts: str) -> None:
    """What can be said of the two before any machine is asked. SettingsError: neither, both, or not readable."""
    if bool(until) == bool(lasts):
        raise SettingsError("Pin it `--until 18:00` or `--for 2h`: one of the two.")
    if lasts:
        durations.positive(lasts, LONGEST_S)
    else:
        moments.parse(until, "UTC", 0.0)  # the form; what it means is the stack's zone's and the table's clock's


def _plan(at: Front, until: str, lasts: str) -> Plan:
    """By the table's clock, which is the one that ends the pin."""
    duration = durations.positive(lasts) if lasts else 0.0
    now = at.client.call("show").now
    end = now + duration if lasts else moments.parse(until, at.zone, now)
    return Plan(end, end - now, at.zone, _cost(at, end - now))


def _cost(at: Front, lasts_s: float) -> str:
    """What being on so long adds to what the stack costs while it is off."""
    try:
        return f"about ${float(money.awake_hour(shape(at.inventory.settings))) * lasts_s / HOUR_S:,.0f} for the machine"
    except PriceUnknown as error:
        return f"what it costs is not known ({error})"


def unpin(at: Front) -> Pinned:
    """End the pin; `changed` False with `note` where there is none."""
    return _pinned(at.client.call("unpin"))


def _pinned(answer: Answer) -> Pinned:
    if answer.lease is None:
        raise DeployError("There is no lease yet. Run `fab deploy`.")
    return Pinned(answer.lease, answer.now, answer.changed, answer.note)
