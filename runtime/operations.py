"""What people do to a unit: wake it, pin it, end a pin, stop it. The same for `fab` (by way of `runtime.lease_client`)
and for the dashboard's buttons.

Each operation reads the lease, decides by `core.lease`, writes, and decides again where somebody else wrote meanwhile.
A stop is a request: the host checks whether anybody is served, and turns itself off. Nothing here orders a stop. To add
an operation: a method here, over `change`.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from core import lease as protocol
from core.contract.intervals import WAKE_REQUEST_EXTRA_S
from core.errors import LeaseError
from core.lease import Lease, Outcome, Refused, State
from runtime.backends.leases import LeaseStore, Reading
from runtime.backends.power import Power, PowerRefused, PowerUnanswered

TRIES: Final = 5  # a write that met somebody else's is decided again on what is there now
_OFF: Final = frozenset({State.STOPPED, State.FAILED})
Answer = dict[
    str, Any
]  # the lease after an operation, as JSON takes it, with `changed` and, where it says more, `note`


class Operations:
    """The operations on one unit, over a store and (where the role allows it) power. All of them block.

    `who` and `by` are people, as lease and history show them. Each may raise StoreUnavailable, and LeaseError where
    there is no lease, or it cannot be read.
    """

    def __init__(self, unit: str, instance_id: str, store: LeaseStore, power: Power) -> None:
        self._unit, self._instance_id, self._store, self._power = unit, instance_id, store, power

    def wake(self, who: str, why: str = "", *, seconds: float = WAKE_REQUEST_EXTRA_S, start: bool = True) -> Answer:
        """`who` wants the host for so long; with `start` it is started from here where the lease allows it.

        The wake request says what they used, too: `ann@laptop (fab wake)`.
        """
        by = f"{who} ({why})" if why else who

        def outcome(lease: Lease, now: float) -> Outcome:
            return protocol.request_wake(lease, by=by, now=now, until=now + seconds, nonce=nonce())

        answer = self.change(existing(outcome))
        return self._start(who) if start and answer["state"] in _OFF else answer

    def pin(self, who: str, why: str = "", *, until: Callable[[float], float], start: bool = True) -> Answer:
        """The host is to be on until `until(now)` (table time, s); with `start` it is started where it is off."""

        def outcome(lease: Lease, now: float) -> Outcome:
            return protocol.pin(lease, who=who, why=why, now=now, until=until(now), nonce=nonce())

        answer = self.change(existing(outcome))
        if not (start and answer["changed"] and answer["state"] in _OFF):
            return answer
        return self.wake(f"pin of {who}") | {"changed": True}

    def unpin(self) -> Answer:
        """The pin is over."""
        return self.change(existing(lambda lease, _: protocol.unpin(lease, nonce=nonce())))

    def override_budget(self, who: str, why: str, seconds: float) -> Answer:
        """Somebody pays over the budget for so long."""

        def outcome(lease: Lease, now: float) -> Outcome:
            return protocol.override_budget(lease, who=who, why=why, now=now, until=now + seconds, nonce=nonce())

        return self.change(existing(outcome))

    def end_override(self) -> Answer:
        """Nobody pays over the budget any more."""
        return self.change(existing(lambda lease, _: protocol.end_override(lease, nonce=nonce())))

    def drain(self, who: str, reason: str) -> Answer:
        """Ask the host to check and stop now, as the reaper does when it is idle long enough. Ends a pin first."""
        unpinned = self.unpin()["changed"]

        def outcome(lease: Lease, now: float) -> Outcome:
            return protocol.drain(lease, by=who, now=now, nonce=nonce(), reason=reason)

        return self.change(existing(outcome)) | {"unpinned": unpinned}

    def _start(self, by: str) -> Answer:
        answer = self.change(existing(lambda lease, now: protocol.start(lease, by=by, now=now, nonce=nonce())))
        if not answer["changed"]:
            return answer
        try:
            self._power.start(self._instance_id)
        except PowerUnanswered as error:
            self.change(existing(lambda lease, _: protocol.not_now(lease, nonce=nonce())))
            return answer | {"note": f"start order not taken yet ({error}); the reaper repeats it"}
        except PowerRefused as refused:
            return self._refused(refused, by)
        return answer

    def _refused(self, refused: PowerRefused, by: str) -> Answer:
        def outcome(lease: Lease, now: float) -> Outcome:
            words, failure = str(refused), refused.failure
            return protocol.fail(lease, by=by, now=now, nonce=nonce(), reason=words, failure=failure, order=False)

        return self.change(existing(outcome)) | {"note": str(refused)}

    def change(self, decide: Callable[[Lease | None, float], Outcome]) -> Answer:
        """Read, decide, write; again where somebody else wrote in between. `changed` False comes with `note`: why."""
        reading = Reading(None, 0.0)
        for _ in range(TRIES):
            reading = self._store.read(self._unit)
            outcome = decide(reading.lease, reading.now)
            if isinstance(outcome, Refused):
                return shown(reading.lease, reading.now) | {"changed": False, "note": outcome.reason}
            after = self._store.write(outcome)
            if after is not None:
                return shown(after, reading.now) | {"changed": True}
        raise LeaseError(f"The lease of {self._unit} changed {TRIES} times meanwhile. Run it again.")


def existing(decide: Callable[[Lease, float], Outcome]) -> Callable[[Lease | None, float], Outcome]:
    """A decision that needs a lease."""

    def outcome(lease: Lease | None, now: float) -> Outcome:
        if lease is None:
            raise LeaseError("There is no lease yet. Run `fab deploy`.")
        return decide(lease, now)

    return outcome


def shown(lease: Lease | None, now: float) -> Answer:
    """A lease as JSON takes it; `state` None where there is none."""
    if lease is None:
        return {"state": None, "now": now}
    return plain(lease) | {"now": now, "wanted": lease.wanted(now), "inhibited": lease.inhibitor(now) is not None}


def plain(record: Any) -> Answer:
    """A dataclass as JSON takes it."""
    shallow = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    found = {k: dict(v) if isinstance(v, Mapping) else v for k, v in shallow.items()}
    return (
        found | {"inhibitors": [dataclasses.asdict(h) for h in found["inhibitors"]]} if "inhibitors" in found else found
    )


def nonce() -> str:
    """Marks one write, so that a retried one recognises itself."""
    return uuid.uuid4().hex
