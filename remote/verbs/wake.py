"""Asking for the host: what `fab wake`, `fab deploy` and `fab ssh` share. What a wake is refused for is read here only.

`wake` returns once the host is on its way; `reach` then waits for SSH, and looks at the lease while nothing answers, so
that a start that fails meanwhile is told as what it is.
"""

from __future__ import annotations

import time
from typing import Final

from core.contract.intervals import CAPACITY_GRACE_S, STOP_BACKSTOP_AFTER_S
from core.errors import DeployError
from core.power_errors import Kind
from remote.machines.lease_client import LeaseClient, Record
from remote.machines.transport import Machine, Unreachable
from remote.progress import Progress

DOWN: Final = ("STOPPED", "STOPPING", "FAILED")
ON_ITS_WAY: Final = ("STARTING", "RUNNING")
OFF_WITHIN_S: Final = 2 * STOP_BACKSTOP_AFTER_S + 60.0  # from a stop order to `stopped`, the backstop's included
REACH_S: Final = 300.0  # from the start order until SSH answers
LOOK_S: Final = 15.0  # between two looks at the lease while SSH does not answer


class NotStarted(DeployError):
    """The host is off, and a start was refused or failed. As text: why."""


def wake(client: LeaseClient, by: str, progress: Progress) -> Record:
    """Ask for the host, and wait until it is on its way (or on): the lease, with `changed`. NotStarted: it is refused.

    Who stops is waited for; where EC2 has no capacity, the reaper has CAPACITY_GRACE_S for its ladder. Everything else
    that is in the way (the budget, a quota, a key, a type) is told at once.
    """
    lease = client.call("request-wake", "--by", by, "--start", timeout_s=60.0)
    fresh = bool(lease.get("changed"))
    while lease["state"] in DOWN:
        refused = _over_budget(lease) or (
            fresh and lease["state"] == "FAILED" and lease.get("failure") != Kind.CAPACITY
        )
        if refused:
            raise NotStarted(f"The host did not start: {_why(lease)}.")
        lease = _next(client, lease, progress)
        fresh = True
    return lease


def _over_budget(lease: Record) -> bool:
    return float(lease.get("spent_until") or 0.0) > float(lease.get("now", 0.0))


def _next(client: LeaseClient, lease: Record, progress: Progress) -> Record:
    """Wait for what follows on a lease that is down; NotStarted where nothing does."""
    failed = lease["state"] == "FAILED"
    timeout_s = CAPACITY_GRACE_S if failed else OFF_WITHIN_S
    until = ON_ITS_WAY if failed else (*ON_ITS_WAY, "FAILED")
    words = "waits for the next try" if failed else f"is {lease['state']}, and is started then"
    with progress.during(f"host     {words}: {_why(lease)}"):
        after = client.call("wait", "--until", *until, "--timeout", str(timeout_s), timeout_s=timeout_s + 30)
    if after.get("met") is False:
        raise NotStarted(f"The host did not start: its lease is {after['state']} ({_why(after)}).")
    return after


def reach(host: Machine, client: LeaseClient) -> None:
    """Connect to a host that is on its way, within REACH_S.

    Unreachable: SSH does not answer. NotStarted: its start failed meanwhile, and why.
    """
    ends = time.monotonic() + REACH_S
    while True:
        try:
            return host.connect(min(LOOK_S, max(0.0, ends - time.monotonic())))
        except Unreachable:
            lease = client.show()
            if lease["state"] in DOWN:
                raise NotStarted(f"The host did not start: its lease is {lease['state']} ({_why(lease)}).") from None
            if time.monotonic() >= ends:
                raise


def _why(lease: Record) -> str:
    """What the write said, or the lease's own reason."""
    return str(lease.get("note") or lease.get("reason") or "no reason is known").rstrip(".")
