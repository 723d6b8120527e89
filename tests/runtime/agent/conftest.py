"""What all tests of the agent may ask for."""

from __future__ import annotations

import pytest

from tests.runtime.agent.world import World


@pytest.fixture
def world() -> World:
    return World()
