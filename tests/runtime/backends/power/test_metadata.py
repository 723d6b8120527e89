"""The machine's own type, by a metadata service on the loopback that wants a token as EC2's does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from runtime.backends.power import metadata


class Service(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        self._say(200 if self.path == "/latest/api/token" else 404, "secret")

    def do_GET(self) -> None:
        allowed = self.headers.get("X-aws-ec2-metadata-token") == "secret"
        self._say(200 if allowed and self.path == "/latest/meta-data/instance-type" else 401, "g6e.xlarge")

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def test_the_type_is_what_the_service_says(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(metadata.ENDPOINT_ENV, endpoint)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")  # is not used
    assert metadata.instance_type() == "g6e.xlarge"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nonsense", "http://[::bad"])
def test_a_service_that_does_not_answer_is_said_and_nothing_breaks(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(metadata.ENDPOINT_ENV, endpoint)
    assert metadata.instance_type() == ""
    assert "does not say which instance type" in caplog.text
