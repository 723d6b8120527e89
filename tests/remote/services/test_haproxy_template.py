"""The front door's configuration as text: what must never go missing. HAProxy itself judges it in tests/e2e/gateway."""

from __future__ import annotations

import json
import re

import pytest

from core.contract import network
from core.contract.documents import EngineAddress
from remote.services import haproxy

ENGINES = (EngineAddress("tiny", "10.0.0.7", 8100), EngineAddress("big", "10.0.0.7", 8101))


@pytest.fixture(scope="module")
def text() -> str:
    return haproxy.config(ENGINES).decode()


def section(text: str, name: str) -> str:
    return re.split(r"\n(?=frontend |backend |defaults|global)", text.split(f"\n{name}\n", 1)[1])[0]


def test_engines_have_the_relay_as_backup_and_are_watched(text: str) -> None:
    for engine in ENGINES:
        part = section(text, f"backend {network.backend_engine(engine.name)}")
        assert f"server host {engine.address}:{engine.port}" in part
        assert "observe layer4 error-limit 1 on-error mark-down" in part
        assert f"server relay 127.0.0.1:{network.RELAY_PORT} backup" in part


def test_inner_never_comes_back_to_the_relay(text: str) -> None:
    for engine in ENGINES:
        part = section(text, f"backend inner_{engine.name}")
        assert "backup" not in part
        assert str(network.RELAY_PORT) not in part
        assert " check " not in part


@pytest.mark.parametrize(
    "line",
    ["option abortonclose", "option http-no-delay", "option http-server-close", "http-reuse never", "retries 3"],
)
def test_every_hop_has(text: str, line: str) -> None:
    assert f"  {line}\n" in section(text, "defaults")


def test_only_refused_connections_are_tried_again(text: str) -> None:
    assert re.findall(r"retry-on (.*)", text) == ["conn-failure"]


def test_keys_are_checked_before_anything_is_read(text: str) -> None:
    part = section(text, "frontend api")
    order = [part.index(w) for w in ("deny_status 401", "deny_status 404", "del-header authorization", "wait-for-body")]
    assert order == sorted(order)


def test_the_loopback_alone_has_relay_inner_and_metrics(text: str) -> None:
    binds = re.findall(r"bind (\S+)", text)
    assert binds == [
        f":{network.API_PORT}",
        f"127.0.0.1:{network.INNER_PORT}",
        f"127.0.0.1:{network.HAPROXY_METRICS_PORT}",
    ]


def test_no_frontend_takes_anothers_connections(text: str) -> None:
    """Callers without a key cannot keep the relay's inner hop from a connection: each frontend has its own share."""
    frontends = [section(text, name) for name in re.findall(r"^(frontend \S+)$", text, re.MULTILINE)]
    shares = [int(re.findall(r"^  maxconn (\d+)$", part, re.MULTILINE)[0]) for part in frontends]
    (whole,) = re.findall(r"^  maxconn (\d+)$", section(text, "global"), re.MULTILINE)
    assert sum(shares) <= int(whole)


def test_the_relays_own_hop_has_as_many_connections_as_callers(text: str) -> None:
    assert f"  maxconn {network.INNER_CONNECTIONS_MAX}\n" in section(text, "frontend inner")
    assert f"  maxconn {network.API_CONNECTIONS_MAX}\n" in section(text, "frontend api")


def test_no_page_may_call_unless_the_stack_file_says_so(text: str) -> None:
    assert "set-var(txn.cors)" not in text
    assert "set-var(txn.cors) req.fhdr(origin) if { req.fhdr(origin) -m str https://a.example http://b:1 }" in (
        haproxy.config(ENGINES, cors_origins=("https://a.example", "http://b:1")).decode()
    )


def test_every_answer_of_haproxys_own_has_openais_shape(text: str) -> None:
    answers = re.findall(r"(?:http-error|return) status (\d+) content-type application/json string '([^']*)'", text)
    answers = [(status, body) for status, body in answers if status != "200"]
    assert {int(status) for status, _ in answers} >= {
        400,
        401,
        403,
        404,
        405,
        408,
        413,
        414,
        415,
        429,
        431,
        500,
        501,
        502,
        503,
        504,
    }
    for _, body in answers:
        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
