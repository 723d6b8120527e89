"""`fab wake` and `fab stop`: turn the host on or off now, and wait until it is.

Both look first and only wait for what is under way, so they may be interrupted and run again. They return what they did
(`Done`) and say what they wait for to the `progress` that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from core.contract.intervals import DRAIN_TIMEOUT_S
from core.errors import DeployError
from core.lease import Lease, State
from core.times.durations import show
from remote.machines.lease_client import Answer, person
from remote.progress import Progress
from remote.verbs import wake as waking
from remote.verbs.lease import Front, Record, host_record

OFF: Final = (State.STOPPED, State.FAILED)
ON_AGAIN: Final = (State.STARTING, State.RUNNING)  # somebody was served, or came
STOPPABLE: Final = (State.NEW, State.STARTING, State.RUNNING, State.DRAINING)
SPARE_S: Final = 60.0  # beyond what the protocol allows a step, before a wait is given up


@dataclass(frozen=True)
class Cut:
    """What a forced stop ended: `requests` (a number), `inhibitors`, and whose wake request and pin ("": none)."""

    requests: int = 0
    inhibitors: tuple[str, ...] = ()
    wake_request: str = ""
    pin: str = ""

    @property
    def words(self) -> str:
        """`2 requests in the engines, the inhibitor of ann (fab deploy)`; "" where nothing was cut."""
        words = [f"{self.requests} request{'s' if self.requests > 1 else ''} in the engines"] if self.requests else []
        words += [f"the inhibitor of {who}" for who in self.inhibitors]
        words += [f"the wake request of {self.wake_request}"] if self.wake_request else []
        words += [f"the pin of {self.pin}"] if self.pin else []
        return ", ".join(words)


@dataclass(frozen=True)
class Done:
    """The host after a verb, `before` it, and what was ended on the way. `cut` None: nothing was forced."""

    lease: Lease
    now: float
    before: State
    unpinned: bool = False
    cut: Cut | None = None

    @property
    def changed(self) -> bool:
        """It is in another state than before."""
        return self.lease.state is not self.before

    def as_dict(self, at: Front) -> Record:
        """For `--json`."""
        cut = self.cut and {
            "requests": self.cut.requests,
            "inhibitors": list(self.cut.inhibitors),
            "wake_request": self.cut.wake_request or None,
            "pin": self.cut.pin or None,
        }
        return {
            "changed": self.changed,
            "before": self.before.value,
            "host": host_record(self.lease, self.now, at.zone),
            "api_url": at.inventory.api_url,
            "unpinned": self.unpinned,
            "cut": cut,
        }


# ---------------------------------------------------------------- wake
def wake(at: Front, progress: Progress, *, wait: bool = True, timeout_s: float | None = None) -> Done:
    """Turn the host on and wait until it answers, at most `timeout_s`. DeployError: it did not.

    Without `wait` it returns once the start was ordered.
    """
    answer = _known(at)
    before = _lease(answer).state
    if before is not State.RUNNING:
        answer = waking.wake(at.client, "fab wake", progress)
        if wait:
            answer = _until_it_answers(at, before, progress, timeout_s)
    if wait and answer.state is not State.RUNNING:
        raise DeployError(f"The host did not wake: its lease is {answer.state} ({_lease(answer).reason}).")
    return Done(_lease(answer), answer.now, before)


def _until_it_answers(at: Front, before: State, progress: Progress, timeout_s: float | None) -> Answer:
    limit_s = at.inventory.settings.idle.start_timeout + SPARE_S if timeout_s is None else timeout_s
    with progress.during(f"host     wakes from {before}: the machine boots, the engines load their models"):
        answer = _wait(at, limit_s, State.RUNNING, State.FAILED)
    if not answer.met and timeout_s is not None:
        raise DeployError(
            f"The host is {answer.state} after {show(timeout_s)} and goes on waking; `fab wake` again waits for it."
        )
    return answer


# ---------------------------------------------------------------- stop
def stop(at: Front, progress: Progress, *, force: bool = False) -> Done:
    """Turn the host off and wait until it is.

    It stays on while anybody is served, wants or holds it: a DeployError that says who. With `force` nothing is asked,
    and `cut` says what that ended: requests in the engines at the last heartbeat, inhibitors, wake request, pin.
    """
    seen = _known(at)
    before = _lease(seen).state
    lost = cut(_lease(seen), seen.now) if force else None
    answer = _ask(at, before, force=force)
    if answer.unpinned:
        progress.say("The pin is over, or it would start the host again.")
    if lost and lost.words:
        progress.say(f"cut      {lost.words}")
    if not answer.changed and answer.state in (State.NEW, *ON_AGAIN):
        raise DeployError(f"The host was not stopped: {_refused(answer)}. `fab stop --force` asks nobody.")
    after = answer if answer.state in OFF else _off(at, answer, progress)
    return Done(_lease(after), after.now, before, unpinned=answer.unpinned, cut=lost)


def _ask(at: Front, state: State, *, force: bool) -> Answer:
    """The order; it ends a pin in every state, and with `force` a wake request, or they would start the host again."""
    if force and state in STOPPABLE:
        return at.client.call("force-stop", "--by", person(), "--reason", "fab stop --force")
    answer = at.client.call("drain", "--by", person(), "--reason", "fab stop")
    if force:
        at.client.call("drop-wake-request")
    return answer


def _off(at: Front, answer: Answer, progress: Progress) -> Answer:
    """From DRAINING or STOPPING to off. Who comes meanwhile is served: then it is on again, which is said."""
    if answer.state is State.DRAINING:
        with progress.during("host     closes admission and checks whether anybody is served"):
            answer = _wait(at, DRAIN_TIMEOUT_S + SPARE_S, State.STOPPING, *OFF, *ON_AGAIN)
    if answer.state is State.STOPPING:
        with progress.during("host     shuts down; EC2 says `stopped` a little later"):
            answer = _wait(at, waking.OFF_WITHIN_S, *OFF, *ON_AGAIN)
    if answer.state not in OFF:
        raise DeployError(f"The host is {answer.state}: {_lease(answer).reason}. `fab stop --force` cuts what runs.")
    return answer


def cut(lease: Lease, now: float) -> Cut:
    """What a forced stop of this lease ends."""
    return Cut(
        requests=lease.busy if lease.state in (State.RUNNING, State.DRAINING) else 0,
        inhibitors=tuple(f"{each.who} ({each.why})" for each in lease.inhibitors if each.until > now),
        wake_request=lease.wake_by if lease.wanted(now) else "",
        pin=lease.pin_who if lease.pinned(now) else "",
    )


def _refused(answer: Answer) -> str:
    """Why a drain was refused, with names."""
    who = replace(cut(_lease(answer), answer.now), requests=0, pin="").words
    return f"{answer.note}: {who}" if who else answer.note


# ---------------------------------------------------------------- both
def _known(at: Front) -> Answer:
    answer = at.client.show()
    _lease(answer)
    return answer


def _lease(answer: Answer) -> Lease:
    if answer.lease is None:
        raise DeployError("There is no lease yet. Run `fab deploy`.")
    return answer.lease


def _wait(at: Front, timeout_s: float, *states: State) -> Answer:
    return at.client.call("wait", "--until", *states, "--timeout", str(timeout_s), timeout_s=timeout_s + 30)
