"""What `fab keys.list` asks the gateway about tokens, with a real Redis."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisServer

from runtime.gateway.redis import Redis
from runtime.gateway.usage.__main__ import today
from runtime.gateway.usage.holder import Owner
from runtime.gateway.usage.ledger import Ledger
from tests.e2e.gateway.front import ROOT

pytestmark = pytest.mark.e2e
NOON = 1_790_000_000.0 - 1_790_000_000.0 % 86400 + 43200


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path)
    made.start()
    yield made
    made.stop()


def redis(server: RedisServer) -> Redis:
    return Redis(str(server.socket), str(server.password_file))


async def used(server: RedisServer) -> dict[str, int]:
    books = redis(server)
    ledger = Ledger(books)
    await ledger.note(Owner("ann", ""), NOON, prompt=10, answer=5)
    await ledger.note(Owner("ann", ""), NOON - 3 * 3600, prompt=1, answer=1)
    await ledger.note(Owner("ann", ""), NOON - 13 * 3600, prompt=1000)
    await ledger.note(Owner("webui", "u-1"), NOON, prompt=2, answer=0)
    await ledger.note(Owner("webui", "u-2"), NOON, prompt=3, answer=0)
    await books.close()
    return await today(redis(server), NOON)


def command(server: RedisServer) -> subprocess.CompletedProcess[str]:
    words = ("--redis", str(server.socket), "--redis-password", str(server.password_file))
    line = [sys.executable, "-m", "runtime.gateway.usage", *words]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_tokens_of_a_day_by_key_with_its_people_together(server: RedisServer) -> None:
    assert asyncio.run(used(server)) == {"ann": 17, "webui": 5}


def test_the_command_prints_json_or_one_line_of_why(server: RedisServer) -> None:
    done = command(server)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"tokens": {}})
    server.stop()
    done = command(server)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
