"""One gateway of real parts for the tests of this folder; the embedded cloud is not needed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # front.py; import-mode importlib does not add it

from front import Front, aws, running_front


@pytest.fixture(scope="module")
def whole_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """The parts, started once a file: HAProxy 2.6 or newer, relay, fake engine, moto."""
    folder = tmp_path_factory.mktemp("front")
    for part in (folder, *folder.parents[:2]):
        part.chmod(0o755)  # HAProxy drops to its own user before it reads the maps again
    with pytest.MonkeyPatch.context() as patch, aws() as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        with running_front(folder) as up:
            yield up


@pytest.fixture
def front(whole_front: Front) -> Front:
    """Everything up, awake, routes open, nothing counted yet."""
    whole_front.recover()
    return whole_front
