"""`make demo`: tell the story once. On a terminal the stack stays up; otherwise everything is taken down again."""

from __future__ import annotations

import argparse
import json
import sys

from rich.table import Table

from core.errors import PilotlightError
from local.cloud import client
from local.demo import next_steps
from local.demo.figures import LIMITS, MEANING, Figures
from local.demo.narrator import Narrator
from local.demo.story import Story


def main(argv: list[str]) -> int:
    """Exit code 0 when the whole story was told, 1 with one message otherwise, 130 on Ctrl-C."""
    args = _arguments().parse_args(argv)
    narrator = Narrator()
    stay = args.keep or (narrator.terminal and not args.down)
    try:
        story = Story(narrator)
    except PilotlightError as error:
        return _failed(narrator, error)
    try:
        figures = story.tell()
        _print(narrator, figures)
        if not stay:
            _down(narrator)
        narrator.paste(["", *next_steps.lines(story.ending(), stays=stay)])
    except PilotlightError as error:
        failed = _failed(narrator, error)
        narrator.say("The embedded cloud is still up: `fab cloud.status` shows it, `fab cloud.down` removes it.")
        return failed
    except KeyboardInterrupt:
        narrator.say("Interrupted. `make demo` goes on from here; `fab cloud.down` removes everything.")
        return 130
    if args.json:
        print(json.dumps(figures.flat()))
    return 0


def _failed(narrator: Narrator, error: PilotlightError) -> int:
    narrator.console.print(str(error), style="red", markup=False)
    return 1


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object, last")
    parser.add_argument("--keep", action="store_true", help="leave the stack up even without a terminal")
    parser.add_argument("--down", action="store_true", help="take everything down even on a terminal")
    return parser


def _print(narrator: Narrator, figures: Figures) -> None:
    table = Table("figure", "measured", "promised at most", title="This run, by outside time stamps")
    for name, value in figures.flat().items():
        unit = name.rsplit("_", 1)[1].replace("mib", "MiB")
        mark = "" if value <= LIMITS[name] else "  ← over"
        table.add_row(MEANING[name], f"{value:.2f} {unit}{mark}", f"{LIMITS[name]:.0f} {unit}")
    narrator.console.print(table)


def _down(narrator: Narrator) -> None:
    with narrator.step("Taking everything down") as said:
        client.down()
        said.append("Everything is gone: machines, network, state. Caches stay for the next run.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
