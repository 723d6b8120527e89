"""Running a function's process as a user who may do nothing on this computer.

Where the cloud runs as root, its functions run as `nobody`, without groups and capabilities. The interpreter often
lies below a folder that only root may enter (/root): then the process gets mounts of its own, in which such a folder is
empty but for what the interpreter and the code need. So the cloud's own secrets are not even there to be read.
A cloud that does not run as root cannot change users: its functions run as its own user.
"""

from __future__ import annotations

import os
import pwd
import shlex
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from core.errors import CloudError

USER: Final = "nobody"
_STAGE: Final = "/mnt"  # of the process's own mounts: an empty folder everywhere, by the Filesystem Hierarchy Standard
MayEnter = Callable[[Path], bool]


def python() -> str:
    """This interpreter's path in its environment, without links into folders that may be closed."""
    return str(Path(os.path.realpath(sys.prefix)) / "bin" / Path(sys.executable).name)


def command(argv: Sequence[str], code: Path) -> list[str]:
    """The command that runs `argv` unprivileged in the folder `code`; `argv` itself where we are not root."""
    if os.geteuid() != 0:
        return list(argv)
    needed = [Path(os.path.realpath(path)) for path in (sys.prefix, sys.base_prefix, code)]
    for path in needed:
        _require_readable(path)
    closed = closed_folders(needed, others_may_enter)
    script = "\n".join([*_mounts(needed, closed), f"cd {shlex.quote(str(needed[-1]))}", _drop()])
    own_mounts = ["unshare", "--mount", "--propagation", "private"] if closed else []
    return [*own_mounts, "sh", "-euc", script, "function", *argv]


def closed_folders(needed: Sequence[Path], may_enter: MayEnter) -> list[Path]:
    """The topmost folders above the needed ones that the user may not enter, sorted."""
    found = set()
    for path in needed:
        closed = [folder for folder in path.parents if not may_enter(folder)]
        found |= set(closed[-1:])  # parents run from the nearest to the root
    return sorted(found)


def others_may_enter(folder: Path) -> bool:
    """Whether everybody may pass through a folder."""
    return bool(folder.stat().st_mode & stat.S_IXOTH)


def _require_readable(path: Path) -> None:
    if not path.stat().st_mode & stat.S_IROTH:
        raise CloudError(
            f"Functions run as the user {USER}, who cannot read {path}. Make it readable: `chmod -R o+rX {path}`."
        )


def _mounts(needed: Sequence[Path], closed: Sequence[Path]) -> list[str]:
    """Shell lines: keep the needed folders at hand, put empty ones over the closed ones, and the needed ones back."""
    if not closed:
        return []
    inside = [path for path in needed if any(folder in path.parents for folder in closed)]
    kept = [(shlex.quote(str(path)), f"{_STAGE}/{index}") for index, path in enumerate(inside)]
    return [
        "umask 022",
        f"mount -t tmpfs -o mode=755 tmpfs {_STAGE}",
        *(f"mkdir {stage}; mount --bind {path} {stage}" for path, stage in kept),
        *(f"mount -t tmpfs -o mode=755 tmpfs {shlex.quote(str(folder))}" for folder in closed),
        *(f"mkdir -p {path}; mount --bind {stage} {path}; mount -o remount,bind,ro {path}" for path, stage in kept),
        f"umount -R {_STAGE}",
    ]


def _drop() -> str:
    entry = pwd.getpwnam(USER)
    flags = "--clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"
    return f'exec setpriv --reuid={entry.pw_uid} --regid={entry.pw_gid} {flags} -- "$@"'
