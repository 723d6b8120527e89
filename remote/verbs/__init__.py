"""How a verb meets its user: a PilotlightError is one message and exit code 1, Ctrl-C says how to go on."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from core.errors import PilotlightError

PROGRAM = "fab"  # what the user typed; the console script says its own name


Task = Callable[..., None]


def verb(function: Task) -> Task:
    """Wrap a task's function; its signature and docstring stay, since Fabric reads them."""
    return _wrapped(function, function.__name__.rstrip("_"))


def verb_called(name: str) -> Callable[[Task], Task]:
    """`verb` for a task of a collection, whose function has only half of the name: keys.add."""
    return functools.partial(_wrapped, called=name)


def _wrapped(function: Task, called: str) -> Task:

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        name = f"{PROGRAM} {called}"
        try:
            function(*args, **kwargs)
        except PilotlightError as error:
            print(f"{name}: {error}", file=sys.stderr)
            sys.exit(1)
        except KeyboardInterrupt:
            print(f"\nInterrupted. `{name}` may be run again; it goes on from there.", file=sys.stderr)
            sys.exit(130)

    return wrapped
