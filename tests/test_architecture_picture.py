"""The checked-in picture is what its source draws, and README and docs show it."""

from __future__ import annotations

import runpy
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[1]
SOURCE = runpy.run_path(str(ROOT / "docs/pictures/architecture.py"))


def test_the_picture_is_current() -> None:
    assert SOURCE["SVG"].read_text() == SOURCE["draw"](), "run `python docs/pictures/architecture.py`"


def test_every_part_stands_inside_the_picture() -> None:
    picture = ElementTree.fromstring(SOURCE["draw"]())
    for box in picture.iter("{http://www.w3.org/2000/svg}rect"):
        assert int(box.get("x", "0")) + int(box.get("width", "0")) <= SOURCE["WIDTH"]
        assert int(box.get("y", "0")) + int(box.get("height", "0")) <= SOURCE["HEIGHT"]


def test_readme_and_architecture_show_it() -> None:
    assert "](docs/architecture.svg)" in (ROOT / "README.md").read_text()
    assert "](architecture.svg)" in (ROOT / "docs/architecture.md").read_text()
