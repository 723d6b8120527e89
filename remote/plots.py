"""Pictures in one house style, by matplotlib: PNG and SVG, and readable in grey print.

Nothing is told by colour alone: each series has a shade, a dash, a marker and a hatch of its own (`INKS`), darkest
first. A picture is `draw(path, paint, title=…, x=…, y=…)`: `paint` gets matplotlib's Axes and puts lines
(`**line(n)`), points (`**point(n)`) or bars (`**bar(n)`) on it. Money, dates and grids look the same everywhere.
matplotlib takes seconds to load: import this module inside the verb that draws, never at the top of another one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from core.errors import DeployError
from remote import paths

FORMATS: Final = tuple(ending.removeprefix(".") for ending in paths.PICTURES)
DPI: Final = 150
WIDE_IN, TALL_IN = 9.0, 5.0
_GREY: Final = "#555555"
_STYLE: Final[Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": _GREY,
    "axes.grid": True,
    "axes.labelcolor": _GREY,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 13,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture everywhere
    "font.size": 10,
    "grid.color": "#dddddd",
    "hatch.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "svg.fonttype": "none",  # words stay words: they can be searched and read aloud
    "svg.hashsalt": "pilotlight",  # the same picture is the same file
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}


@dataclass(frozen=True)
class Ink:
    """How one series looks; the shades differ in grey print too."""

    colour: str
    dash: str
    marker: str
    hatch: str


INKS: Final = (
    Ink("#0b3c5d", "-", "o", ""),
    Ink("#b23a48", "--", "s", "///"),
    Ink("#3d9970", "-.", "^", "..."),
    Ink("#d68c2c", ":", "D", "xx"),
    Ink("#a3b4c4", (0, (5, 1, 1, 1, 1, 1)), "v", "\\\\\\"),  # type: ignore[arg-type]  # a dash of its own
    Ink("#c9d6df", (0, (1, 3)), "P", "++"),  # type: ignore[arg-type]
)


def ink(number: int) -> Ink:
    """The look of the series with this number; past the last one they begin again."""
    return INKS[number % len(INKS)]


def line(number: int) -> dict[str, Any]:
    """Keyword arguments for Axes.plot."""
    look = ink(number)
    return {"color": look.colour, "linestyle": look.dash, "marker": look.marker}


def rule(number: int) -> dict[str, Any]:
    """Keyword arguments for Axes.axhline and Axes.axvline: a line for comparison."""
    look = ink(number)
    return {"color": look.colour, "linestyle": look.dash, "linewidth": 1.2}


def point(number: int) -> dict[str, Any]:
    """Keyword arguments for Axes.plot of single points."""
    look = ink(number)
    return {"color": look.colour, "linestyle": "none", "marker": look.marker, "markersize": 9}


def ring() -> dict[str, Any]:
    """Keyword arguments for Axes.plot of points that mark others."""
    return {"linestyle": "none", "marker": "o", "markersize": 12, "markerfacecolor": "none", "markeredgecolor": _GREY}


def bar(number: int) -> dict[str, Any]:
    """Keyword arguments for Axes.bar, Axes.barh and Axes.fill_between."""
    look = ink(number)
    return {"facecolor": look.colour, "edgecolor": "white", "hatch": look.hatch, "linewidth": 0.5}


def stacked(axes: Axes, at: Sequence[Any], parts: Mapping[str, Sequence[float]], *, width: float = 0.8) -> None:
    """Bars of what adds up, the first part lowest: cost by day and kind. Each part has one value for each of `at`."""
    below = [0.0] * len(at)
    for number, (name, values) in enumerate(parts.items()):
        axes.bar(at, values, width=width, bottom=below, label=name, **bar(number))
        below = [low + value for low, value in zip(below, values, strict=True)]
    axes.grid(visible=False, axis="x")


def key(axes: Axes, looks: Mapping[str, int]) -> None:
    """What the bars with these numbers mean, above a picture that has no room inside."""
    shown = [Patch(label=name, **bar(number)) for name, number in looks.items()]
    axes.legend(handles=shown, ncols=len(shown), loc="lower right", bbox_to_anchor=(1, 1))


def money(axes: Axes, currency: str = "USD", *, axis: str = "y") -> None:
    """Ticks of an axis as amounts: `12 USD`."""
    formatter = FuncFormatter(lambda value, _: f"{value:,.10g} {currency}")
    (axes.yaxis if axis == "y" else axes.xaxis).set_major_formatter(formatter)


def counts(axes: Axes, most: float) -> None:
    """The x axis for counts from 0 to `most`: each step ten times as many, and 0 is there too."""
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(0, max(1.0, most) * 1.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def idle_times(axes: Axes, at_s: Sequence[float], words: Callable[[float], str]) -> None:
    """The x axis for durations in s, each twice as long at the same distance; ticks at `at_s`, in `words`."""
    axes.set_xscale("log")
    axes.set_xticks(at_s, [words(seconds) for seconds in at_s])
    axes.minorticks_off()


def draw(
    path: Path,
    paint: Callable[[Axes], None],
    *,
    title: str,
    x: str,
    y: str,
    note: str = "",
    size_in: tuple[float, float] = (WIDE_IN, TALL_IN),
) -> tuple[Path, ...]:
    """Write `path`.png and `path`.svg; both paths. `note`: one small line below, for what the figures assume.

    Raises:
        DeployError: the folder is not there, or cannot be written.
    """
    # No date in the files: a picture that did not change is no change.
    files = tuple(path.with_name(f"{path.name}.{kind}") for kind in FORMATS)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size_in, layout="constrained")
        axes = figure.subplots()
        axes.set_title(title)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        paint(axes)
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
        if note:
            figure.supxlabel(note, fontsize=8, color=_GREY, x=0.01, ha="left")
        for file in files:
            _save(figure, file)
    return files


def _save(figure: Figure, file: Path) -> None:
    try:
        figure.savefig(file, dpi=DPI, metadata={"Date": None} if file.suffix == ".svg" else {"Software": None})
    except OSError as error:
        raise DeployError(f"The picture {file} could not be written: {error.strerror or error}.") from error
