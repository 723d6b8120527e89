"""`python -m local.provider --port-file FILE`: serve the stand-ins for `aws` and `random` until told to stop.

FILE gets `{"aws": port, "random": port}` once both listen; PULUMI_DEBUG_PROVIDERS=aws:<port>,random:<port> attaches
them to a `pulumi` process.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from core.errors import PilotlightError
from local.provider.aws import embedded_endpoint
from local.provider.server import VERSIONS, serve


def main(arguments: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; 1 with a message where the environment is not an embedded cloud's."""
    parser = argparse.ArgumentParser(prog="python -m local.provider", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port-file", required=True, type=Path, help="written once both plug-ins listen")
    for package in VERSIONS:
        parser.add_argument(f"--{package}-port", type=int, default=0, help=f"port of {package}; 0: any that is free")
    chosen = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        endpoint = embedded_endpoint(os.environ)
        ports = {package: getattr(chosen, f"{package}_port") for package in VERSIONS}
        running = {package: serve(package, chosen.host, endpoint, port) for package, port in ports.items()}
    except PilotlightError as error:
        print(error, file=sys.stderr)
        return 1
    _announce(chosen.port_file, {package: port for package, (_, port) in running.items()})
    _wait_for_end()
    for server, _ in running.values():
        server.stop(grace=5)
    return 0


def _announce(path: Path, ports: dict[str, int]) -> None:
    """Write whole or not at all: readers poll for the file."""
    draft = path.with_name(path.name + ".new")
    draft.write_text(json.dumps(ports))
    draft.replace(path)


def _wait_for_end() -> None:
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    end.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
