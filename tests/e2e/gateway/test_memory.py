"""One key cannot exhaust the relays' memory: what a hostile body, and many unfinished uploads, cost their processes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from runtime.gateway.api.bodies import QUEUED_BYTES_MAX
from tests.e2e.gateway.front import KEY, RELAYS, Front, until
from tests.e2e.gateway.test_gateway import stop_host

pytestmark = pytest.mark.e2e

Record = Callable[[str, object], None]  # into the report of `--junitxml`
FRONT = {"queue_max": 20}
HOSTILE = b'{"messages":[' + b"{}," * (31 * 2**20 // 3) + b'{}],"model":"nowhere"}'
UPLOAD_BYTES = 30 * 2**20
ROOM_KIB = 96 * 1024  # beside the bodies themselves: buffers, and what malloc does not give back


def memory(front: Front, field: str) -> int:
    """KiB of both relays' processes: VmRSS now, VmHWM at the most since the last `forget`."""
    texts = (Path(f"/proc/{front.processes[name].pid}/status").read_text() for name in RELAYS)
    return sum(int(line.split()[1]) for text in texts for line in text.splitlines() if line.startswith(field))


def forget(front: Front) -> int:
    """Begin to measure: the peak is what it is now. KiB now."""
    for name in RELAYS:
        Path(f"/proc/{front.processes[name].pid}/clear_refs").write_text("5")
    return memory(front, "VmRSS")


def test_a_body_of_small_objects_costs_its_own_bytes(front: Front, record_property: Record) -> None:
    before = forget(front)
    url = f"http://127.0.0.1:{front.ports['api']}/v1/chat/completions"
    answer = requests.post(url, data=HOSTILE, headers={"Authorization": f"Bearer {KEY}"}, timeout=120)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    grown = memory(front, "VmHWM") - before
    record_property("peak_mib", grown >> 10)
    assert grown < len(HOSTILE) // 1024 + ROOM_KIB


def test_unfinished_uploads_are_refused_beyond_the_budget(front: Front, record_property: Record) -> None:
    stop_host(front)
    before = forget(front)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n"
    text = f"{head}Content-Length: {UPLOAD_BYTES}\r\n\r\n".encode() + b'{"messages":"' + b"x" * (UPLOAD_BYTES - 2**20)
    with contextlib.ExitStack() as stack:
        for _ in range(20):
            door = stack.enter_context(socket.create_connection(("127.0.0.1", front.ports["api"]), timeout=20))
            with contextlib.suppress(OSError):  # refused, and closed while we still send
                door.sendall(text)
        assert 0 < front.health()["body_bytes"] <= QUEUED_BYTES_MAX, "a key has half of each relay's"
        grown = memory(front, "VmHWM") - before
        record_property("peak_mib", grown >> 10)
        assert grown < QUEUED_BYTES_MAX // 1024 + ROOM_KIB
    until(lambda: front.health()["body_bytes"] == 0, "given back")
