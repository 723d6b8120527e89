from pathlib import Path
from typing import Any

import pytest

from core.errors import SetupError
from local.setup import base_image, tools

DEB822 = """Types: deb
# URIs: http://commented.example/debian
URIs: http://mirror.example/debian
Suites: bookworm
"""


@pytest.mark.parametrize(
    ("sources", "mirror"),
    [
        ([DEB822], "http://mirror.example/debian"),
        (["deb [signed-by=/x.gpg] https://m.example/debian/ bookworm main\n"], "https://m.example/debian"),
        (["deb http://m.example/debian-security bookworm-security main\n"], None),
        (["deb http://archive.example/ubuntu noble main\n", DEB822], "http://mirror.example/debian"),
        (["# deb http://m.example/debian bookworm main\n"], None),
        ([], None),
    ],
)
def test_the_mirror_is_the_one_that_apt_uses(sources: list[str], mirror: str | None) -> None:
    assert base_image.mirror(sources) == mirror


def test_only_apts_own_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text("a")
    (tmp_path / "sources.list.d" / "old.sources.save").write_text("b")
    assert base_image.apt_sources(tmp_path) == ["a"]


def test_without_root_the_message_says_what_root_would_run(computer: Any) -> None:
    with pytest.raises(SetupError, match=r"debootstrap\) needs root.*make setup"):
        base_image.require_buildable(computer.site(root=False))


def test_a_built_tar_needs_no_root(computer: Any) -> None:
    site = computer.site(root=False)
    base_image.tar(site).parent.mkdir(parents=True)
    base_image.tar(site).write_text("")
    base_image.require_buildable(site)


def test_a_build_that_is_interrupted_leaves_no_tar_and_is_done_again(computer: Any, monkeypatch: Any) -> None:
    site = computer.site()
    monkeypatch.setattr(base_image, "_import", lambda source: f"imported {source.read_text()}")

    def half(argv: list[str]) -> None:
        Path(argv[-2]).write_text("half")
        raise KeyboardInterrupt

    computer.commands.does["build.sh"] = half
    with pytest.raises(KeyboardInterrupt):
        base_image.make(site, print)
    assert list(base_image.tar(site).parent.iterdir()) == []

    computer.commands.does["build.sh"] = lambda argv: [Path(argv[-2]).write_text("whole")]
    assert base_image.make(site, print) == "imported whole"
    base_image.make(site, print)
    assert len(computer.commands.ran) == 2  # the third time the tar is there


def test_the_tag_follows_the_recipe(tmp_path: Path, monkeypatch: Any) -> None:
    for name in tools.RECIPE_FILES:
        (tmp_path / name).write_bytes((tools.RECIPE / name).read_bytes())
    before = tools.image_tag()
    monkeypatch.setattr(tools, "RECIPE", tmp_path)
    assert tools.image_tag() == before
    (tmp_path / "packages.txt").write_text("systemd\n")
    assert tools.image_tag() != before
    assert tools.image_tag().startswith("pilotlight/debian:12-")
