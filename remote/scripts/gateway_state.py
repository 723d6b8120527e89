"""Runs on the gateway as root: copies what outlives it (API keys, Redis, the chat page) into an archive, and back.

Standard library only, Python 3.10 and newer. `remote/services/gateway_state.py` sends it with a call of `main` behind
it. A lock keeps two of them apart. A copy is made beside the data and leaves them as they are. What is restored is
unpacked, compared with its checksums and judged by SQLite and Redis before anything is touched; then each folder takes
the place of the old one by two renames, and the old one is kept. A restore that was cut off in between is finished by
the next one. A backup changes nothing, and refuses until then: weeks may have passed, and newer data be there.
"""

import contextlib
import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

BLOCK = 1 << 20
SPARE = 32 << 20  # bytes that stay free on a disk
LEFT_OUT = "cache"  # of the chat page's folder: it is made anew
SQLITE = b"SQLite format 3\0"
BESIDE = ("-wal", "-shm", "-journal")  # files beside a database, which are in its copy
MANIFEST, KEYS, REDIS, WEBUI = "manifest.json", "keys.json", "redis.rdb", "webui"
READY = "ready"  # in the folder of what is to be restored: it is whole, and the units are stopped
APPEND_ONLY = "appendonlydir"  # Redis 7's default names (redis.conf: appenddirname, appendfilename)
BASE = "appendonly.aof.1.base.rdb"


def main(request: dict[str, Any]) -> None:
    """Do what `do` names: look, backup (an archive goes to standard output) or restore (it comes by standard input)."""
    try:
        with locked(request["lock"]):
            finished = request["do"] != "backup" and finish(request)
            {"look": look, "backup": backup, "restore": restore}[request["do"]](request | {"finished": finished})
    except OSError as error:
        sys.exit(words(error))


def words(error: OSError) -> str:
    """`No space left on device: /var/tmp/x`."""
    return ": ".join(str(each) for each in (error.strerror or error, error.filename) if each)


def finish(request: dict[str, Any]) -> bool:
    """Do what is left of a restore that was cut off; whether there was one. Who has the data open may run again: the
    gateway was booted since.
    """
    if not os.path.exists(f"{incoming(request)}/{READY}"):
        return False
    stopped = units(request)
    try:
        systemctl("stop", *stopped)
        swap(request)
    finally:
        start(stopped)
    return True


@contextlib.contextmanager
def locked(path: str) -> Iterator[None]:
    """Alone with the data."""
    with open(path, "a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit("another backup or restore is at work on this gateway; nothing was changed. Run it again after it")
        yield


def incoming(request: dict[str, Any]) -> str:
    """The folder in which a restore is prepared, on the data's own file system."""
    return f"{request['base']}/restore"


# ---------------------------------------------------------------- looking
def look(request: dict[str, Any]) -> None:
    """What is here, as one JSON object."""
    found = {
        "now": time.time(),
        "deployed": os.path.exists(request["keys"]),
        "chats": chats(f"{request['webui_data']}/{request['database']}"),
        "counts": counts(request),
        "finished": request["finished"],
    }
    print(json.dumps(found))


def chats(database: str) -> dict[str, Any] | None:
    """How many conversations and accounts, and when one changed last (s); None: no page has been here.

    `problem`: why the database cannot be read, "" where it can.
    """
    if not os.path.exists(database):
        return None
    try:
        with contextlib.closing(reading(database)) as db:
            many, newest = db.execute("select count(*), max(updated_at) from chat").fetchone()
            (accounts,) = db.execute("select count(*) from user").fetchone()
        return {"chats": many, "accounts": accounts, "newest": newest, "problem": ""}
    except sqlite3.Error as error:
        return {"chats": None, "accounts": None, "newest": None, "problem": str(error)}


def reading(database: str) -> sqlite3.Connection:
    """A database as others leave it while they write."""
    return sqlite3.connect(f"file:{quote(database)}?mode=ro", uri=True, timeout=30)


def redis(request: dict[str, Any], *words: str) -> subprocess.CompletedProcess[str]:
    """redis-cli; the password goes by its environment."""
    secret = Path(request["redis_password"]).read_text(encoding="utf-8").split()[-1]
    return subprocess.run(
        ("redis-cli", "-s", request["redis_socket"], *words),
        env={**os.environ, "REDISCLI_AUTH": secret},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def counts(request: dict[str, Any]) -> int | None:
    """How many entries Redis has; None where it does not answer."""
    if not os.path.exists(request["redis_password"]):
        return None
    said = redis(request, "dbsize").stdout.strip()
    return int(said) if said.isdigit() else None


# ---------------------------------------------------------------- backup
def backup(request: dict[str, Any]) -> None:
    """A copy of everything, first beside the data and then, with the checksums, to standard output."""
    if os.path.exists(f"{incoming(request)}/{READY}"):
        sys.exit("a restore was cut off here, and its data are half in place; nothing was changed. Restore again first")
    work = Path(request["work"])
    shutil.rmtree(work, ignore_errors=True)  # of a backup that was cut off
    try:
        work.mkdir(mode=0o700)
        enough(work, taken(request), "the copy")
        copy(request, work)
        send(request, work, sys.stdout.buffer)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def taken(request: dict[str, Any]) -> int:
    """Bytes that a copy takes at most."""
    redis_files = [each for each in Path(request["redis_data"]).rglob("*") if each.is_file()]
    return sum(map(size, [*(source for _, source in page_files(request["webui_data"])), *redis_files]))


def size(path: Path) -> int:
    """Bytes of a file; 0 where it has gone meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def enough(folder: Path, need: int, what: str) -> None:
    """End here where the disk has too little room."""
    free = shutil.disk_usage(folder).free
    if free < need + SPARE:
        sys.exit(
            f"{what} needs {mib(need + SPARE)} MiB on the disk of {folder}, and {mib(free)} MiB are free; nothing was "
            "changed"
        )


def mib(count: int) -> int:
    """Of bytes, rounded up."""
    return -(-count // (1 << 20))


def page_files(data: str) -> Iterator[tuple[str, Path]]:
    """The chat page's files by their names below its folder, databases first: what they name is then there."""
    root = Path(data)
    found = sorted(each for each in root.rglob("*") if each.is_file() and not each.is_symlink())
    kept = [each for each in found if each.relative_to(root).parts[0] != LEFT_OUT]
    databases = {each for each in kept if is_database(each)}
    beside = {f"{each}{suffix}" for each in databases for suffix in BESIDE}
    for each in sorted(kept, key=lambda path: path not in databases):
        if str(each) not in beside:
            yield str(each.relative_to(root)), each


def is_database(path: Path) -> bool:
    """An SQLite file."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except FileNotFoundError:  # it has gone meanwhile
        return False


def copy(request: dict[str, Any], work: Path) -> None:
    """Keys, Redis and page as they are now, each in a state that it can start from."""
    shutil.copyfile(request["keys"], work / KEYS)
    done = redis(request, "--rdb", str(work / REDIS))
    if done.returncode != 0 or not (work / REDIS).exists():
        sys.exit(f"Redis gave no copy of its data: {last_line(done)}. `systemctl status {request['redis_unit']}`")
    for name, source in page_files(request["webui_data"]):
        target = work / WEBUI / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_database(source):
            copy_database(source, target)
        else:
            with contextlib.suppress(FileNotFoundError):  # somebody deleted it in the page a moment ago
                shutil.copy2(source, target)


def copy_database(source: Path, target: Path) -> None:
    """By SQLite itself, which copies a database whole while others write."""
    try:
        with contextlib.closing(reading(str(source))) as db, contextlib.closing(sqlite3.connect(target)) as new:
            db.backup(new)
    except sqlite3.Error as error:
        sys.exit(f"{source} cannot be copied: {error}")


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Of what a program said."""
    return ((done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines() or [""])[-1]


def send(request: dict[str, Any], work: Path, out: BinaryIO) -> None:
    """The archive: the manifest first, then the files that it names."""
    names = sorted(str(each.relative_to(work)) for each in work.rglob("*") if each.is_file())
    manifest = request["manifest"] | {
        "made_at": time.time(),
        "files": {name: {"bytes": (work / name).stat().st_size, "sha256": digest(work / name)} for name in names},
        "chats": chats(f"{work}/{WEBUI}/{request['database']}"),
        "counts": counts(request),
    }
    with gzip.GzipFile(fileobj=out, mode="wb") as packed, tarfile.open(fileobj=packed, mode="w|") as tar:
        text = json.dumps(manifest, sort_keys=True).encode()
        first = tarfile.TarInfo(MANIFEST)
        first.size, first.mode, first.mtime = len(text), 0o600, int(time.time())
        tar.addfile(first, io.BytesIO(text))
        for name in names:
            tar.add(work / name, name, recursive=False)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
    return found.hexdigest()


# ---------------------------------------------------------------- restore
def restore(request: dict[str, Any]) -> None:
    """Unpack, judge, then put in place; prints one JSON object."""
    folder = Path(incoming(request))
    shutil.rmtree(folder, ignore_errors=True)  # of a restore that was cut off before it changed anything
    try:
        folder.mkdir(mode=0o700)
        enough(folder, sum(each["bytes"] for each in request["files"].values()), "what is to be restored")
        unpack(request, folder, sys.stdin.buffer)
        judge(folder)
        prepare(request, folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            sys.exit(f"{words(error)}; nothing was changed")
        raise
    stopped = units(request)
    try:
        systemctl("stop", *stopped)
        (folder / READY).write_text(request["stamp"], encoding="utf-8")
        os.sync()
        kept = swap(request)
    finally:
        start(stopped)
    print(json.dumps({"kept": kept, "finished": request["finished"]}))


def unpack(request: dict[str, Any], folder: Path, archive: BinaryIO) -> None:
    """The files that the request names, each with its checksum."""
    missing = dict(request["files"])
    try:
        with gzip.GzipFile(fileobj=archive) as plain, tarfile.open(fileobj=plain, mode="r|") as tar:
            for member in tar:
                stored = missing.pop(member.name, None)
                if stored is None:
                    continue  # the manifest
                content = tar.extractfile(member)
                if content is None or not inside(member.name):
                    sys.exit(f"the backup has a file {member.name!r}, which is no file of ours; nothing was changed")
                if write(content, folder / member.name) != stored["sha256"]:
                    sys.exit(f"{member.name} did not arrive as it was sent; nothing was changed. Run it again")
    except (EOFError, gzip.BadGzipFile, tarfile.TarError, zlib.error) as error:
        sys.exit(f"the backup did not arrive whole ({error}); nothing was changed. Run it again")
    if missing:
        sys.exit(f"the backup did not arrive whole ({min(missing)} is missing); nothing was changed. Run it again")


def inside(name: str) -> bool:
    """A name that `send` gives, and that does not lead out of the folder. Our own notes there are no archive's."""
    return name in (KEYS, REDIS) or (name.startswith(f"{WEBUI}/") and ".." not in name.split("/"))


def write(content: Any, path: Path) -> str:
    """A file of root's alone; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with path.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        while block := content.read(BLOCK):
            found.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return found.hexdigest()


def judge(folder: Path) -> None:
    """SQLite and Redis can read what came: another version's file may be whole and of no use here."""
    for path in folder.rglob("*"):
        if path.is_file() and is_database(path):
            with contextlib.closing(sqlite3.connect(path)) as db:
                (said,) = db.execute("pragma quick_check").fetchone()
            if said != "ok":
                sys.exit(f"the backup's {path.relative_to(folder)} is damaged ({said}); nothing was changed")
    if (folder / REDIS).exists():
        done = subprocess.run(
            ("redis-check-rdb", folder / REDIS), capture_output=True, text=True, check=False, timeout=600
        )
        if done.returncode != 0:
            sys.exit(
                f"this gateway's Redis cannot read the backup's {REDIS}; nothing was changed:\n{done.stdout[-600:]}"
            )


def prepare(request: dict[str, Any], folder: Path) -> None:
    """The folders as their services want them. Redis starts from a copy that stands first in its append-only file."""
    (folder / KEYS).unlink(missing_ok=True)  # keys go by edit_keys.py, which tells the running HAProxy too
    if (folder / REDIS).exists():
        data = folder / "redis" / APPEND_ONLY
        data.mkdir(parents=True, mode=0o700)
        (folder / REDIS).rename(data / BASE)
        (data / "appendonly.aof.manifest").write_text(f"file {BASE} seq 1 type b\n", encoding="utf-8")
        for path in (folder / "redis", data, *data.iterdir()):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if request["redis_user"]:
                shutil.chown(path, request["redis_user"], request["redis_user"])
    if (folder / WEBUI).exists():
        (folder / WEBUI).chmod(0o700)


def swap(request: dict[str, Any]) -> str:
    """What came takes the place of what was, which is kept; returns where. May be cut off and called again."""
    folder = Path(incoming(request))
    kept = Path(request["base"]) / f"replaced-{(folder / READY).read_text(encoding='utf-8')}"
    kept.mkdir(mode=0o700, exist_ok=True)
    if os.path.exists(request["keys"]) and not (kept / KEYS).exists():
        shutil.copy2(request["keys"], kept / KEYS)
    for part, target in ((WEBUI, Path(request["webui_data"])), ("redis", Path(request["redis_data"]))):
        if not (folder / part).exists():
            continue  # not in the backup, or in its place already
        if target.exists():
            target.rename(free(kept / part))
        (folder / part).rename(target)
    os.sync()
    shutil.rmtree(folder)
    return str(kept)


def free(path: Path) -> Path:
    """This name, or one beside it that nothing has."""
    return next(p for p in (path, *(path.with_name(f"{path.name}-{n}") for n in range(2, 1000))) if not p.exists())


def units(request: dict[str, Any]) -> list[str]:
    """Who has the data open, as far as systemd knows them here: Redis first."""
    both = (request["redis_unit"], request["webui_unit"])
    return [unit for unit in both if systemctl("show", "-P", "LoadState", unit).stdout.strip() == "loaded"]


def start(names: list[str]) -> None:
    """Redis is up after this; the chat page takes its time, and nobody waits for it."""
    for name in names:
        systemctl("start", *(() if name == names[0] else ("--no-block",)), name)


def systemctl(*given: str) -> subprocess.CompletedProcess[str]:
    """Its output; what it complains about goes to standard error."""
    return subprocess.run(("systemctl", *given), stdout=subprocess.PIPE, text=True, check=False, timeout=180)
