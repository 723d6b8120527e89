"""What the chat page is told of the host, by way of real HAProxy and relays; a small server stands for Open WebUI."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
from front import RELAYS, Front, until

from core import lease as protocol
from core.contract.network import WEBUI_BANNERS, WEBUI_HEALTH
from tests.e2e.gateway.test_gateway import stop_host

pytestmark = pytest.mark.e2e

FRONT = {"chat": True}
PERSON = {"Authorization": "Bearer a person"}
ADMINS = {"id": "1", "type": "info", "title": "", "content": "Lunch", "dismissible": True, "timestamp": 1}


class Page(BaseHTTPRequestHandler):
    """Open WebUI as far as this goes: it knows one person, and has one banner of an admin's."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == PERSON["Authorization"]
        if self.path == WEBUI_HEALTH:
            self._say(200, {"status": True})
        elif self.path == WEBUI_BANNERS:
            self._say(*((200, [ADMINS]) if known else (401, {"detail": "Not authenticated"})))
        else:
            self._say(200, {"page": self.path})

    def _say(self, status: int, said: Any) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def served(whole_front: Front) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", whole_front.ports["webui"]), Page) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def page(front: Front, served: None) -> str:
    """Where callers find the page, once HAProxy knows that it is well."""
    until(lambda: front.server("webui", "webui") == "UP", "HAProxy knows of the page")
    return f"http://127.0.0.1:{front.ports['chat']}"


def banners(page: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
    answer = requests.get(page + WEBUI_BANNERS, headers=PERSON if headers is None else headers, timeout=30)
    return answer.status_code, answer.json()


def test_the_host_is_told_before_an_admins_banners(front: Front, page: str) -> None:
    assert banners(page) == (200, [ADMINS]), "nothing is told of a host that is awake"
    stop_host(front)
    until(lambda: front.states() == {"stopped"}, "both relays know")
    status, (ours, theirs) = banners(page)
    assert (status, theirs) == (200, ADMINS)
    assert "the machine was off: a message starts it" in ours["content"]
    assert "(http://127.0.0.1:8000/)" in ours["content"]
    assert (front.lease().state, front.lease().wake_until) == (protocol.State.STOPPED, None), "looking wakes nothing"


def test_a_stranger_is_refused_by_the_page_itself(front: Front, page: str) -> None:
    assert banners(page, {}) == (401, {"detail": "Not authenticated"})
    assert banners(page, {"x-pilotlight-key": "tester"}) == (401, {"detail": "Not authenticated"})


def test_nothing_else_of_the_page_comes_to_a_relay(front: Front, page: str) -> None:
    assert requests.get(f"{page}/health-of-nothing", timeout=30).json() == {"page": "/health-of-nothing"}
    assert requests.post(page + WEBUI_BANNERS, json={}, timeout=30).status_code == 501, "the page's own server's words"
    assert front.relayed() == []


@pytest.mark.parametrize("path", ["/api/v1/files", "/api/v1/files/", "/api/v1/fil%65s/?process=true"])
def test_a_page_that_takes_no_files_refuses_them_itself(page: str, path: str) -> None:
    answer = requests.post(page + path, headers=PERSON, files={"file": ("a.txt", b"x")}, timeout=30)
    assert (answer.status_code, answer.json()) == (
        403,
        {"detail": "This page takes no files (pilotlight:webui.documents)."},
    )
    assert requests.get(page + path, headers=PERSON, timeout=30).status_code == 200, "what is there can be read"


def test_without_relays_the_page_is_as_it_would_be(front: Front, page: str) -> None:
    front.end_relays(kill=True)
    assert banners(page) in ((200, []), (200, [ADMINS])), "a list, before HAProxy knows and after"
    until(lambda: all(front.server(name, "banners") == "DOWN" for name in RELAYS), "HAProxy knows")
    assert banners(page) == (200, [ADMINS])
