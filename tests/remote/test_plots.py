"""Pictures: two files, the same ones each time, and series that grey print keeps apart."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import DeployError
from remote import plots


def paint(axes: plots.Axes) -> None:
    axes.plot([1, 2], [3, 4], label="a line", **plots.line(0))
    plots.stacked(axes, [1, 2], {"host": [1.0, 2.0], "disk": [0.5, 0.5]})
    plots.money(axes, "USD")


def test_a_picture_is_a_png_and_an_svg_and_the_same_each_time(tmp_path: Path) -> None:
    files = plots.draw(tmp_path / "cost", paint, title="Cost", x="day", y="a month", note="made up")
    again = plots.draw(tmp_path / "again", paint, title="Cost", x="day", y="a month", note="made up")
    assert [file.name for file in files] == ["cost.png", "cost.svg"]
    assert files[0].read_bytes()[:4] == b"\x89PNG"
    svg = files[1].read_text()
    assert all(f">{words}<" in svg for words in ("Cost", "a line", "host", "disk", "4 USD", "made up"))
    assert [file.read_bytes() for file in files] == [file.read_bytes() for file in again]


def test_a_folder_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"no/cost\.png could not be written: No such file"):
        plots.draw(tmp_path / "no" / "cost", paint, title="", x="", y="")


def grey(colour: str) -> float:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return (0.299 * red + 0.587 * green + 0.114 * blue) / 255


def test_grey_print_keeps_series_apart() -> None:
    """By shade where they are neighbours, and always by dash, marker and hatch."""
    shades = [grey(ink.colour) for ink in plots.INKS]
    assert all(later - sooner > 0.08 for sooner, later in itertools.pairwise(shades)), shades
    for kind in ("dash", "marker", "hatch"):
        assert len({getattr(ink, kind) for ink in plots.INKS}) == len(plots.INKS)


def test_only_who_draws_pays_for_matplotlib() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, fabfile; print(sorted({'matplotlib', 'numpy'} & set(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert told.stdout.strip() == "[]"
