"""Runs on a machine: prints what `fab doctor` asks beside the facts, as one JSON object. Standard library only, Python
3.10 and newer, no writes. Nothing here may fail as a whole.
"""

import json
import os
import subprocess
import sys
import time
from typing import Any

TIMEOUT_S = 20.0


def said(*command: str) -> str:
    """The first line that a command prints on either stream; "" where it cannot run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout + done.stderr).decode(errors="replace").strip().splitlines()
    return lines[0] if done.returncode == 0 and lines else ""


def disk(path: str) -> dict[str, Any]:
    """Bytes and inodes of the file system of `path`: free for root, and all. File systems without inodes say 0."""
    found = os.statvfs(path)
    return {
        "device": os.stat(path).st_dev,
        "free": found.f_bavail * found.f_frsize,
        "size": found.f_blocks * found.f_frsize,
        "inodes_free": found.f_favail,
        "inodes": found.f_files,
    }


def pretty_name() -> str:
    """The system's name for people."""
    try:
        with open("/etc/os-release", encoding="utf-8") as file:
            lines = [line.split("=", 1) for line in file if line.startswith("PRETTY_NAME=")]
    except OSError:
        return ""
    return lines[0][1].strip().strip('"') if lines else ""


def main(paths: list[str]) -> None:
    """Print what there is to say of this machine; `paths` are the folders whose disks are asked for."""
    container = said("systemd-detect-virt", "--container") not in ("", "none")
    print(
        json.dumps(
            {
                "now": time.time(),
                "container": container,
                "synchronized": said("timedatectl", "show", "-p", "NTPSynchronized", "--value") == "yes",
                "reboot": os.path.exists("/run/reboot-required"),
                "disks": {path: disk(path) for path in paths if os.path.isdir(path)},
                "versions": {
                    "system": pretty_name(),
                    "kernel": os.uname().release,
                    "python": ".".join(map(str, sys.version_info[:3])),
                    "haproxy": said("haproxy", "-v"),
                    "redis": said("redis-server", "--version"),
                    "docker": said("docker", "--version"),
                },
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
