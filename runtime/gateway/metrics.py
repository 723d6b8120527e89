"""What Prometheus reads of the relay: GET /metrics on the relay's own port, which only the gateway itself reaches.

HAProxy's exporter beside it (`HAPROXY_METRICS_PORT`) has what awake traffic does; here is what waits, wakes and is
refused. To add a figure: a line in `Metrics`, and a row in docs/operate/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

_WAIT_S: Final = (1, 5, 15, 30, 60, 120, 180, 300, 600, 900)
_ERROR_S: Final = (-120, -60, -30, -15, -5, 0, 5, 15, 30, 60, 120, 300)

Health = Callable[[], Mapping[str, Any]]


class Metrics:
    """Counted as it happens; what simply is (queue, bytes, Redis) is asked of `health` when somebody reads."""

    def __init__(self, health: Health) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "pilotlight_relay_requests", "Requests that the relay answered", ["path", "status"], registry=self.registry
        )
        self._refusals = Counter(
            "pilotlight_relay_refusals", "Answers of the relay's own, by error.code", ["code"], registry=self.registry
        )
        self._waits = Histogram(
            "pilotlight_relay_wait_seconds",
            "How long a request waited for its engine",
            ["unit"],
            buckets=_WAIT_S,
            registry=self.registry,
        )
        self._errors = Histogram(
            "pilotlight_relay_eta_error_seconds",
            "How much longer a request waited than it was told when it came; negative: it waited less",
            ["unit"],
            buckets=_ERROR_S,
            registry=self.registry,
        )
        self.registry.register(_Now(health))

    def answered(self, path: str, status: int) -> None:
        """A request is over; `status` 0: its caller left."""
        self._requests.labels(path, str(status) if status else "left").inc()

    def refused(self, code: str) -> None:
        """An answer of the relay's own."""
        self._refusals.labels(code).inc()

    def waited(self, unit: str, seconds: float, told_s: float | None) -> None:
        """A request waited for its engine, which is ready now. `told_s`: what it was told when it came."""
        self._waits.labels(unit).observe(seconds)
        if told_s is not None:
            self._errors.labels(unit).observe(seconds - told_s)

    async def show(self, _: web.Request) -> web.Response:
        """GET /metrics."""
        return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


class _Now:
    """What is, read from the relay's health."""

    def __init__(self, health: Health) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        """One reading."""
        seen = self._health()
        waiting = GaugeMetricFamily("pilotlight_relay_queue_length", "Requests that wait", labels=["unit"])
        wakes = CounterMetricFamily("pilotlight_relay_wakes", "Wakes seen since the relay started", labels=["unit"])
        awake = GaugeMetricFamily("pilotlight_unit_awake", "1: requests may go to its engines", labels=["unit"])
        for unit, told in seen["units"].items():
            waiting.add_metric([unit], told["waiting"])
            wakes.add_metric([unit], told["wakes"])
            awake.add_metric([unit], told["state"] == "running")
        yield from (waiting, wakes, awake)
        yield GaugeMetricFamily(
            "pilotlight_relay_body_bytes", "Bytes of bodies that wait or arrive", seen["body_bytes"]
        )
        yield GaugeMetricFamily("pilotlight_redis_up", "0: nothing is counted or cached", seen["redis"] == "ok")
