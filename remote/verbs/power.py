"""`fab wake` and `fab stop`: turn the host on or off now, and wait until it is.

Both look first and only wait for what is under way, so they may be interrupted and run again. They return plain records
(the lease, and what was done) and say what they wait for to the `progress` that is passed in.
"""

from __future__ import annotations

from typing import Final

from core.contract.intervals import DRAIN_TIMEOUT_S
from core.errors import DeployError
from remote.progress import Progress
from remote.verbs import wake as waking
from remote.verbs.lease import Front, Record

OFF: Final = ("STOPPED", "FAILED")
ON_AGAIN: Final = ("STARTING", "RUNNING")  # somebody was served, or came
SPARE_S: Final = 60.0  # beyond what the protocol allows a step, before a wait is given up


# ---------------------------------------------------------------- wake
def wake(at: Front, progress: Progress) -> Record:
    """Turn the host on and wait until it answers: the lease, with `before` and `changed`. DeployError: it did not."""
    lease = _known(at)
    before = lease["state"]
    if before != "RUNNING":
        lease = waking.wake(at.client, "fab wake", progress)
        timeout_s = at.inventory.settings.idle.start_timeout + SPARE_S
        with progress.during(f"host     wakes from {before}: the machine boots, the engines load their models"):
            lease = _wait(at, timeout_s, "RUNNING", "FAILED")
    if lease["state"] != "RUNNING":
        raise DeployError(f"The host did not wake: its lease is {lease['state']} ({lease.get('reason')}).")
    return _record(at, lease, before)


# ---------------------------------------------------------------- stop
def stop(at: Front, progress: Progress, *, force: bool = False) -> Record:
    """Turn the host off and wait until it is: the lease, with `before`, `changed`, `unpinned` and `cut`.

    It stays on while anybody is served, wants or holds it: a DeployError that says who. With `force` nothing is asked,
    and `cut` says what that ended: requests in the engines at the last heartbeat, inhibitors, wake request, pin.
    """
    before = _known(at)
    lost = cut(before) if force else None
    answer = _ask(at, before["state"], force=force)
    if answer.get("unpinned"):
        progress.say("The pin is over, or it would start the host again.")
    if lost and (words := cut_words(lost)):
        progress.say(f"cut      {words}")
    if not answer["changed"] and answer["state"] in ("NEW", "STARTING", "RUNNING"):
        raise DeployError(f"The host was not stopped: {_why(answer)}. `fab stop --force` asks nobody.")
    lease = answer if answer["state"] in OFF else _off(at, answer, progress)
    return _record(at, lease, before["state"]) | {"unpinned": answer.get("unpinned", False), "cut": lost}


def _ask(at: Front, state: str, *, force: bool) -> Record:
    """The order; it ends a pin in every state, and with `force` a wake request, or they would start the host again."""
    if force and state in ("NEW", "STARTING", "RUNNING", "DRAINING"):
        return at.client.call("force-stop", "--by", "fab stop", "--reason", "fab stop --force")
    answer = at.client.call("drain", "--by", "fab stop", "--reason", "fab stop")
    if force:
        at.client.call("drop-wake-request")
    return answer


def _off(at: Front, lease: Record, progress: Progress) -> Record:
    """From DRAINING or STOPPING to off. Who comes meanwhile is served: then it is on again, which is said."""
    if lease["state"] == "DRAINING":
        with progress.during("host     closes admission and checks whether anybody is served"):
            lease = _wait(at, DRAIN_TIMEOUT_S + SPARE_S, "STOPPING", *OFF, *ON_AGAIN)
    if lease["state"] == "STOPPING":
        with progress.during("host     shuts down; EC2 says `stopped` a little later"):
            lease = _wait(at, waking.OFF_WITHIN_S, *OFF, *ON_AGAIN)
    if lease["state"] not in OFF:
        raise DeployError(f"The host is {lease['state']}: {lease.get('reason')}. `fab stop --force` cuts what runs.")
    return lease


def cut(lease: Record) -> Record:
    """What a forced stop of this lease ends: `requests` (a number), `inhibitors`, `wake request` and `pin` (who, or
    "").
    """
    now = lease["now"]
    return {
        "requests": lease.get("busy", 0) if lease["state"] in ("RUNNING", "DRAINING") else 0,
        "inhibitors": [f"{each['who']} ({each['why']})" for each in lease.get("inhibitors", ()) if each["until"] > now],
        "wake request": lease["wake_by"] if lease.get("wanted") else "",
        "pin": lease["pin_who"] if (lease.get("pin_until") or 0.0) > now else "",
    }


def cut_words(lost: Record) -> str:
    """`2 requests in the engines, the inhibitor of ann (fab deploy)`; "" where nothing was cut."""
    requests = lost["requests"]
    words = [f"{requests} request{'s' if requests > 1 else ''} in the engines"] if requests else []
    words += [f"the inhibitor of {who}" for who in lost["inhibitors"]]
    words += [f"the {what} of {lost[what]}" for what in ("wake request", "pin") if lost[what]]
    return ", ".join(words)


def _why(lease: Record) -> str:
    """Why a drain was refused, with names."""
    who = cut_words(cut(lease) | {"requests": 0, "pin": ""})
    return f"{lease['note']}: {who}" if who else str(lease["note"])


# ---------------------------------------------------------------- both
def _known(at: Front) -> Record:
    lease = at.client.show()
    if lease["state"] is None:
        raise DeployError("There is no lease yet. Run `fab deploy`.")
    return lease


def _wait(at: Front, timeout_s: float, *states: str) -> Record:
    return at.client.call("wait", "--until", *states, "--timeout", str(timeout_s), timeout_s=timeout_s + 30)


def _record(at: Front, lease: Record, before: str) -> Record:
    base = {"stack": at.inventory.stack, "api_url": at.inventory.api_url, "before": before}
    return base | {k: v for k, v in lease.items() if k != "met"} | {"changed": lease["state"] != before}
