"""How quick a replay is, and what the adaptive idle time gives. `python -m bench.replay [--json] [--waiting 0.5]`

The time is that of everything that `fab replay` reckons (every setting, both clairvoyants) for a month of a million
requests, and, beside it, of reading such a month from this project's log. The ratios are of money and priced waiting
together, on the four made-up loads: adaptive against the best fixed idle time in hindsight and against a fixed half
hour, and both against the clairvoyant, who knows every pause and starts when asked. No rule that does not know the
future comes nearer to it than 1.58 times (e/(e-1)) where pauses are memoryless and B long on average.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np

from core.money.prices import instance_hour
from core.replay import advice, loads, logs, trace
from core.replay.advice import Setting, Terms
from core.replay.trace import Trace
from core.times.schedule import Schedule

REQUESTS: Final = 1_000_000
LINES: Final = 100_000  # of a log that is read, to reckon a million from
HOST, REGION, ZONE = "g6.xlarge", "us-east-1", "Europe/Berlin"
START_S: Final = 180.0
WAITING_USD: Final = 0.5
DAYTIME: Final = Schedule("0 8 * * *", "0 22 * * *", ZONE)
MEMORYLESS: Final = 1.58


@dataclass(frozen=True)
class Load:
    """One load's ratios."""

    name: str
    requests: int
    best_fixed: Setting
    over_best_fixed: float
    over_half_an_hour: float
    over_clairvoyant: float
    best_over_clairvoyant: float
    b_s: float


def terms(waiting_usd: float) -> Terms:
    """What everything is priced with."""
    return Terms(float(instance_hour(REGION, HOST)), 0.0, waiting_usd, "USD", START_S)


def million() -> Trace:
    """A month with the pauses of the load `service`, each of its requests so many times within half a minute."""
    few = loads.generate("service")
    draw, times = np.random.default_rng(7), -(-REQUESTS // len(few.arrivals))
    at = np.repeat(few.arrivals, times) + draw.uniform(0, 30, len(few.arrivals) * times)
    takes, who = np.repeat(few.durations, times), np.repeat(few.callers, times)
    inside = at + takes < few.until
    return trace.of(at[inside], takes[inside], who[inside], since=few.since, until=few.until, name="a million")


def seconds(month: Trace, priced: Terms) -> tuple[float, int]:
    """How long every setting and every line to compare with takes, s, and how many settings there are."""
    wanted = list(advice.settings(DAYTIME, ZONE))
    began = time.perf_counter()
    advice.results(month, wanted, priced, ZONE)
    advice.references(month, priced, ZONE)
    return time.perf_counter() - began, len(wanted)


def read_seconds(month: Trace) -> float:
    """Reading the month from this project's log, s: reckoned from LINES lines."""

    def lines() -> Iterator[str]:
        for at in month.arrivals[:LINES].tolist():
            clock = datetime.fromtimestamp(at, UTC).strftime("%d/%b/%Y:%H:%M:%S.000")
            yield (
                f'{{"at":"{clock}","caller":"10.0.0.7","key":"ann","user":"-","model":"chat","to":"engine_chat/host",'
                '"status":200,"limit":"-","ms_first_byte":80,"ms":2500,"bytes":900,"ended":"--","method":"POST",'
                '"path":"/v1/chat/completions"}'
            )

    written = list(lines())
    began = time.perf_counter()
    logs.read(written, name="bench")
    return (time.perf_counter() - began) * len(month.arrivals) / LINES


def load(name: str, priced: Terms) -> Load:
    """What the adaptive idle time gives on a load."""
    made = loads.generate(name, zone=ZONE)
    found = advice.results(made, list(advice.settings(None, ZONE)), priced, ZONE)
    lines = advice.references(made, priced, ZONE)
    best = advice.best_fixed(found)
    adaptive = next(r for r in found if r.setting.kind == advice.ADAPTIVE)
    half = next(r for r in found if r.setting.kind == "idle" and r.setting.limit_s == 1800)
    return Load(
        name,
        len(made.arrivals),
        best.setting,
        adaptive.total / best.total,
        adaptive.total / half.total,
        adaptive.total / lines.clairvoyant,
        best.total / lines.clairvoyant,
        lines.b_s,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one flat JSON object last")
    parser.add_argument("--waiting", type=float, default=WAITING_USD, help="$ a minute of one caller's waiting")
    asked = parser.parse_args()
    priced, month = terms(asked.waiting), million()
    took_s, count = seconds(month, priced)
    read_s, found = read_seconds(month), [load(name, priced) for name in loads.LOADS]
    print(
        f"{len(month.arrivals):,} requests, {count} settings and the lines to compare with: {took_s:.1f} s (40: ≤ 10 s)"
    )
    print(f"reading them from this project's log: {read_s:.0f} s, reckoned from {LINES:,} lines\n")
    print(
        f"an hour of {HOST} {priced.hour:.4f} USD, a start {START_S:.0f} s, a minute of waiting {asked.waiting:.2f} USD"
    )
    head = ("load", "requests", "best fixed", "adaptive/best (≤ 1.05)", "adaptive/30m (< 1)", "adaptive/clairvoyant")
    print(" | ".join((*head, "best/clairvoyant")))
    for each in found:
        ratios = (each.over_best_fixed, each.over_half_an_hour, each.over_clairvoyant, each.best_over_clairvoyant)
        print(
            " | ".join((each.name, f"{each.requests:,}", each.best_fixed.name, *(f"{ratio:.2f}" for ratio in ratios)))
        )
    print(f"memoryless pauses of mean B: no rule without the future gets below {MEMORYLESS} times the clairvoyant")
    if asked.json:
        print(json.dumps(_flat(took_s, read_s, count, len(month.arrivals), found)))


def _flat(took_s: float, read_s: float, settings: int, requests: int, found: list[Load]) -> dict[str, float]:
    flat: dict[str, float] = {"seconds_s": took_s, "read_s": read_s, "settings": settings, "requests": requests}
    for each in found:
        flat |= {
            f"adaptive_over_best_fixed_{each.name}": each.over_best_fixed,
            f"adaptive_over_half_an_hour_{each.name}": each.over_half_an_hour,
            f"adaptive_over_clairvoyant_{each.name}": each.over_clairvoyant,
            f"best_fixed_over_clairvoyant_{each.name}": each.best_over_clairvoyant,
        }
    return {name: round(value, 4) for name, value in flat.items()}


if __name__ == "__main__":
    main()
