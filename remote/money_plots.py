"""Pictures of money: cost by day stacked by kind, when the host was on, and what was paid after so many months.

In the house style of `remote/plots.py`, which loads matplotlib: import this module inside the verb that draws.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from core.money import cost as books
from core.money import roi as investment
from core.money.cost import Kind
from core.money.roi import Option
from core.times import moments
from remote import paths, plots
from remote.verbs.cost import Cost, kinds_of
from remote.verbs.roi import SHOWN_MONTHS, Roi
from remote.verbs.timeline import PHASES, Timeline

LAYERS: Final[Mapping[str, frozenset[Kind]]] = MappingProxyType(
    {
        "host": frozenset({Kind.HOST}),
        "host disk": frozenset({Kind.HOST_DISK}),
        "gateway": frozenset({Kind.GATEWAY, Kind.RELAY}),
        "gateway disk": frozenset({Kind.GATEWAY_DISK}),
        "addresses": frozenset({Kind.HOST_ADDRESS, Kind.GATEWAY_ADDRESS}),
    }
)  # what is small stands together: no more layers than the house style has looks
_LOOKS: Final = MappingProxyType({"awake": 0, "waking": 1, "stopping": 3, "asleep": 5})
_NOTE: Final = 150  # characters of a line


def cost(found: Cost, path: str) -> tuple[Path, ...]:
    """PATH.png and PATH.svg: a bar a day. DeployError: they cannot be written."""
    there = kinds_of(found.lines)
    layers = {name: kinds for name, kinds in LAYERS.items() if kinds & {*there}}
    names = [f"{moments.local(day.at, found.zone):%d %b}" for day in found.days]

    def of_day(kinds: frozenset[Kind]) -> list[float]:
        return [float(books.total(line for line in day.lines if line.kind in kinds)) for day in found.days]

    def paint(axes: Any) -> None:
        plots.stacked(axes, range(len(names)), {name: of_day(kinds) for name, kinds in layers.items()})
        every = max(1, len(names) // 10)
        axes.set_xticks(range(0, len(names), every), names[::every])
        plots.money(axes)

    title = f"{found.stack}: {books.cents(found.total):,} USD in {len(names)} days"
    return plots.draw(paths.picture(path), paint, title=title, x=f"day ({found.zone})", y="cost", note=found.stale)


def timeline(found: Timeline, path: str) -> tuple[Path, ...]:
    """PATH.png and PATH.svg: a row a day, from midnight to midnight. DeployError: they cannot be written."""
    days = [f"{moments.local(day, found.zone):%a %d %b}" for day in found.days]

    def paint(axes: Any) -> None:
        for phase in PHASES:
            bars = [(row, start, length) for row, name, start, length in found.bars if name == phase]
            rows, starts, lengths = ([bar[n] for bar in bars] for n in range(3))
            axes.barh(rows, lengths, left=starts, height=0.7, **plots.bar(_LOOKS[phase]))
        plots.key(axes, _LOOKS)
        axes.set_yticks(range(len(days)), days)
        axes.invert_yaxis()
        axes.set_xlim(0, 24)
        axes.set_xticks(range(0, 25, 3))
        axes.grid(visible=False, axis="y")

    tall = max(2.5, 1.5 + 0.28 * len(days))
    size = (plots.WIDE_IN, tall)
    title = f"{found.stack}: when the host was on"
    base = paths.picture(path)
    base = base.with_name(f"{base.name}-timeline")
    return plots.draw(base, paint, title=title, x=f"hour ({found.zone})", y="", size_in=size)


def roi(found: Roi, path: str) -> tuple[Path, ...]:
    """PATH.png and PATH.svg: what was paid after so many months. DeployError: they cannot be written."""

    def paid(option: Option) -> Sequence[float] | None:
        """In US dollars; None: its price or its rate is not known."""
        sums = [investment.in_usd(option.by(month), found.rates) for month in range(SHOWN_MONTHS + 1)]
        return [float(each.number) for each in sums if each] if all(sums) else None

    def paint(axes: Any) -> None:
        known = [(option.name, sums) for option in found.options if (sums := paid(option))]
        for number, (name, sums) in enumerate(known):
            axes.plot(range(SHOWN_MONTHS + 1), sums, label=name, markevery=6, **plots.line(number))
        axes.set_ylim(bottom=0)
        plots.money(axes)

    note = textwrap.fill("; ".join(found.assumed), _NOTE)
    return plots.draw(paths.picture(path), paint, title=f"{found.stack}: paid so far", x="months", y="paid", note=note)
