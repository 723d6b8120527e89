"""What outlives the gateway, as a verb sees it: API keys, Redis (counts, the ledger of usage) and the chat page.

The program that does the work runs on the gateway (`remote/scripts/gateway_state.py`); its standard input and output
carry the archive.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Final

from core import backup
from core.backup import Chats, Contents, Manifest
from core.contract.documents import ApiKeys
from core.contract.paths import (
    DATA_DIR,
    KEYS_FILE,
    REDIS_DATA,
    REDIS_PASSWORD,
    REDIS_SOCKET,
    REDIS_UNIT,
    WEBUI_DATA,
)
from core.errors import DeployError
from core.keys import Change
from remote.machines.transport import Machine, Result, tail
from remote.services import redis, webui
from remote.services.keys import Keys

SCRIPT: Final = Path(__file__).parents[1] / "scripts" / "gateway_state.py"
# the program comes first by standard input, and behind it the archive
RUN: Final = "exec python3 -c \"import sys; exec(compile(sys.stdin.buffer.read({size}), 'gateway_state', 'exec'))\""
BLOCK: Final = 1 << 18
SILENCE_S: Final = 900.0  # a copy is made, or judged, before the first byte of an answer


@dataclass(frozen=True)
class Paths:
    """Where a gateway has its state, and who uses it. `redis_user` "": the files stay root's."""

    keys: str = KEYS_FILE
    redis_data: str = REDIS_DATA
    redis_socket: str = REDIS_SOCKET
    redis_password: str = REDIS_PASSWORD
    redis_unit: str = REDIS_UNIT
    redis_user: str = redis.USER
    webui_data: str = WEBUI_DATA
    webui_unit: str = webui.UNIT
    database: str = PurePosixPath(webui.DATABASE).name
    base: str = DATA_DIR
    work: str = "/var/tmp/pilotlight-backup"
    lock: str = "/run/pilotlight-backup.lock"


PATHS: Final = Paths()


@dataclass(frozen=True)
class Look:
    """What a gateway has at `now` by its clock. `finished`: a restore that had been cut off was ended first."""

    contents: Contents
    now: float
    finished: bool


class GatewayState:
    """One gateway's state. DeployError from all of it: the gateway could not, and nothing was changed."""

    def __init__(self, machine: Machine, keys: Keys, paths: Paths = PATHS) -> None:
        self._machine, self._keys, self._paths = machine, keys, paths

    def look(self) -> Look:
        """What there is now."""
        told = json.loads(self._do("look").out)
        if not told["deployed"]:
            raise DeployError(f"There is nothing on this {self._machine.role} yet. Run `fab deploy` first.")
        contents = Contents(self._keys.read().keys.keys, backup.chats(told["chats"]), told["counts"])
        return Look(contents, float(told["now"]), bool(told["finished"]))

    def copy(self, into: BinaryIO, manifest: Mapping[str, Any]) -> None:
        """Write an archive; the gateway adds to the manifest what only it knows."""
        self._do("backup", into=into, manifest=dict(manifest))

    def restore(self, archive: BinaryIO, manifest: Manifest, stamp: str) -> str:
        """Put Redis and the page in place; returns the gateway's folder with what was there before."""
        files = {name: {"bytes": one.size, "sha256": one.sha256} for name, one in manifest.files.items()}
        return str(json.loads(self._do("restore", archive=archive, files=files, stamp=stamp).out)["kept"])

    def restore_keys(self, wanted: ApiKeys) -> bool:
        """People's keys are those of the backup. False: no HAProxy runs, and it reads them when it starts."""
        return self._keys.change(lambda there, _: Change(*backup.new_keys(wanted.keys, there.keys))).running

    def _do(self, what: str, *, into: BinaryIO | None = None, archive: BinaryIO | None = None, **more: Any) -> Result:
        request = dataclasses.asdict(self._paths) | {"do": what} | more
        call = f"\n\nmain(json.loads({json.dumps(request)!r}))\n"
        program = f"{SCRIPT.read_text(encoding='utf-8')}{call}".encode()
        command = RUN.format(size=len(program))
        result = self._machine.transfer(command, _pieces(program, archive), into, timeout_s=SILENCE_S)
        if result.code != 0:
            raise DeployError(f"On the {self._machine.role}: {tail(result.err) or 'the command was ended'}.")
        return result


def _pieces(program: bytes, archive: BinaryIO | None) -> Iterator[bytes]:
    yield program
    while archive is not None and (piece := archive.read(BLOCK)):
        yield piece


def counted(chats: Chats | None) -> Mapping[str, Any] | None:
    """For `--json`."""
    return None if chats is None else {"conversations": chats.chats, "accounts": chats.accounts}
