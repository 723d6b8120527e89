"""The service: what the lease says, its API keys, and, on request, one real answer through the front door."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from core import keys
from core.contract.documents import ApiKeys
from core.contract.intervals import HEARTBEAT_S
from core.contract.network import WEBUI_KEY
from core.keys import KeyState
from core.lease import State
from core.times.durations import show
from remote.checks import Area, Check, failed, passed, warned
from remote.verbs.status import Status

OFF: Final = (State.STOPPED, State.STOPPING, State.FAILED)
SILENT_S: Final = 12 * HEARTBEAT_S
SOON_S: Final = 7 * 86400.0  # a key that ends within this is said
TROUBLE: Final = "docs/operate/troubleshooting.md"


def lease(status: Status) -> Iterator[Check]:
    """What the host does and why; alerts, engines that do not answer, Redis, and the price."""
    area, stack = Area.SERVICE, status.stack
    if status.lease is None:
        yield failed(area, "lease", "there is none yet: nothing was deployed", f"`fab deploy -s {stack}`.")
        return
    said = f"{status.lease.state} for {show(status.for_s or 0.0)}: {status.why}"
    if status.lease.state is State.FAILED:
        yield failed(area, "lease", said, f"{TROUBLE}, section Failures of a start; `fab wake -s {stack}` tries again.")
    else:
        yield passed(area, "lease", said)
    if status.decision is not None and status.decision.alert:
        fix = f"{TROUBLE}, section Alerts, row `{status.decision.alert}`."
        yield failed(area, "alert", status.decision.words, fix)
    for engine in sorted(status.lease.dead_engines):
        yield failed(area, f"engine {engine}", "does not answer", f"`fab logs -s {stack} --engine {engine}`.")
    yield from _relay(status)
    yield from _also(status)


def _relay(status: Status) -> Iterator[Check]:
    """A relay notes every ten seconds that it lives."""
    beat = status.lease.relay_at if status.lease else None
    if beat is None:
        return
    silent_s = status.now - beat
    if silent_s > SILENT_S:
        said = f"no relay has written for {show(silent_s)}: requests wake nothing"
        yield failed(Area.SERVICE, "relay", said, f"`fab logs -s {status.stack}`; `fab deploy -s {status.stack}`.")
    else:
        yield passed(Area.SERVICE, "relay", "watches the lease")


def _also(status: Status) -> Iterator[Check]:
    area = Area.SERVICE
    if status.redis_problem:
        said = f"nothing is counted or cached: {status.redis_problem}"
        yield warned(area, "redis", said, f"`fab deploy -s {status.stack}`; {TROUBLE}, section By symptom.")
    elif status.lease is not None:
        yield passed(area, "redis", "answers")
    if status.cost_problem:
        yield warned(area, "price", status.cost_problem, "Budget and costs leave it out: core/money/prices.py.")


def off(status: Status) -> str:
    """Why the host cannot be examined, in words; "" where it is on, or nobody knows."""
    if status.lease is None:
        return ""
    if status.lease.state in OFF or status.machine.state in ("stopped", "stopping"):
        return f"is off ({status.lease.state}: {status.lease.reason})"
    return ""


def api_keys(there: ApiKeys, now: float, stack: str) -> Iterator[Check]:
    """Whether people have a key, and which end soon. `now` is the gateway's clock, s."""
    area = Area.SERVICE
    people = [key for key in there.keys if key.name != WEBUI_KEY]
    valid = [key for key in people if keys.state(there, key, now) is KeyState.VALID]
    if not valid:
        yield failed(area, "API keys", "no key works", f"`fab keys.add NAME -s {stack}`.")
        return
    names = ", ".join(sorted(key.name for key in valid))
    yield passed(area, "API keys", f"{len(valid)} work{'s' if len(valid) == 1 else ''}: {names}")
    for key in valid:
        if key.expires is not None and key.expires - now < SOON_S:
            said = f"the key {key.name} ends in {show(key.expires - now)}"
            yield warned(area, "API keys", said, f"`fab keys.revoke {key.name} -s {stack}`, then `fab keys.add`.")
