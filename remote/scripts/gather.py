"""Runs on a machine: prints its facts as one JSON object. Standard library only, Python 3.10 and newer, no writes.

`remote/machines/facts.py` appends a call of `main` with the query. Nothing here may fail as a whole: a missing file is
a fact.
"""

import grp
import hashlib
import json
import os
import pwd
import re
import socket
import stat
import subprocess
from typing import Any


def output(*command: str) -> str:
    """What a command prints, or "" where it cannot run or fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace") if done.returncode == 0 else ""


def file_fact(path: str) -> dict[str, Any] | None:
    """Hash, mode and owners of a file; None where there is none."""
    try:
        found = os.stat(path)
        with open(path, "rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None
    return {
        "sha256": digest,
        "mode": stat.S_IMODE(found.st_mode),
        "owner": name_of(pwd.getpwuid, found.st_uid),
        "group": name_of(grp.getgrgid, found.st_gid),
    }


def name_of(lookup: Any, number: int) -> str:
    """A user's or group's name, or its number where it has none."""
    try:
        return str(lookup(number)[0])
    except KeyError:
        return str(number)


def tree_hash(root: str) -> str:
    """Hash over every file below `root` but byte code; "" where there is none. remote/items/files.py has the same."""
    found = tree_files(root)
    lines = [f"{found[name]} {name}\n" for name in sorted(found)]
    return hashlib.sha256("".join(lines).encode()).hexdigest() if lines else ""


def tree_files(root: str) -> dict[str, str]:
    """The hash of every file below `root` but byte code, by its path there."""
    found = {}
    for folder, names, files in os.walk(root):
        names[:] = [n for n in names if n != "__pycache__"]
        for name in files:
            path = os.path.join(folder, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, root)] = hashlib.sha256(file.read()).hexdigest()
    return found


def body(path: str) -> str:
    """A file's whole text; "" where there is none, or it is no text, or it has over a megabyte."""
    try:
        with open(path, "rb") as file:
            found = file.read(1000001)
        return found.decode() if len(found) <= 1000000 else ""
    except (OSError, UnicodeDecodeError):
        return ""


def text(path: str) -> str:
    """A small file's text without the white space around it, or ""."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1000000).strip()
    except OSError:
        return ""


def listing(folder: str) -> list[str]:
    """Names in a folder, sorted; none where there is no folder."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def units(names: list[str]) -> dict[str, dict[str, str]]:
    """systemd's properties of each unit."""
    shown = "Id,LoadState,ActiveState,SubState,UnitFileState,NRestarts,NeedDaemonReload"
    found = {}
    for block in output("systemctl", "show", "-p", shown, *names).split("\n\n") if names else []:
        properties = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        found[properties.get("Id", "")] = properties
    return found


def users(names: list[str]) -> dict[str, list[str]]:
    """The groups of each user that there is."""
    found = {}
    for name in names:
        try:
            primary = pwd.getpwnam(name).pw_gid
        except KeyError:
            continue
        found[name] = sorted({grp.getgrgid(primary)[0]} | {g[0] for g in grp.getgrall() if name in g[3]})
    return found


def packages(names: list[str]) -> list[str]:
    """Those of the Debian packages that are installed."""
    wanted = set(names)
    lines = output("dpkg-query", "-W", "-f", "${db:Status-Status} ${Package}\n").splitlines() if names else []
    return sorted(wanted.intersection(line.split(" ", 1)[1] for line in lines if line.startswith("installed ")))


def listeners(ports: list[str]) -> dict[str, list[str]]:
    """The programs that listen on each of the TCP ports."""
    found: dict[str, list[str]] = {port: [] for port in ports}
    for line in output("ss", "-H", "-l", "-t", "-n", "-p").splitlines() if ports else []:
        parts = line.split()
        port = parts[3].rsplit(":", 1)[1]
        if port in found:
            names = re.findall(r'\("([^"]+)",pid=', line)
            found[port] = sorted({*found[port], *(names or ["another program"])})
    return found


def maps(names: list[str]) -> dict[str, str]:
    """What the running HAProxy says of each map ("<admin socket> <path>"); nothing of one that it does not have."""
    found = {}
    for name in names:
        door, path = name.split(" ", 1)
        try:
            with socket.socket(socket.AF_UNIX) as admin:
                admin.settimeout(5)
                admin.connect(door)
                admin.sendall(f"show map {path}\n".encode())
                with admin.makefile(encoding="utf-8") as answer:
                    found[name] = answer.read().strip()
        except OSError:
            continue
    return {name: said for name, said in found.items() if not said.startswith("Unknown map")}


def images(references: list[str]) -> dict[str, str]:
    """The ids of those container images that are there."""
    found = {r: output("docker", "image", "inspect", "--format", "{{.Id}}", r).strip() for r in references}
    return {reference: id_ for reference, id_ in found.items() if id_}


def containers(names: list[str]) -> dict[str, dict[str, str]]:
    """Image, state and health of those containers that are there."""
    form = "{{.Image}} {{.State.Status}} {{with .State.Health}}{{.Status}}{{end}}"
    found = {name: output("docker", "container", "inspect", "--format", form, name).strip() for name in names}
    parts = {name: (line + "  ").split(" ") for name, line in found.items() if line}
    return {name: {"image": p[0], "state": p[1], "health": p[2]} for name, p in parts.items()}


def pairs(path: str) -> dict[str, str]:
    """KEY=value lines of a file, without quotes."""
    lines = [line.split("=", 1) for line in text(path).splitlines() if "=" in line and not line.startswith("#")]
    return {key.strip(): value.strip().strip("\"'") for key, value in lines}


def main(query: dict[str, list[str]]) -> None:
    """Print the facts that `query` asks for."""
    release = pairs("/etc/os-release")
    facts = {
        "os": release.get("ID", ""),
        "os_version": release.get("VERSION_ID", ""),
        "machine": os.uname().machine,
        "gpu": output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader").strip() if query["gpu"] else "",
        "packages": packages(query["packages"]),
        "users": users(query["users"]),
        "files": {path: file_fact(path) for path in query["files"]},
        "trees": {path: tree_hash(path) for path in query["trees"]},
        "tree_files": {path: tree_files(path) for path in query["tree_files"]},
        "bodies": {path: body(path) for path in query["bodies"]},
        "texts": {path: text(path) for path in query["texts"]},
        "listings": {path: listing(path) for path in query["listings"]},
        "paths": [path for path in query["paths"] if os.path.exists(path)],
        "units": units(query["units"]),
        "listeners": listeners(query["listeners"]),
        "maps": maps(query["maps"]),
        "images": images(query["images"]),
        "containers": containers(query["containers"]),
        "free_gib": free_gib("/var"),
    }
    print(json.dumps(facts))


def free_gib(path: str) -> float:
    """GiB free for root's files on the file system of `path`."""
    found = os.statvfs(path)
    return found.f_bavail * found.f_frsize / 2**30
