"""Which SSH sessions keep a host on, and for how long."""

from __future__ import annotations

import pytest

from core.lease import SESSIONS, Inhibitor, Lease, Outcome, State
from core.policy import Action
from core.sessions import ACTIVE_S, RENEW_S, Session, due, working
from core.soon import Soon
from tests.core.lease import cases
from tests.core.lease.cases import NOW
from tests.core.policy_cases import IDLE, NOON, decided
from tests.core.policy_cases import lease as policy_lease

FRESH, STALE = Session("ann", "pts/0", 12.0), Session("bob", "pts/1", ACTIVE_S)


def noted(lease: Lease, *sessions: Session) -> Outcome | None:
    return due(lease, sessions, now=NOW, nonce="n")


def inhibited(until: float, who: str = SESSIONS) -> dict[str, object]:
    return {"inhibitors": (Inhibitor(who, "ann on pts/0", until),), "inhibited_until": until, "inhibitors_nonce": "h"}


def test_who_works() -> None:
    assert working([FRESH, STALE]) == "ann on pts/0"
    assert working([FRESH, Session("cy", "pts/2", ACTIVE_S - 1)]) == "ann on pts/0, cy on pts/2"
    assert working([STALE]) == working([]) == ""


def test_an_active_session_is_an_inhibitor_until_it_would_be_idle_for_too_long() -> None:
    before = cases.lease(State.RUNNING)
    outcome = noted(before, FRESH, STALE)
    assert outcome is not None
    assert cases.after(before, outcome).inhibitors == (Inhibitor(SESSIONS, "ann on pts/0", NOW + ACTIVE_S - 12),)


@pytest.mark.parametrize(("moved_s", "renewed"), [(RENEW_S - 1, False), (RENEW_S, True)])
def test_it_is_renewed_once_it_has_moved(moved_s: float, renewed: bool) -> None:
    before = cases.lease(State.RUNNING, **inhibited(NOW + ACTIVE_S - 12 - moved_s))
    assert (noted(before, FRESH) is not None) is renewed


def test_it_ends_with_the_session_and_leaves_others_alone() -> None:
    deploy = Inhibitor("deploy", "fab deploy", NOW + 99)
    before = cases.lease(State.RUNNING, **inhibited(NOW + 99))
    both = cases.lease(State.RUNNING, **inhibited(NOW + 99) | {"inhibitors": (deploy, *before.inhibitors)})
    outcome = noted(both)
    assert outcome is not None
    assert cases.after(both, outcome).inhibitors == (deploy,)
    assert noted(cases.lease(State.RUNNING)) is None
    assert noted(cases.lease(State.STARTING), FRESH) is None, "a start has its own time-out"
    assert noted(cases.lease(State.STARTING, **inhibited(NOW + 99))) is not None, "nor does one inhibitor a start"


@pytest.mark.parametrize(
    ("who", "max_lease_s", "action"),
    [
        (SESSIONS, 0.0, Action.KEEP),
        (SESSIONS, 1801.0, Action.KEEP),
        (SESSIONS, 1800.0, Action.FORCE),  # it gives way to maxLease
        ("deploy", 1800.0, Action.KEEP),
    ],
)
def test_the_policy(who: str, max_lease_s: float, action: Action) -> None:
    lease = policy_lease(State.RUNNING, **IDLE, **inhibited(NOON + 60, who))
    found = decided(lease, max_lease_s=max_lease_s)
    assert found.action is action
    assert found.action is Action.FORCE or f"inhibited by {who}" in found.reason


def test_a_forced_stop_ends_the_sessions_inhibitor_only() -> None:
    from core import lease as protocol

    deploy = Inhibitor("deploy", "fab deploy", NOW + 9)
    both = {**inhibited(NOW + 99), "inhibitors": (deploy, Inhibitor(SESSIONS, "x", NOW + 99))}
    before = cases.lease(State.RUNNING, **both)
    after = cases.after(before, protocol.force(before, by="reaper", reason="why", now=NOW, nonce="n"))
    assert (after.inhibitors, after.inhibited_until) == ((deploy,), NOW + 9)


def test_an_announced_stop_can_be_read_again() -> None:
    soon = Soon("idle", NOW + 300, NOW - 1500, 1800.0)
    assert Soon.read(soon.key) == soon
    assert Soon.read("") is Soon.read("nonsense") is None
