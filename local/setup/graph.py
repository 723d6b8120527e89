"""Steps and the order between them: those whose needs are met run at the same time.

To add a step: write a function that makes the thing and one that says whether it is made, and add it in `steps.py`.
A step may be interrupted anywhere, so it makes its thing beside the place where it belongs and renames it there last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from local.setup.site import Say


@dataclass(frozen=True)
class Step:
    """One thing that set-up brings.

    `made` says what is there ("3.220.0, built from Go modules") or None; it is quick and changes nothing.
    `will` says what `make` would do, in words that complete "will …". `make` returns what it made.
    """

    name: str
    made: Callable[[], str | None]
    will: Callable[[], str]
    make: Callable[[Say], str]
    needs: tuple[str, ...] = ()


class Display(Protocol):
    """Where the progress is shown."""

    def began(self, step: str) -> None: ...
    def said(self, step: str, text: str) -> None: ...
    def ended(self, step: str, text: str) -> None: ...
    def failed(self, step: str) -> None: ...


def missing(steps: Sequence[Step]) -> list[Step]:
    """The steps whose thing is not there yet."""
    return [step for step in steps if step.made() is None]


def run(steps: Sequence[Step], display: Display, stop_all: Callable[[], None]) -> None:
    """Run the steps, each as soon as its needs are met. A need that is not among `steps` counts as met.

    The first failure stops the rest and is raised; so is an interrupt. What was made stays made.
    """
    waiting = list(steps)
    running: dict[Future[str], Step] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(steps))) as pool:
        try:
            while waiting or running:
                for step in _ready(waiting, running.values()):
                    waiting.remove(step)
                    display.began(step.name)
                    running[pool.submit(step.make, partial(display.said, step.name))] = step
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    _finish(running.pop(future), future, display)
        except BaseException:
            stop_all()
            raise


def _finish(step: Step, future: Future[str], display: Display) -> None:
    try:
        display.ended(step.name, future.result())
    except BaseException:
        display.failed(step.name)
        raise


def _ready(waiting: Iterable[Step], running: Iterable[Step]) -> list[Step]:
    waiting = list(waiting)
    unmet = {step.name for step in waiting} | {step.name for step in running}
    return [step for step in waiting if not unmet.intersection(step.needs)]
