"""From what was measured in each round to ratios: a round compares with its own `direct`, the median of rounds counts.

The computer may be busy with other things. A ratio within a round is of two moments that are seconds apart, so it says
more than two figures of different minutes.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final

DIRECT, OURS, LITELLM = "direct", "ours", "litellm"
RPS, EVENTS = "rps", "events"
CPU: Final = "cpu_us"  # of callers, gateway and engine together, for a short request
STREAMS: Final = (1, 16, 256)  # at the same time, for the first byte's latency
Figures = Mapping[str, float]  # of one rival in one round
Round = Mapping[str, Figures]  # by rival


def p50(streams: int) -> str:
    """The figure's name: median latency of the first byte, ms."""
    return f"p50_ms_{streams}"


def p99(streams: int) -> str:
    """Likewise of 99 in 100."""
    return f"p99_ms_{streams}"


def median(rounds: Sequence[Round], rival: str, figure: str) -> float:
    """Of all rounds."""
    return statistics.median(one[rival][figure] for one in rounds)


def over(rounds: Sequence[Round], rival: str, figure: str, base: str = DIRECT) -> float:
    """The ratio to another one of the same round."""
    return statistics.median(one[rival][figure] / max(one[base][figure], 1e-9) for one in rounds)


def added(rounds: Sequence[Round], rival: str, figure: str) -> float:
    """What it takes beside the engine itself in the same round."""
    return statistics.median(one[rival][figure] - one[DIRECT][figure] for one in rounds)


def flat(rounds: Sequence[Round], *, held_mib: float, errors: int) -> dict[str, Any]:
    """For --json. `held_mib`: of 1,000 who waited; `errors`: of 500 who were released."""
    found: dict[str, Any] = {
        "ours_over_direct_rps": round(over(rounds, OURS, RPS), 3),
        "ours_over_direct_events": round(over(rounds, OURS, EVENTS), 3),
        "direct_over_ours_cpu": round(1 / over(rounds, OURS, CPU), 3),
        "added_p50_ms_1": round(added(rounds, OURS, p50(1)), 3),
        "added_p99_ms_16": round(added(rounds, OURS, p99(16)), 3),
    }
    if LITELLM in rounds[0]:
        found["ours_over_litellm_rps"] = round(over(rounds, OURS, RPS, LITELLM), 1)
    return found | {"held_1000_rss_mib": round(held_mib, 1), "released_500_errors": errors}


def row(rounds: Sequence[Round], rival: str) -> list[str]:
    """One line of the table: throughput beside direct's, and what the first byte takes longer."""
    cells = [f"{median(rounds, rival, RPS):,.0f}", f"{over(rounds, rival, RPS):.0%}"]
    cells.append(f"{median(rounds, rival, CPU):,.0f}")
    cells += [f"{median(rounds, rival, EVENTS):,.0f}", f"{over(rounds, rival, EVENTS):.0%}"]
    for streams in STREAMS:
        if any(p50(streams) not in one[rival] for one in rounds):
            cells.append("too slow")
        elif rival == DIRECT:
            cells.append(f"{median(rounds, rival, p50(streams)):.2f} / {median(rounds, rival, p99(streams)):.1f}")
        else:
            cells.append(f"{added(rounds, rival, p50(streams)):+.2f} / {added(rounds, rival, p99(streams)):+.1f}")
    return cells
