"""A folder in the place of a gateway: the program that runs there runs here, with stand-ins for Redis and systemd."""

from __future__ import annotations

import dataclasses
import os
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from remote.items.keys import KeyFiles
from remote.machines.transport import Result
from remote.services.gateway_state import GatewayState, Paths
from remote.services.keys import Keys

STAND_INS = {
    "systemctl": """echo "$*" >> systemctl-log
case "$*" in
"show -P LoadState "*) echo loaded ;;
"stop "*) touch stopped; [ ! -e cut-off-at-stop ] || kill -9 $PPID ;;
"start "*) rm -f stopped ;;
esac""",
    # Redis's data are one file, `count`
    "redis-cli": """[ "$REDISCLI_AUTH" = secret ] || { echo NOAUTH; exit 1; }
[ ! -e redis-down ] || { echo 'Could not connect to Redis' >&2; exit 1; }
case "$3" in
dbsize) cat redis/appendonlydir/*.base.rdb 2>/dev/null | wc -l ;;
--rdb) cat redis/appendonlydir/*.base.rdb > "$4" ;;
esac""",
    "redis-check-rdb": """! grep -q unreadable "$1" || { echo 'RDB ERROR DETECTED'; exit 1; }""",
}


class GatewayFolder:
    """`etc/keys.json`, `redis/`, `webui/`, as `Paths` says."""

    role = "gateway"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("bin", "etc", "webui/uploads", "webui/cache", "redis/appendonlydir"):
            (folder / name).mkdir(parents=True)
        for name, text in STAND_INS.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\ncd {folder}\n{text}\n")
            (folder / "bin" / name).chmod(0o755)
        (folder / "password").write_text("requirepass secret\n")
        self.paths = Paths(
            keys=str(folder / "etc/keys.json"),
            redis_data=str(folder / "redis"),
            redis_socket=str(folder / "redis.sock"),
            redis_password=str(folder / "password"),
            redis_user="",
            webui_data=str(folder / "webui"),
            base=str(folder),
            work=str(folder / "work"),
            lock=str(folder / "lock"),
        )
        files = KeyFiles(self.paths.keys, str(folder / "etc/keys.map"), str(folder / "haproxy.sock"), group="")
        self.keys = Keys(self, files)  # type: ignore[arg-type]
        self.state = GatewayState(self, self.keys, self.paths)  # type: ignore[arg-type]

    # ------------------------------------------------------------ what a Machine can
    def run(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Result:
        done = self._run(script, stdin)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def transfer(
        self, script: str, stdin: Iterable[bytes], into: BinaryIO | None = None, *, timeout_s: float = 60.0
    ) -> Result:
        done = self._run(script, b"".join(stdin))
        if into:
            into.write(done.stdout)
        return Result(done.returncode, "" if into else done.stdout.decode(), done.stderr.decode())

    def _run(self, script: str, stdin: bytes) -> subprocess.CompletedProcess[bytes]:
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        return subprocess.run(
            ("sh", "-c", script), input=stdin, capture_output=True, check=False, env={**os.environ, "PATH": path}
        )

    # ------------------------------------------------------------ what is on it
    def has(self, *, keys: dict[str, str], counts: list[str], chats: list[str]) -> None:
        """Keys by name, lines in Redis, and conversations."""
        records = tuple(ApiKey(name, sha256, 1.0) for name, sha256 in keys.items())
        Path(self.paths.keys).write_text(ApiKeys(SCHEMA_VERSION, records).to_json())
        (self.folder / "redis/appendonlydir/old.base.rdb").write_text("".join(f"{line}\n" for line in counts))
        with closing(sqlite3.connect(self.folder / "webui/webui.db")) as db:
            db.execute("pragma journal_mode=wal")
            db.executescript("create table chat (title, updated_at integer); create table user (name);")
            db.executemany("insert into chat values (?, 100)", [(title,) for title in chats])
            db.execute("insert into user values ('admin')")
            db.commit()

    def names(self) -> dict[str, str]:
        return {key.name: key.sha256 for key in self.keys.read().keys.keys}

    def counts(self) -> list[str]:
        return [line for file in self.folder.glob("redis/appendonlydir/*.rdb") for line in file.read_text().split()]

    def chats(self, folder: str = "webui") -> list[str]:
        with closing(sqlite3.connect(self.folder / folder / "webui.db")) as db:
            return [title for (title,) in db.execute("select title from chat order by title")]

    def systemctl(self) -> list[str]:
        """What it was told, without questions."""
        log = self.folder / "systemctl-log"
        return [line for line in log.read_text().splitlines() if not line.startswith("show")] if log.exists() else []

    def with_paths(self, **changes: str) -> GatewayState:
        return GatewayState(self, self.keys, dataclasses.replace(self.paths, **changes))  # type: ignore[arg-type]
