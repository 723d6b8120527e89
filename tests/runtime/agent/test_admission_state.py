"""What a program believes of its admission, where nftables did something else than it said."""

from __future__ import annotations

import pytest

from runtime.agent.admission import AdmissionError, AdmissionState


class Slow:
    """It does what it is asked, and says that it did not: nft ended after its time-out."""

    def __init__(self) -> None:
        self.closed, self.slow = False, True

    def close(self) -> None:
        self.closed = True
        if self.slow:
            raise AdmissionError("nft: timed out")

    def open(self) -> None:
        self.closed = False

    def is_closed(self) -> bool:
        return self.closed


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def state(slow: Slow) -> AdmissionState:
    made = AdmissionState(slow, lambda wrong: None, lambda: 0.0)
    made.open()
    return made


def test_a_close_that_failed_may_have_closed_so_the_next_open_opens(slow: Slow, state: AdmissionState) -> None:
    """Otherwise a host is RUNNING and its kernel refuses every request."""
    with pytest.raises(AdmissionError):
        state.close()
    state.open()
    assert not slow.closed


def test_the_same_where_the_caller_goes_on(slow: Slow, state: AdmissionState) -> None:
    state.keep_closed("before the machine goes off")
    state.open()
    assert not slow.closed


def test_it_is_opened_once(slow: Slow, state: AdmissionState) -> None:
    slow.closed = True  # behind its back: who relies on it asks `is_closed`
    state.open()
    assert slow.closed
    assert state.is_closed()
