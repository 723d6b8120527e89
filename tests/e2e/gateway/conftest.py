"""One gateway of real parts for the tests of this folder; the embedded cloud is not needed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # front.py; import-mode importlib does not add it

from front import Front, aws, running_front

NewFront = Callable[..., AbstractContextManager[Front]]


@pytest.fixture(scope="session")
def new_front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewFront]:
    """Makes a gateway of HAProxy 2.6 or newer, relay and fake engine; one moto for all, whose clients are cached."""

    def make(**options: Any) -> AbstractContextManager[Front]:
        folder = tmp_path_factory.mktemp("front")
        for part in (folder, *folder.parents[:2]):
            part.chmod(0o755)  # HAProxy drops to its own user before it reads the maps again
        return running_front(folder, **options)

    with pytest.MonkeyPatch.context() as patch, aws() as environment:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield make


@pytest.fixture(scope="module")
def whole_front(request: pytest.FixtureRequest, new_front: NewFront) -> Iterator[Front]:
    """Started once a file, with the file's own FRONT as options."""
    with new_front(**getattr(request.module, "FRONT", {})) as up:
        yield up


@pytest.fixture
def front(whole_front: Front) -> Front:
    """Everything up, awake, routes open, nothing counted yet."""
    whole_front.recover()
    return whole_front
