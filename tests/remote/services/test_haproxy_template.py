"""The front door's configuration as text: what must never go missing. HAProxy itself judges it in tests/e2e/gateway."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from core.contract import dialects, network
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
        for name, port in network.RELAY_PORTS.items():
            assert f"server relay_{name} 127.0.0.1:{port} backup track relay/relay_{name}" in part
        assert "option allbackups" in part


def test_inner_never_comes_back_to_the_relay(text: str) -> None:
    for engine in ENGINES:
        part = section(text, f"backend inner_{engine.name}")
        assert "backup" not in part
        assert not [port for port in network.RELAY_PORTS.values() if str(port) in part]
        assert " check " not in part


@pytest.mark.parametrize(
    "line",
    [
        *("option abortonclose", "option http-no-delay", "option disable-h2-upgrade", "option http-server-close"),
        *("http-reuse never", "retries 3"),
    ],
)
def test_every_hop_has(text: str, line: str) -> None:
    assert f"  {line}\n" in section(text, "defaults")


def test_only_refused_connections_are_tried_again(text: str) -> None:
    """But between HAProxy and the relays, who know what reached an engine."""
    assert "  retry-on conn-failure empty-response\n" in section(text, "backend relay")
    assert re.findall(r"^  retry-on (.*)", text, re.MULTILINE) == ["conn-failure", "conn-failure empty-response"]


def test_keys_are_checked_before_anything_is_read(text: str) -> None:
    part = section(text, "frontend api")
    words = ("deny_status 401", "deny_status 404", "del-header authorization\n", "wait-for-body")
    order = [part.index(w) for w in words]
    assert order == sorted(order)


def test_the_dashboards_paths_are_let_in_before_keys_are_asked_for_and_lead_to_the_relay_alone(text: str) -> None:
    part = section(text, "frontend api")
    assert part.index("allow if page") < part.index("deny_status 401")
    backends = re.findall(r"use_backend (\S+) if (\S+)", part)
    assert backends[0] == (network.BACKEND_RELAY, "page")
    before = part[: part.index("allow if page")]
    for rule in ("sc1_http_req_rate gt", "sc2_http_req_rate gt", "del-header x-pilotlight- -m beg if page"):
        assert rule in before


def test_the_chat_page_does_not_get_the_dashboards_cookies() -> None:
    chat = section(haproxy.config(ENGINES, "127.0.0.1").decode(), "frontend chat")
    rule = re.findall(r"replace-header cookie '(.*?)' '(.*?)'", chat)
    cookies = "pilotlight_session=a.b; token=t; pilotlight_said=w.x; other=o"
    for pattern, by in rule:
        cookies = re.sub(f"^{pattern}", by, cookies)
    assert "pilotlight" not in cookies
    assert "token=t" in cookies
    assert "other=o" in cookies


def test_the_loopback_alone_has_relay_inner_and_metrics(text: str) -> None:
    binds = re.findall(r"bind (\S+)", text)
    assert binds == [
        f":{network.API_PORT}",
        f":{network.API_LOCAL_PORT}",  # private addresses only, and no security group opens it
        f"127.0.0.1:{network.INNER_PORT}",
        f"127.0.0.1:{network.HAPROXY_METRICS_PORT}",
    ]


TLS = haproxy.Tls("llm.example.org", ("203.0.113.0/24",), acme=True)


def test_with_a_domain_callers_get_tls_on_every_port_but_80() -> None:
    """Behind the loopback, and to private addresses, nothing is encrypted twice."""
    binds = dict(re.findall(r"  bind (\S+)(.*)", haproxy.config(ENGINES, "127.0.0.1", tls=TLS).decode()))
    plain = {port for port, rest in binds.items() if " ssl crt " not in rest}
    assert set(binds) - plain == {f":{p}" for p in (network.API_PORT, network.CHAT_PORT, network.HTTPS_PORT)}
    assert plain - {f":{network.HTTP_PORT}", f":{network.API_LOCAL_PORT}"} == {b for b in plain if "127.0.0.1" in b}


def test_tls_is_1_2_or_newer_with_forward_secrecy_whatever_openssl_would_allow() -> None:
    part = section(haproxy.config(ENGINES, tls=TLS).decode(), "global")
    assert "  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets\n" in part
    (ciphers,) = re.findall(r"ssl-default-bind-ciphers (\S+)", part)
    assert all(re.fullmatch(r"ECDHE-(RSA|ECDSA)-(AES\d+-GCM-SHA\d+|CHACHA20-POLY1305)", c) for c in ciphers.split(":"))


def test_the_port_without_tls_is_for_private_addresses() -> None:
    rule = f"reject if {{ dst_port {network.API_LOCAL_PORT} }} !{{ src {' '.join(network.PRIVATE_NETWORKS)} }}"
    assert rule in section(haproxy.config(ENGINES).decode(), "frontend api")


@pytest.mark.parametrize("acme", [True, False])
def test_port_80_reaches_certbot_only_where_the_certificate_comes_by_acme(acme: bool) -> None:
    text = haproxy.config(ENGINES, tls=replace(TLS, acme=acme)).decode()
    assert ("default_backend acme" in text) is ("server certbot 127.0.0.1:9110 disabled" in text) is acme


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


def answers(text: str, anthropic: bool) -> list[tuple[str, str]]:
    """HAProxy's own answers, status and body, with its variables as they are for a path of this dialect."""
    head, chosen = ('"type":"error",', r"\1") if anthropic else ("", r"\2")
    text = text.replace("%[var(txn.anthropic)]", head)
    text = re.sub(r"%\[var\(txn\.is_anthropic,0\),iif\((\w+),(\w+)\)\]", chosen, text)
    found = re.findall(r"(?:http-error|return) status (\d+) content-type application/json (?:lf-)?string '(.*?)'", text)
    return [(status, body) for status, body in found if status != "200"]


def test_every_answer_of_haproxys_own_has_openais_shape(text: str) -> None:
    assert {int(status) for status, _ in answers(text, anthropic=False)} >= {
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
    for _, body in answers(text, anthropic=False):
        assert set(json.loads(body)) == {"error"}
        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_on_anthropics_paths_every_answer_has_anthropics_shape(text: str) -> None:
    found = {int(status): json.loads(body) for status, body in answers(text, anthropic=True)}
    for body in found.values():
        assert set(body) == {"type", "error"}
        assert (body["type"], set(body["error"])) == ("error", {"message", "type", "param", "code"})
    kinds = {status: found[status]["error"]["type"] for status in (400, 401, 404, 413, 429, 500, 503, 504)}
    assert kinds == {
        400: "invalid_request_error",
        401: "authentication_error",
        404: "not_found_error",
        413: "request_too_large",
        429: "rate_limit_error",
        500: "api_error",
        503: "api_error",
        504: "timeout_error",
    }


def test_both_frontends_know_whose_paths_they_answer(text: str) -> None:
    for name in ("frontend api", "frontend inner"):
        part = section(text, name)
        assert f"set-var(txn.is_anthropic) bool(1) if {{ path_beg {dialects.MESSAGES} }}" in part
    assert section(text, "frontend api").index("txn.is_anthropic") < section(text, "frontend api").index(" return ")


def test_the_paths_of_generations_are_the_tables(text: str) -> None:
    (paths,) = re.findall(r"  acl generation path (.*)\n", text)
    assert paths.split() == [endpoint.path for endpoint in dialects.ENDPOINTS]


def test_a_key_may_stand_in_either_header_and_reaches_no_engine(text: str) -> None:
    part = section(text, "frontend api")
    for header in ("authorization", network.API_KEY_HEADER):
        assert part.index(f"req.hdr({header})") < part.index("deny_status 401")
        assert part.index(f"del-header {header}\n") < part.index("use_backend")


def test_only_where_the_stack_says_so_the_chat_page_takes_no_files() -> None:
    refused = "This page takes no files"
    assert refused not in haproxy.config(ENGINES, "127.0.0.1").decode()
    assert refused in section(haproxy.config(ENGINES, "127.0.0.1", files=False).decode(), "frontend chat")


def test_where_the_page_is_off_with_the_host_no_relay_speaks_there() -> None:
    assert "use_backend banners" not in haproxy.config(ENGINES, "10.0.0.7").decode()
    assert "use_backend banners" in haproxy.config(ENGINES, "127.0.0.1", banners=True).decode()
    for sleeps in (True, False):
        built = {getattr(i, "path", ""): i for i in haproxy.items(ENGINES, (), "127.0.0.1", chat_sleeps=sleeps)}
        assert (b"use_backend banners" in built[haproxy.CONFIG].content) is not sleeps
