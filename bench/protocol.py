"""The stop protocol, searched: every interleaving of relay, agent, two reapers and EC2 over the real `core.lease`.

    python -m bench.protocol [--json] [--limit STATES]

Prints the bounds and what each search found, then the mutations with the counterexample that catches each. The small
bounds are those of `make check`; the large ones add requests, reapers and faults, and stop at --limit states each
("holds as far as searched": safety only, since liveness needs the whole graph).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.core.protocol.mutations import MUTATIONS
from tests.core.protocol.search import Verdict, search
from tests.core.protocol.world import Options

LIMIT = 1_500_000
BOUNDS = (
    Options(requests=1, faults=0, reapers=1),
    Options(requests=0, faults=1, reapers=1),
    Options(requests=1, faults=0, reapers=1, budget=True),
    Options(requests=1, faults=0, reapers=1, ladder=True),
    Options(requests=1, faults=0, reapers=1, dead_engines=True),
    Options(requests=2, faults=0, reapers=1, dead_engines=True),
    Options(requests=1, faults=0, reapers=2),
    Options(requests=3, faults=0, reapers=1),
    Options(requests=1, faults=0, reapers=1, pair=True),
    Options(requests=0, faults=1, reapers=1, pair=True),
    Options(requests=1, faults=1, reapers=1),
    Options(requests=2, faults=2, reapers=2),
)


@dataclass(frozen=True)
class Results:
    """All searches, and the verdict on each mutation by its name."""

    bounds: Sequence[tuple[Options, Verdict]]
    mutations: Sequence[tuple[str, bool, Verdict]]

    def flat(self) -> dict[str, float]:
        """The keys of `--json`."""
        every = [v for _, v in self.bounds] + [v for _, _, v in self.mutations]
        return {
            "states": sum(v.states for _, v in self.bounds),
            "seconds_s": round(sum(v.seconds_s for v in every), 1),
            "wrong": sum(bool(v.wrong) for _, v in self.bounds),
            "mutations_caught": sum(caught for _, caught, _ in self.mutations),
            "mutations": len(self.mutations),
        }


def run(limit: int) -> Results:
    """Search all bounds and all mutations; a search at a time, since each needs gigabytes at large bounds."""
    bounds = [(options, search(options, limit)) for options in BOUNDS]
    verdicts = [(m, search(m.options, limit)) for m in MUTATIONS]
    return Results(bounds, [(m.what, m.found in v.wrong, v) for m, v in verdicts])


def show(results: Results, console: Console) -> None:
    """Two tables and the counterexamples."""
    table = Table("requests", "faults", "reapers", "states", "steps", "s", "verdict", title="Searched")
    for o, v in results.bounds:
        found = v.wrong or ("holds" if v.complete else "holds as far as searched")
        cells = o.requests, o.faults, o.reapers, f"{v.states:,}", f"{v.edges:,}", f"{v.seconds_s:.1f}"
        table.add_row(*map(str, cells), found)
    console.print(table)
    for what, caught, verdict in results.mutations:
        console.print(f"{'caught' if caught else 'MISSED'}: {what}\n{verdict}\n", highlight=False, markup=False)


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 1 where a promise broke or a mutation was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench.protocol", description="Search the stop protocol.")
    parser.add_argument("--json", action="store_true", help="print one flat JSON object last")
    parser.add_argument("--limit", type=int, default=LIMIT, help="states per search (default: %(default)s)")
    arguments = parser.parse_args(argv)
    results = run(arguments.limit)
    show(results, Console(width=120))
    flat = results.flat()
    if arguments.json:
        print(json.dumps(flat))
    return int(bool(flat["wrong"]) or flat["mutations_caught"] < flat["mutations"])


if __name__ == "__main__":
    sys.exit(main())
