"""docs/operate/metrics.md has a row for each of the relay's metrics, with its labels, and for no other."""

from __future__ import annotations

import re

from prometheus_client.core import Metric

from runtime.gateway.metrics import Metrics
from tests.references import ROOT

PAGE = (ROOT / "docs/operate/metrics.md").read_text()
UNIT = {"waiting": 0, "wakes": 0, "state": "running"}
SUFFIX = {"counter": "_total"}


def _rows() -> set[tuple[str, ...]]:
    cells = re.findall(r"^\| `(pilotlight_\w+)(?:\{([\w,]+)\})?` \|", PAGE, re.MULTILINE)
    return {(name, *labels.split(",")) if labels else (name,) for name, labels in cells}


def _metrics() -> set[tuple[str, ...]]:
    made = Metrics(lambda: {"units": {"u": UNIT}, "redis": "ok", "body_bytes": 0})
    made.answered("/", 200)
    made.refused("asleep")
    made.waited("u", 1.0, 2.0)
    return {_row(metric) for metric in made.registry.collect()}


def _row(metric: Metric) -> tuple[str, ...]:
    labels = [name for name in metric.samples[0].labels if name != "le"]
    return (metric.name + SUFFIX.get(metric.type, ""), *labels)


def test_each_metric_has_a_row_and_no_row_is_left_over() -> None:
    assert _rows() == _metrics()
