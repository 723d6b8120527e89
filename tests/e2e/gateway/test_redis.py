"""The relay's way to a real Redis with the gateway's configuration: what it keeps, and what it says when it cannot."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis_server import RedisServer

from runtime.gateway.redis import PAUSE_S, Redis, RedisDown

pytestmark = pytest.mark.e2e


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    made = RedisServer(tmp_path)
    made.start()
    yield made
    made.stop()


def redis_of(server: RedisServer, clock: Clock | None = None) -> Redis:
    return Redis(str(server.socket), str(server.password_file), monotonic=clock or Clock())


def test_a_cached_answer_is_kept_and_expires(server: RedisServer) -> None:
    async def story() -> None:
        redis = redis_of(server)
        assert await redis.put("x", b"an answer", 3600)
        assert await redis.get("x") == b"an answer"
        assert 3500 < await redis.call(lambda client: client.ttl("cache:x")) <= 3600
        assert await redis.get("y") is None
        await redis.close()

    asyncio.run(story())


def test_one_of_several_claims_a_name_until_it_releases_it(server: RedisServer) -> None:
    async def story() -> None:
        one, other = redis_of(server), redis_of(server)
        assert await one.claim("x", 60)
        assert not await other.claim("x", 60)
        await one.release("x")
        assert await other.claim("x", 60)
        await one.close()
        await other.close()

    asyncio.run(story())


def test_down_is_an_empty_cache_said_once_and_nobody_waits(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        clock = Clock()
        redis = redis_of(server, clock)
        assert await redis.put("x", b"kept", 3600)
        server.stop()
        assert await redis.get("x") is None
        assert "it does not answer" in redis.words
        server.start()
        assert await redis.get("x") is None, "nobody tries again so soon"
        assert await redis.claim("x", 60), "everybody does the work alone"
        with pytest.raises(RedisDown, match="does not answer"):
            await redis.call(lambda client: client.get("x"))
        clock.now += PAUSE_S
        assert await redis.get("x") == b"kept", "the append-only file was read"
        assert redis.words == ""
        await redis.close()

    with caplog.at_level(logging.INFO):
        asyncio.run(story())
    told = [record.message for record in caplog.records if "Redis" in record.message]
    assert told == ["Redis is down: no cache, no counting, requests go on", "Redis is back"]


def test_a_wrong_password_is_one_message_that_names_the_file(server: RedisServer) -> None:
    async def story() -> None:
        clock = Clock()
        redis = redis_of(server, clock)
        right = server.password_file.read_text()
        server.draw_password()
        assert await redis.get("x") is None
        assert redis.words == f"Redis does not accept the password in {server.password_file}. Run `fab deploy`."
        server.password_file.unlink()
        clock.now += PAUSE_S
        assert await redis.get("x") is None
        assert f"no password to log in with ({server.password_file}: No such file" in redis.words
        server.password_file.write_text(right)
        clock.now += PAUSE_S
        assert await redis.put("x", b"1", 60)
        assert redis.words == ""
        await redis.close()

    asyncio.run(story())


async def fill(redis: Redis) -> None:
    for n in range(300):
        await redis.call(lambda client, n=n: client.set(f"count-{n}", b"x" * 20_000))  # type: ignore[misc]


def test_where_memory_is_short_cached_answers_go_and_counts_stay(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, maxmemory="4mb")
    server.start()

    async def story() -> None:
        clock = Clock()
        redis = redis_of(server, clock)
        for n in range(200):
            await redis.call(lambda client, n=n: client.hset("count", f"key-{n}", n))  # type: ignore[misc]
        for n in range(300):
            assert await redis.put(f"answer-{n}", b"x" * 20_000, 3600)
        assert await redis.call(lambda client: client.hlen("count")) == 200
        assert 0 < len(await redis.call(lambda client: client.keys("cache:*"))) < 300, "Redis chooses among samples"
        with pytest.raises(RedisDown, match="memory is full"):
            await fill(redis)
        await redis.close()

    try:
        asyncio.run(story())
    finally:
        server.stop()
