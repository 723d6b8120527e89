"""The user's SSH configuration, resolved by OpenSSH itself: `ssh -G` prints what applies to one machine.

paramiko's reader knows less than OpenSSH (`Match final`, `Include`, tokens) and fails on what it does not know. Only
what a connection needs is taken: address, keys, agent, and the way through other machines.
"""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from core.contract.network import SSH_PORT
from core.errors import DeployError

TIMEOUT_S: Final = 15.0  # of a `Match exec`


@dataclass(frozen=True)
class Resolved:
    """How to reach a machine. `proxy` is a shell command whose input and output are the connection, "" for none."""

    host: str
    keys: tuple[str, ...] | None = None  # readable private key files; None: the usual ones in ~/.ssh
    agent: bool = True
    agent_socket: str = ""  # "": the one in SSH_AUTH_SOCK
    proxy: str = ""


def resolve(address: str, user: str, *, file: str = "") -> Resolved:
    """What the user's configuration says of a machine; the address alone where OpenSSH is not installed.

    Args:
        file: read this configuration instead of ~/.ssh/config and /etc/ssh/ssh_config.

    Raises:
        DeployError: OpenSSH refuses the configuration; its first line names file and line.
    """
    program = shutil.which("ssh")
    if program is None:
        return Resolved(address)
    command = [program, "-G", "-T", "-p", str(SSH_PORT), "-l", user, *(["-F", file] if file else []), "--", address]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=TIMEOUT_S,
            errors="surrogateescape",
        )
    except subprocess.TimeoutExpired as error:
        raise DeployError(
            f"`ssh -G {address}` did not answer within {TIMEOUT_S:.0f} s: a `Match exec` in your SSH configuration?"
        ) from error
    if done.returncode != 0:
        said = (done.stderr.strip() or "nothing").splitlines()[0]
        raise DeployError(f"OpenSSH does not accept your SSH configuration: {said}. `ssh -G {address}` shows it.")
    return read(done.stdout, address, user)


def read(text: str, address: str, user: str) -> Resolved:
    """From what `ssh -G` printed: `keyword value` lines, a keyword once a value."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    host = found.get("hostname", [address])[0]
    tokens = _tokens(address, host, user)
    agent = found.get("identityagent", ["SSH_AUTH_SOCK"])[0]
    return Resolved(
        host=host,
        keys=_keys(found.get("identityfile", []), tokens),
        agent=agent != "none",
        agent_socket="" if agent in ("none", "SSH_AUTH_SOCK") else _expand(agent, tokens),
        proxy=_proxy(found, host, tokens),
    )


def _tokens(address: str, host: str, user: str) -> dict[str, str]:
    """ssh_config(5), TOKENS."""
    name = socket.gethostname()
    return {
        "%%": "%",
        "%d": str(Path.home()),
        "%h": host,
        "%i": str(os.getuid()),
        "%k": address,
        "%L": name.partition(".")[0],
        "%l": name,
        "%n": address,
        "%p": str(SSH_PORT),
        "%r": user,
        "%u": getpass.getuser(),
    }


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    parts = []
    while text:
        token = text[:2]
        parts.append(tokens.get(token, token if token[:1] == "%" else text[:1]))
        text = text[2 if token[:1] == "%" else 1 :]
    return "".join(parts)


def _keys(files: list[str], tokens: Mapping[str, str]) -> tuple[str, ...]:
    """Those that are there and readable: OpenSSH lists its defaults too, and passes over what is missing."""
    paths = (os.path.expanduser(os.path.expandvars(_expand(f, tokens))) for f in files if f != "none")
    return tuple(path for path in paths if os.path.isfile(path) and os.access(path, os.R_OK))


def _proxy(found: Mapping[str, list[str]], host: str, tokens: Mapping[str, str]) -> str:
    command = found.get("proxycommand", ["none"])[0]
    if command != "none":
        return _expand(command, tokens)
    hops = [hop for hop in found.get("proxyjump", ["none"])[0].split(",") if hop != "none"]
    if not hops:
        return ""
    last = hops[-1] if hops[-1].startswith("ssh://") else f"ssh://{hops[-1]}"
    before = ["-J", ",".join(hops[:-1])] if hops[:-1] else []
    return shlex.join(["ssh", *before, "-W", f"[{host}]:{SSH_PORT}", last])  # what `ssh -J` does itself
