"""Nobody shuts others out: a crowd of connections, and callers with a key who are answered all the same."""

from __future__ import annotations

import contextlib
import http.client
import json
import resource
import socket
from collections.abc import Iterator

import pytest

from core.contract import network
from tests.e2e.gateway.front import KEY, Front, until
from tests.e2e.gateway.test_gateway import ask, in_background, stop_host

pytestmark = pytest.mark.e2e

CROWD = network.API_CONNECTIONS_MAX
ELSEWHERE = "127.0.0.2"  # another source than the crowd's
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


@contextlib.contextmanager
def crowd(front: Front, count: int = CROWD) -> Iterator[list[socket.socket]]:
    """So many connections from 127.0.0.1 that say nothing and stay, less those that are refused at once."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before[1], count + 1000), before[1]))
    try:
        with contextlib.ExitStack() as stack:
            sockets = []
            for _ in range(count):
                with contextlib.suppress(ConnectionResetError):
                    one = socket.create_connection(("127.0.0.1", front.ports["api"]), timeout=10)
                    sockets.append(stack.enter_context(one))
            yield sockets
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def ask_from(front: Front, source: str = ELSEWHERE) -> tuple[int, str]:
    """One generation with a key, from an address of its own."""
    door = http.client.HTTPConnection("127.0.0.1", front.ports["api"], timeout=30, source_address=(source, 0))
    with contextlib.closing(door):
        body = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "hi"}]})
        door.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
        answer = door.getresponse()
        return answer.status, json.loads(answer.read())["choices"][0]["message"]["content"]


def kept(sockets: list[socket.socket]) -> int:
    """Connections that HAProxy has not closed."""
    for one in sockets:
        one.setblocking(False)
    return sum(not _closed(one) for one in sockets)


def _closed(one: socket.socket) -> bool:
    try:
        return one.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_strangers_leave_room_for_callers_with_a_key(front: Front) -> None:
    """The sources' table is new with this HAProxy: nobody has shown a key from 127.0.0.1."""
    front.end("haproxy", kill=True)
    front.start_haproxy()
    until(lambda: front.routes() == "engine_tiny", "routes open again")
    with crowd(front) as sockets:
        assert ask_from(front) == (200, "Paris")
        assert kept(sockets) <= network.STRANGER_CONNECTIONS_MAX


def test_a_crowd_beside_a_caller_with_a_key_leaves_room_for_other_sources(front: Front) -> None:
    """An office behind NAT: one of its computers has a key, so the whole source may keep more connections."""
    assert ask_from(front, "127.0.0.1") == (200, "Paris")
    with crowd(front) as sockets:
        assert ask_from(front) == (200, "Paris")
        assert network.STRANGER_CONNECTIONS_MAX < kept(sockets) <= network.SOURCE_CONNECTIONS_MAX


def test_a_crowd_while_the_host_wakes(front: Front) -> None:
    """The relay's inner hop is not the crowd's."""
    stop_host(front)
    thread, answers = in_background(lambda: ask_from(front))
    with crowd(front):
        until(lambda: front.machine() == "running", "started")
        front.start_engine()
        front.agent_ready("boot-2")
        thread.join(30)
    assert answers == [(200, "Paris")]


def test_a_health_check_keeps_no_connection(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.ports["api"]), timeout=5) as door:
        door.sendall(HEALTH)
        answer = b"".join(iter(lambda: door.recv(4096), b""))  # ends with the connection, or the test with a time-out
    assert b"connection: close" in answer
    assert answer.endswith(b'{"status":"ok"}')


def test_a_wrong_key_keeps_no_connection(front: Front) -> None:
    with socket.create_connection(("127.0.0.1", front.ports["api"]), timeout=5) as door:
        door.sendall(b"GET /v1/models HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer wrong\r\n\r\n")
        assert b"connection: close" in b"".join(iter(lambda: door.recv(4096), b""))


def test_the_crowd_gone_its_source_is_served_again(front: Front) -> None:
    with crowd(front):
        pass
    assert ask(front.client(), "hi").choices[0].message.content == "Paris"
