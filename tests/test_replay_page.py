"""docs/replay.md: its table is what `fab replay office` prints today."""

from __future__ import annotations

from rich.console import Console

from remote.verbs import replay
from remote.verbs.replay import Asked
from tests.references import ROOT

WIDE = 160  # as `remote.tasks` prints into a file


def test_the_table_of_the_made_up_office() -> None:
    found = replay.replay(Asked("office"))
    console = Console(width=WIDE, highlight=False, force_terminal=False, color_system=None)
    with console.capture() as captured:
        console.print(replay.table(found))
    said = [*replay.head(found), *captured.get().splitlines(), *replay.tail(found)]
    page = (ROOT / "docs" / "replay.md").read_text()
    fence = page.split("```\n")[2]
    assert [line.rstrip() for line in fence.splitlines()] == [line.rstrip() for line in said]
