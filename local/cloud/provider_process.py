"""Keeps the Pulumi provider plug-in (`local/provider`) running beside the cloud, on the same ports over restarts."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Final

from core.errors import CloudError
from local.cloud.credentials import Credentials
from local.cloud.site import Site, aws_environment

log = logging.getLogger(__name__)

MODULE: Final = "local.provider"
_READY_S: Final = 30.0
_PAUSE_S: Final = 1.0  # before a restart, so that a provider that cannot start does not spin


class Provider:
    """The plug-in's process. `ports` maps a Pulumi package to the port that serves it."""

    def __init__(self, site: Site, credentials: Credentials) -> None:
        self._credentials = credentials
        self._site = site
        self._port_file = site.folder / "provider.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()
        self.ports: dict[str, int] = {}
        self.note = ""

    def start(self) -> None:
        """Start it and wait for its ports; without a plug-in in the checkout only a note is left."""
        if importlib.util.find_spec(f"{MODULE}.__main__") is None:
            self.note = f"{MODULE} is not in this checkout: pulumi cannot be used with this cloud"
            return
        self._process = self._spawn()
        self.ports = self._read_ports()
        threading.Thread(target=self._supervise, name="provider", daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._closing.set()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def report(self) -> dict[str, Any]:
        """For the status."""
        running = self._process is not None and self._process.poll() is None
        return {"running": running, "ports": self.ports, "note": self.note}

    def _spawn(self) -> subprocess.Popen[bytes]:
        fixed = [argument for package, port in self.ports.items() for argument in (f"--{package}-port", str(port))]
        command = [sys.executable, "-m", MODULE, "--host", "127.0.0.1", "--port-file", str(self._port_file), *fixed]
        environment = {
            **os.environ,
            **aws_environment(self._site, self._credentials),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        with Path(self._site.state, "provider.log").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._site.checkout,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _read_ports(self) -> dict[str, int]:
        """The ports that it wrote: {"aws": port, "random": port}."""
        assert self._process is not None
        until = time.monotonic() + _READY_S
        while time.monotonic() < until and self._process.poll() is None:
            if self._port_file.exists() and (text := self._port_file.read_text()).strip():
                return {str(package): int(port) for package, port in json.loads(text).items()}
            time.sleep(0.05)
        raise CloudError(f"The Pulumi provider did not start. Its log: {self._site.state}/provider.log")

    def _supervise(self) -> None:
        while self._process is not None and not self._closing.is_set():
            code = self._process.wait()
            if self._closing.wait(_PAUSE_S):
                return
            log.error("the Pulumi provider ended with %s; it is started again", code)
            self._process = self._spawn()
