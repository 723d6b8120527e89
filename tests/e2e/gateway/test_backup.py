"""A real Redis's copy starts a real Redis: `fab backup`'s way there, and `fab restore`'s back."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis_server import RedisServer

from core.errors import DeployError
from local.setup import tools
from remote import backup_file
from remote.services.gateway_state import GatewayState
from runtime.gateway.redis import Redis
from tests.remote.gateway_folder import GatewayFolder

pytestmark = pytest.mark.e2e
TOOLS = ("redis-cli", "redis-check-rdb")
MANIFEST = {"schema_version": 1, "stack": "s", "deployment_id": "d", "version": "0", "webui_image": ""}
DOCKER = '#!/bin/sh\nexec docker run --rm -e REDISCLI_AUTH -v "{folder}:{folder}" --entrypoint {tool} {image} "$@"\n'


class Gateway(GatewayFolder):
    """With Redis's own tools, where systemd knows no unit; `server` has its data where Redis has them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.has(keys={"ann": "A"}, counts=[], chats=[])
        (folder / "bin/systemctl").write_text("#!/bin/sh\n")
        for tool in TOOLS:
            (folder / "bin" / tool).unlink()
            if shutil.which(tool) is None:
                (folder / "bin" / tool).write_text(DOCKER.format(folder=folder, tool=tool, image=tools.image()))
                (folder / "bin" / tool).chmod(0o755)
        shutil.rmtree(folder / "redis")
        self.server = RedisServer(folder)

    @property
    def real(self) -> GatewayState:
        return self.with_paths(redis_password=str(self.server.password_file), redis_socket=str(self.server.socket))

    def ask(self, what: Callable[[Any], Awaitable[Any]]) -> Any:
        async def story() -> Any:
            redis = Redis(str(self.server.socket), str(self.server.password_file), monotonic=lambda: 0.0)
            answer = await redis.call(what)
            await redis.close()
            return answer

        return asyncio.run(story())


def test_what_was_counted_comes_back_and_is_counted_on(tmp_path: Path) -> None:
    old, new = Gateway(tmp_path / "old"), Gateway(tmp_path / "new")
    path = tmp_path / "backup.tar.gz"
    old.server.start()
    try:
        old.ask(lambda client: client.hset("hours:2026-11-25T12", "requests:ann:", 41))
        old.ask(lambda client: client.set("cache:x", b"an answer", ex=3600))
        with backup_file.new(path) as file:
            old.real.copy(file, MANIFEST)
    finally:
        old.server.stop()
    found = backup_file.judge(path)
    assert found.manifest.counts == 2
    with path.open("rb") as archive:
        new.real.restore(archive, found.manifest, "stamp")
    for count in (42, 43):  # started from the copy, and once more from what it wrote itself
        new.server.start()
        try:
            assert new.ask(lambda client: client.hincrby("hours:2026-11-25T12", "requests:ann:", 1)) == count
            assert 3000 < new.ask(lambda client: client.ttl("cache:x")) <= 3600
        finally:
            new.server.stop()


def test_a_copy_that_redis_cannot_read_changes_nothing(tmp_path: Path) -> None:
    """Whole by its checksums, and no data of Redis: the stand-in wrote it."""
    old, new, path = GatewayFolder(tmp_path / "old"), Gateway(tmp_path / "new"), tmp_path / "b.tar.gz"
    old.has(keys={"ann": "A"}, counts=["no data"], chats=[])
    with backup_file.new(path) as file:
        old.state.copy(file, MANIFEST)
    found = backup_file.judge(path)
    with path.open("rb") as archive, pytest.raises(DeployError, match=r"Redis cannot read the backup's redis\.rdb"):
        new.real.restore(archive, found.manifest, "stamp")
    assert not list(new.folder.glob("re[sp]*"))
