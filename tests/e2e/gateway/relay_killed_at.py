"""A relay that kills itself at a point of its work: `python relay_killed_at.py ORDER …`, then the relay's arguments.

The file ORDER names the point. Whichever relay comes there first takes the file away and is gone, as by `kill -9`; the
other goes on. Without the file this is the relay as it is.
"""

from __future__ import annotations

import functools
import inspect
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from runtime.gateway import __main__ as relay
from runtime.gateway.api import app, bodies, forward, marks
from runtime.gateway.unit import queue, wake

ORDER = Path(sys.argv.pop(1))


def come_to(point: str) -> None:
    """The end, where the order names this point and nobody has taken it."""
    try:
        wanted = ORDER.read_text() == point
        if wanted:
            ORDER.unlink()
    except FileNotFoundError:
        return
    if wanted:
        os.kill(os.getpid(), signal.SIGKILL)
        signal.pause()


def around(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
    """Points before and after a function of the relay's."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    async def later(*args: Any, **options: Any) -> Any:
        come_to(before)
        result = await inner(*args, **options)
        come_to(after)
        return result

    @functools.wraps(inner)
    def now(*args: Any, **options: Any) -> Any:
        come_to(before)
        result = inner(*args, **options)
        come_to(after)
        return result

    setattr(owner, name, later if inspect.iscoroutinefunction(inner) else now)


async def stream(body: bodies.Body) -> AsyncIterator[bytes]:
    for piece in body.pieces:
        yield piece
    come_to("its bytes are on their way")


bodies.Body.stream = stream  # type: ignore[method-assign]
around(bodies, "receive", before="a request arrives", after="its body is read")
around(queue.Queue, "ask", after="it is queued")
around(marks.Mark, "make", before="the engine is ready", after="it is marked")
around(forward.Engines, "send", after="the engine answers")
around(app.forward, "pass_on", after="the answer is handed on")
around(wake.Waker, "_start", before="start is due", after="start is written")
around(wake.Waker, "_order", before="the order is due", after="the order is given")
around(wake.Waker, "_cordon", before="cordon is due", after="cordon is written")
around(wake.Waker, "_resume", before="resume is due", after="resume is written")

if __name__ == "__main__":
    sys.exit(relay.main())
