"""Breadth-first search over everything that can happen, and what must hold in all of it.

Safety is checked by the steps themselves (`Broken`). Liveness is checked on the whole graph: from every state there
is a way to the goal that needs no fault, no expiry, no hang-up and no forced stop.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.lease import State
from tests.core.protocol.leases import NONE, NOW, Broken
from tests.core.protocol.moves import NORMAL
from tests.core.protocol.steps import steps
from tests.core.protocol.world import OFF, Model, Options, World, first

END = -1


@dataclass
class Verdict:
    """What a search found. `wrong` is "" where everything held; then `trace` is empty."""

    states: int
    edges: int
    depth: int
    seconds_s: float
    complete: bool
    wrong: str = ""
    trace: list[str] = field(default_factory=list)
    never_fired: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        steps_taken = "".join(f"\n  {i:3}. {label}" for i, label in enumerate(self.trace, 1))
        verdict = self.wrong or ("holds" if self.complete else "holds as far as searched")
        return f"{self.states} states, {self.edges} steps, {self.seconds_s:.1f} s: {verdict}{steps_taken}"


class Search:
    """One search. Nodes are numbers in the order of their discovery."""

    def __init__(self, options: Options, limit: int) -> None:
        self.model, self.limit = Model(options), limit
        self.worlds: list[World] = []
        self._number: dict[World, int] = {}
        self._parent, self._label = array("l"), array("l")
        self._labels: dict[str, int] = {}
        self._head, self._next, self._from = array("l"), array("l"), array("l")  # normal steps, backwards
        self.edges = 0

    def run(self) -> Verdict:
        """Search until everything was seen, `limit` was reached, or something broke."""
        began = time.perf_counter()
        wrong, trace = self._explore()
        complete = len(self.worlds) < self.limit
        if not wrong and complete:
            wrong, trace = self._stuck()
        leases = self.model.leases
        silent = [op for op in leases.ops if not op.startswith("stranger:") and op not in leases.fired]
        took = time.perf_counter() - began
        depth = len(self._trace(len(self.worlds) - 1))
        return Verdict(len(self.worlds), self.edges, depth, took, complete, wrong, trace, silent if complete else [])

    def _explore(self) -> tuple[str, list[str]]:
        self._add(first(self.model.options), END, "")
        at = 0
        while at < len(self.worlds) < self.limit:
            try:
                for label, kind, after in steps(self.model, self.worlds[at]):
                    self._step(at, label, kind, after)
            except Broken as broken:
                return str(broken), [*self._trace(at), f"then: {broken}"]
            at += 1
        return "", []

    def _step(self, at: int, label: str, kind: int, after: World) -> None:
        self.edges += 1
        number = self._number.get(after)
        if number is None:
            number = self._add(after, at, label)
        if kind == NORMAL and number != at:
            self._next.append(self._head[number])
            self._from.append(at)
            self._head[number] = len(self._from) - 1

    def _add(self, world: World, parent: int, label: str) -> int:
        number = self._number[world] = len(self.worlds)
        self.worlds.append(world)
        self._parent.append(parent)
        self._label.append(self._labels.setdefault(label, len(self._labels)))
        self._head.append(END)
        return number

    def _trace(self, node: int) -> list[str]:
        names = list(self._labels)
        found: list[str] = []
        while self._parent[node] != END:
            found.append(names[self._label[node]])
            node = self._parent[node]
        return found[::-1]

    # ------------------------------------------------------------ liveness
    def _stuck(self) -> tuple[str, list[str]]:
        served = [w.served for w in self.worlds]
        off = [s and self._asleep(w) for s, w in zip(served, self.worlds, strict=True)]
        everybody = range(len(self.worlds))
        unwanted = [i for i in everybody if served[i]]
        for promise, goal, who in (
            ("a request waits for ever", served, everybody),
            ("an unwanted machine cannot be stopped", off, unwanted),
        ):
            stuck = self._cannot_reach(goal.__getitem__, who)
            if stuck is not None:
                return promise, [*self._trace(stuck), f"then: {promise}"]
        return "", []

    def _asleep(self, w: World) -> bool:
        if w.lease == NONE or w.power != OFF or w.start_order:
            return False
        lease = self.model.leases.all[w.lease]
        return lease.state in (State.STOPPED, State.FAILED) and not lease.wanted(NOW)

    def _cannot_reach(self, goal: Callable[[int], bool], who: Iterable[int]) -> int | None:
        """The first of `who` from which no normal steps lead to the goal."""
        reaches = bytearray(len(self.worlds))
        queue = [i for i in range(len(self.worlds)) if goal(i)]
        for i in queue:
            reaches[i] = 1
        while queue:
            edge = self._head[queue.pop()]
            while edge != END:
                before = self._from[edge]
                if not reaches[before]:
                    reaches[before] = 1
                    queue.append(before)
                edge = self._next[edge]
        return next((i for i in who if not reaches[i]), None)


def search(options: Options, limit: int = 5_000_000) -> Verdict:
    """Search everything within `options`, at most `limit` states."""
    return Search(options, limit).run()
