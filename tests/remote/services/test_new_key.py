"""The script that adds an API key on a machine, run here against a stand-in for HAProxy's admin socket."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote.items.keys import NewKey, NoKey
from remote.machines.facts import Facts


class Admin:
    """Answers every command with nothing, as HAProxy does when it took it, and remembers it."""

    def __init__(self, path: Path) -> None:
        self.path, self.heard, self.answer = path, list[str](), ""
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return  # closed: the test is over
            with connection:
                self.heard.append(connection.recv(4096).decode())
                connection.sendall(f"{self.answer}\n".encode())

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[Admin]:
    made = Admin(tmp_path / "admin.sock")
    yield made
    made.close()


def run(admin: Admin, before: str, *, alone: bool) -> subprocess.CompletedProcess[bytes]:
    keys = admin.path.with_name("keys.map")
    keys.write_text(before)
    (order,) = NewKey(str(keys), str(admin.path), "NEW", "webui", alone=alone).orders(Facts())
    return subprocess.run(["sh", "-c", order.script], input=order.stdin, capture_output=True, check=False)


def test_a_key_is_added_on_disk_and_in_the_running_haproxy(admin: Admin) -> None:
    done = run(admin, "A key-1\nB webui\n", alone=False)
    assert done.returncode == 0, done.stderr
    keys = admin.path.with_name("keys.map")
    assert keys.read_text() == "A key-1\nB webui\nNEW webui\n"
    assert admin.heard == [f"add map {keys} NEW webui\n"]


def test_alone_it_takes_the_place_of_those_with_its_name(admin: Admin) -> None:
    done = run(admin, "A key-1\nB webui\nC webui\nD webui-2\n", alone=True)
    assert done.returncode == 0, done.stderr
    keys = admin.path.with_name("keys.map")
    assert keys.read_text() == "A key-1\nD webui-2\nNEW webui\n"
    assert admin.heard == [f"add map {keys} NEW webui\n", f"del map {keys} B\n", f"del map {keys} C\n"]


def test_a_refusal_is_said(admin: Admin) -> None:
    admin.answer = "Permission denied"
    done = run(admin, "", alone=False)
    assert done.returncode == 1
    assert b"HAProxy refused the key: Permission denied" in done.stderr


def test_a_key_that_nothing_uses_is_taken_out(admin: Admin) -> None:
    keys = admin.path.with_name("keys.map")
    keys.write_text("A key-1\nB webui\n")
    item = NoKey(str(keys), str(admin.path), "webui")
    assert item.reason(Facts(texts={str(keys): keys.read_text()}))
    (order,) = item.orders(Facts())
    done = subprocess.run(["sh", "-c", order.script], input=order.stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert keys.read_text() == "A key-1\n"
    assert admin.heard == [f"del map {keys} B\n"]
    assert not item.reason(Facts(texts={str(keys): keys.read_text()}))
