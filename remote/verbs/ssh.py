"""`fab ssh`: the system's own ssh, by way of the gateway, with the pinned host keys, under an inhibitor."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from core.contract.network import SSH_PORT
from remote.machines.inventory import Inventory
from remote.machines.lease_client import Inhibitor, LeaseClient
from remote.machines.transport import Address, Machine
from remote.progress import Progress
from remote.verbs.wake import DOWN, reach, wake


def open_shell(inventory: Inventory, *, gateway: bool, command: str) -> int:
    """Run a shell (or `command`) on the machine; wakes the host first and inhibits its stop. Returns ssh's exit
    code.
    """
    progress = Progress(quiet=True)
    front = Machine(inventory.gateway or inventory.host)
    front.connect()
    if gateway or inventory.gateway is None:
        return _ssh(inventory.gateway or inventory.host, None, command)
    client = LeaseClient(front)
    with Inhibitor(client, "fab ssh", progress.say) as inhibitor:
        if inhibitor.take().state in DOWN:
            wake(client, "fab ssh", progress)
        host = Machine(inventory.host, front)
        with progress.during("host     is reached"):
            reach(host, client)
        host.close()
        return _ssh(inventory.host, inventory.gateway, command)


def _ssh(where: Address, through: Address | None, command: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        known = Path(folder) / "known_hosts"
        lines = [f"{a.address} {(a.pins / a.instance_id).read_text().strip()}\n" for a in (where, through) if a]
        known.write_text("".join(lines))
        options = ["-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR"]
        if not where.ssh_config:
            options += ["-F", "none"]
        if where.key:
            options += ["-i", where.key, "-o", "IdentitiesOnly=yes"]
        if through:
            jump = shlex.join(
                ["ssh", *options, "-p", str(SSH_PORT), "-W", "%h:%p", f"{through.user}@{through.address}"]
            )
            options += ["-o", f"ProxyCommand={jump}"]
        sys.stdout.flush()
        words = ["ssh", *options, "-p", str(SSH_PORT), f"{where.user}@{where.address}", *([command] if command else [])]
        return subprocess.run(words, check=False).returncode
