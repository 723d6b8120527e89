"""Runs on the gateway: changes keys.json, HAProxy's map that is derived from it, and the keys of the HAProxy that runs.

Standard library only, Python 3.10 and newer. `remote/services/keys.py` appends a call of `main`; what `core.keys`
decides comes in, and nothing is decided here. Whoever changes keys does so by this program, which holds a lock, so that
of two at work at once neither loses a key. The order is keys.json, the map, the running HAProxy. Each step is atomic,
and every call makes the later two as the first says: what a crash left between them is mended by the next one.
"""

import contextlib
import fcntl
import grp
import hashlib
import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

MODE = 0o640
LOCK_S = 30.0
START_S = 5.0  # a HAProxy that systemd calls active has so long to open its socket
STALE = 3  # exit code: the keys are not those that the change was decided by; nothing was done


def map_lines(keys: list[dict[str, Any]]) -> dict[str, str]:
    """keys.map as hash → `name:expires:rpm:quiet:counted`, with 0 for what is not. `expires` is seconds since 1970."""
    return {k["sha256"]: value(k) for k in keys}


def value(key: dict[str, Any]) -> str:
    """What HAProxy is to know of a record. The requests of one that is counted go by way of the relay."""
    numbers = (int(key["expires"] or 0), key["rpm"] or 0, int(key["quiet"]), int(key["tokens_per_day"] is not None))
    return ":".join((key["name"], *map(str, numbers)))


def changed(keys: list[dict[str, Any]], change: dict[str, Any]) -> list[dict[str, Any]]:
    """The records after a change: without those of `gone` (hashes) and `gone_names`, with `new` last."""
    stay = [k for k in keys if k["sha256"] not in change["gone"] and k["name"] not in change["gone_names"]]
    return [*stay, *change["new"]]


def text_of(lines: dict[str, str]) -> str:
    """The map as a file."""
    return "".join(f"{digest} {value}\n" for digest, value in lines.items())


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Alone with the keys, from reading them to the running HAProxy."""
    if not os.path.isdir(os.path.dirname(path)):
        sys.exit(missing(path))
    with open(path + ".lock", "a", encoding="utf-8") as file:
        os.chmod(path + ".lock", 0o600)
        end = time.monotonic() + LOCK_S
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    sys.exit(f"another command has held the keys for {LOCK_S:.0f} s; nothing was changed")
                time.sleep(0.05)
        yield


def write(path: str, text: str, group: str) -> None:
    """The file has this text, or after a crash its old one. root and `group` read it."""
    if text == read(path) and os.path.exists(path) and right(path, group):
        return
    new = path + ".new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        if group:
            shutil.chown(new, "root", group)
        os.fchmod(file.fileno(), MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def right(path: str, group: str) -> bool:
    """Mode and owners are as they should be."""
    found = os.stat(path)
    ours = not group or (found.st_uid, found.st_gid) == (0, grp.getgrnam(group).gr_gid)
    return stat.S_IMODE(found.st_mode) == MODE and ours


def read(path: str) -> str:
    """A file's text, "" where there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def haproxy(path: str, command: str) -> str:
    """One command on the admin socket; its whole answer."""
    with socket.socket(socket.AF_UNIX) as admin:
        admin.settimeout(5)
        admin.connect(path)
        admin.sendall(command.encode() + b"\n")
        with admin.makefile(encoding="utf-8") as answer:
            return answer.read().strip()


def runs(path: str) -> bool:
    """HAProxy listens on its socket. One that is not started, or does not know the keys yet, will read the map."""
    end = time.monotonic() + START_S
    while True:
        try:
            haproxy(path, "show info")
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            if not active() or time.monotonic() > end:
                return False
            time.sleep(0.1)


def active() -> bool:
    """systemd says that HAProxy is running, or on its way."""
    try:
        done = subprocess.run(
            ("systemctl", "show", "-p", "ActiveState", "haproxy.service"), capture_output=True, check=False, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.decode().strip() in ("ActiveState=active", "ActiveState=reloading", "ActiveState=activating")


def live(admin: str, path: str) -> dict[str, str] | None:
    """The map of the running HAProxy; None where its configuration does not have it yet."""
    said = haproxy(admin, f"show map {path}")
    return None if said.startswith("Unknown map") else pairs(said)


def pairs(shown: str) -> dict[str, str]:
    """What `show map` prints, as hash → value."""
    found = (line.split() for line in shown.splitlines() if line)
    return {words[1]: words[2] for words in found}


def commands(path: str, wanted: dict[str, str], there: dict[str, str], keep: str) -> list[str]:
    """What makes the running map as wanted. A key of the name `keep` is another's business."""
    gone = [d for d, value in there.items() if d not in wanted and value.split(":")[0] != keep]
    return [
        *(f"del map {path} {d}" for d in gone),
        *(f"set map {path} {d} {v}" for d, v in wanted.items() if d in there and there[d] != v),
        *(f"add map {path} {d} {v}" for d, v in wanted.items() if d not in there),
    ]


def tell(admin: str, path: str, wanted: dict[str, str], keep: str) -> bool:
    """Whether the running HAProxy knows these keys and no others, now; False where none runs that could."""
    there = live(admin, path) if runs(admin) else None
    if there is None:
        return False
    for command in commands(path, wanted, there, keep):
        said = haproxy(admin, command)
        if said and not (command.startswith("del") and "not found" in said):
            sys.exit(f"the keys are written, but the running HAProxy refused one: {said}; run the command again")
    return True


def missing(path: str) -> str:
    """For the user."""
    return f"there is no {path} yet; `fab deploy` makes it"


def document_of(text: str, path: str, empty: str) -> dict[str, Any]:
    """keys.json as it was read, or `empty` where there is none."""
    if not text and not empty:
        sys.exit(missing(path))
    try:
        document: dict[str, Any] = json.loads(text or empty)
        map_lines(document["keys"])
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"{path} cannot be read ({error!r}); nothing was changed. Put a copy of it back")
    return document


def main(request: dict[str, Any]) -> None:
    """Carry out a request, and print one JSON object: the keys as they are now, and the clock.

    `only_if`: SHA-256 of the keys.json that the change was decided by; "" where it does not matter. `empty`: what a
    gateway without keys.json gets; "" where that is an error.
    """
    path, map_path, admin = request["file"], request["map"], request["socket"]
    if request["empty"]:
        for file in (path, map_path):
            os.makedirs(os.path.dirname(file), mode=0o755, exist_ok=True)
    with locked(path):
        before = read(path)
        if request["only_if"] not in ("", hashlib.sha256(before.encode()).hexdigest()):
            sys.exit(STALE)
        document = document_of(before, path, request["empty"])
        document["keys"] = changed(document["keys"], request)
        after, lines = json.dumps(document, sort_keys=True), map_lines(document["keys"])
        for file, text in ((path, after), (map_path, text_of(lines))):
            try:
                write(file, text, request["group"])
            except OSError as error:  # a full disk: the file is as it was
                sys.exit(f"{file} cannot be written: {error.strerror}. Mend that, then run the command again")
        running = tell(admin, map_path, lines, request["keep"])
    usage = haproxy(admin, "show table keys") if running and request["usage"] else ""
    print(json.dumps({"keys": after, "now": time.time(), "running": running, "usage": usage}))
