from pathlib import Path

import pytest

from core.errors import SetupError
from local.folders import CHECKOUT
from local.setup import capacity
from local.setup.capacity import Place


def place(name: str, needs: float, free: float, device: int) -> Place:
    return Place(Path(name), needs, free, device)


def test_enough_is_silent() -> None:
    capacity.check([place("/a", 14, 15, 1), place("/b", 6, 7, 2)], memory_gib=7)


def test_a_small_disk_is_named_with_both_figures() -> None:
    with pytest.raises(SetupError, match=r"disk of /a has 13\.0 GiB free; 14 GiB are needed.*XDG_CACHE_HOME"):
        capacity.check([place("/a", 14, 13, 1), place("/b", 6, 70, 2)], memory_gib=24)


def test_needs_on_one_disk_add_up() -> None:
    with pytest.raises(SetupError, match=r"disk of /a and /b has 19\.0 GiB free; 20 GiB are needed"):
        capacity.check([place("/a", 14, 19, 1), place("/b", 6, 19, 1)], memory_gib=24)


def test_too_little_memory() -> None:
    memory = capacity.available_memory_gib("MemTotal: 9 kB\nMemAvailable:    4194304 kB\n")
    with pytest.raises(SetupError, match=r"4\.0 GiB of memory are available; 7 GiB are needed"):
        capacity.check([], memory)


def test_a_folder_that_does_not_exist_yet_is_measured_where_it_will_be(tmp_path: Path) -> None:
    measured = capacity.measure(tmp_path / "not" / "yet", 1)
    assert measured.device == tmp_path.stat().st_dev
    assert measured.free_gib > 0


def test_the_readme_asks_for_what_is_checked() -> None:
    disk_gib = capacity.CACHE_NEEDS_GIB + capacity.DOCKER_NEEDS_GIB
    asked = f"({disk_gib:.0f} GiB of disk, {capacity.MEMORY_NEEDS_GIB:.0f} GiB of free memory)"
    assert asked in (CHECKOUT / "README.md").read_text()
