"""What the gateway's bench makes of its rounds: ratios within a round, medians over rounds."""

from __future__ import annotations

import pytest

from bench.gateway import figures
from bench.gateway.figures import CPU, DIRECT, EVENTS, LITELLM, OURS, RPS, STREAMS, p50, p99


def one(rps: float, events: float, cpu: float, first_ms: float) -> dict[str, float]:
    latency = {p50(n): first_ms for n in STREAMS} | {p99(n): 10 * first_ms for n in STREAMS}
    return {RPS: rps, EVENTS: events, CPU: cpu, **latency}


def test_a_round_that_was_disturbed_as_a_whole_changes_no_ratio() -> None:
    quiet = {DIRECT: one(1000, 8000, 100, 1.0), OURS: one(400, 6400, 250, 1.5), LITELLM: one(20, 100, 5000, 9.0)}
    busy = {DIRECT: one(100, 800, 100, 1.0), OURS: one(40, 640, 250, 1.5), LITELLM: one(2, 10, 5000, 9.0)}
    for rounds in ([quiet], [quiet, busy], [busy, quiet, busy]):
        found = figures.flat(rounds, held_mib=22.34, errors=0)
        assert found == {
            "ours_over_direct_rps": 0.4,
            "ours_over_direct_events": 0.8,
            "direct_over_ours_cpu": 0.4,
            "added_p50_ms_1": 0.5,
            "added_p99_ms_16": 5.0,
            "ours_over_litellm_rps": 20.0,
            "held_1000_rss_mib": 22.3,
            "released_500_errors": 0,
        }


def test_one_bad_round_of_three_does_not_count() -> None:
    good = {DIRECT: one(1000, 8000, 100, 1.0), OURS: one(400, 6400, 250, 1.5)}
    bad = {DIRECT: one(1000, 8000, 100, 1.0), OURS: one(4, 64, 9000, 90.0)}
    assert figures.over([good, bad, good], OURS, RPS) == pytest.approx(0.4)
    assert figures.added([good, bad, good], OURS, p99(16)) == pytest.approx(5.0)


def test_who_was_left_out_is_in_no_figure() -> None:
    found = figures.flat([{DIRECT: one(1, 1, 1, 1), OURS: one(1, 1, 1, 1)}], held_mib=0, errors=2)
    assert "ours_over_litellm_rps" not in found
    assert found["released_500_errors"] == 2


def test_a_line_of_the_table_compares_with_the_engine_alone() -> None:
    rounds = [{DIRECT: one(1000, 8000, 100, 1.0), OURS: one(400, 6400, 250, 1.5)}]
    latency = ["+0.50 / +5.0"] * 3
    assert figures.row(rounds, OURS) == ["400", "40%", "250", "6,400", "80%", *latency]
    assert figures.row(rounds, DIRECT)[-1] == "1.00 / 10.0"


def test_who_is_too_slow_for_many_streams_says_so() -> None:
    slow = {name: value for name, value in one(20, 100, 5000, 9.0).items() if not name.endswith("_256")}
    rounds = [{DIRECT: one(1000, 8000, 100, 1.0), LITELLM: slow}]
    assert figures.row(rounds, LITELLM)[-2:] == ["+8.00 / +80.0", "too slow"]
