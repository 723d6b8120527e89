"""Asking for the host: what `fab wake`, `fab deploy` and `fab ssh` share. What a wake is refused for is read here only.

`wake` returns once the host is on its way; `reach` then waits for SSH, and looks at the lease while nothing answers, so
that a start that fails meanwhile is told as what it is.
"""

from __future__ import annotations

import time
from typing import Final

from core.codes import Failure
from core.contract.intervals import CAPACITY_GRACE_S, STOP_BACKSTOP_AFTER_S
from core.errors import DeployError
from core.lease import State
from remote.machines.lease_client import Answer, LeaseClient, person
from remote.machines.transport import Machine, Unreachable
from remote.progress import Progress

DOWN: Final = (State.STOPPED, State.STOPPING, State.FAILED)
ON_ITS_WAY: Final = (State.STARTING, State.RUNNING)
OFF_WITHIN_S: Final = 2 * STOP_BACKSTOP_AFTER_S + 60.0  # from a stop order to `stopped`, the backstop's included
REACH_S: Final = 300.0  # from the start order until SSH answers
LOOK_S: Final = 15.0  # between two looks at the lease while SSH does not answer


class NotStarted(DeployError):
    """The host is off, and a start was refused or failed. As text: why."""


def wake(client: LeaseClient, verb: str, progress: Progress) -> Answer:
    """Ask for the host, and wait until it is on its way (or on). NotStarted: it is refused.

    Who stops is waited for; where EC2 has no capacity, the reaper has CAPACITY_GRACE_S for its ladder. Everything else
    that is in the way (the budget, a quota, a key, a type) is told at once. Lease and history say who asked, and with
    which `verb`.
    """
    answer = client.call("request-wake", "--by", person(), "--why", verb, "--start", timeout_s=60.0)
    fresh = answer.changed
    while answer.state in DOWN:
        refused = answer.over_budget or (fresh and _failed_for_good(answer))
        if refused:
            raise NotStarted(f"The host did not start: {answer.why}.")
        answer = _next(client, answer, progress)
        fresh = True
    return answer


def _failed_for_good(answer: Answer) -> bool:
    return answer.lease is not None and answer.state is State.FAILED and answer.lease.failure != Failure.CAPACITY


def _next(client: LeaseClient, answer: Answer, progress: Progress) -> Answer:
    """Wait for what follows on a lease that is down; NotStarted where nothing does."""
    failed = answer.state is State.FAILED
    timeout_s = CAPACITY_GRACE_S if failed else OFF_WITHIN_S
    until = ON_ITS_WAY if failed else (*ON_ITS_WAY, State.FAILED)
    words = "waits for the next try" if failed else f"is {answer.state}, and is started then"
    with progress.during(f"host     {words}: {answer.why}"):
        after = client.call("wait", "--until", *until, "--timeout", str(timeout_s), timeout_s=timeout_s + 30)
    if not after.met:
        raise NotStarted(f"The host did not start: its lease is {after.state} ({after.why}).")
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
            seen = client.show()
            if seen.state in DOWN:
                raise NotStarted(f"The host did not start: its lease is {seen.state} ({seen.why}).") from None
            if time.monotonic() >= ends:
                raise
