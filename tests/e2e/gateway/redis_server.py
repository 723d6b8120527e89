"""A Redis of its own for a test, with the gateway's configuration: this computer's, or the image's in a container."""

from __future__ import annotations

import secrets
import shutil
import subprocess
import time
from pathlib import Path

from local.setup import tools
from remote import templates


class RedisServer:
    """`socket` and `password_file` are what the relay is told. It keeps its data in `folder` over stop and start."""

    def __init__(self, folder: Path, *, maxmemory: str = "32mb") -> None:
        self.folder, self.maxmemory = folder, maxmemory
        self.socket, self.password_file = folder / "redis.sock", folder / "redis-password.conf"
        self.container = f"pilotlight-test-redis-{secrets.token_hex(4)}"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "redis").mkdir(exist_ok=True)
        self.draw_password()

    def draw_password(self) -> None:
        """A new one in the file; a Redis that runs keeps the one it knows."""
        self.password_file.write_text(f"requirepass {secrets.token_hex(32)}\n")

    def start(self) -> None:
        config = self.folder / "redis.conf"
        values = {"password": self.password_file, "socket": self.socket, "data": self.folder / "redis"}
        config.write_bytes(templates.render("redis.conf.j2", **values))
        command = ["redis-server", str(config), "--maxmemory", self.maxmemory]
        if shutil.which("redis-server") is None:
            docker = ["docker", "run", "--rm", "--init", "--name", self.container, "-v", f"{self.folder}:{self.folder}"]
            command = [*docker, "--entrypoint", command[0], tools.image(), *command[1:]]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)
        for _ in range(400):
            if self.socket.exists():
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "redis.log").read_text())

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.terminate()
        process.wait(20)
        self.socket.unlink(missing_ok=True)
