"""`python -m runtime.agent`: the loop, until systemd ends it. Logs are one JSON object a line, for the journal."""

from __future__ import annotations

import logging
import sys
import time

from core.contract.documents import HostConfig
from core.errors import PilotlightError
from runtime import backends
from runtime.agent.admission import Admission
from runtime.agent.agent import Agent
from runtime.agent.engines import Engine
from runtime.agent.idle_check import connections_to
from runtime.agent.program import begin, machine_of
from runtime.agent.sessions import Sessions
from runtime.agent.shutdown_report import Shipper
from runtime.agent.table_seen import Heard
from runtime.backends import Backend


def main() -> int:
    """Run until SIGTERM. A configuration that cannot be read is one message and exit code 2; no credentials for minutes
    are one and exit code 1, so that systemd starts a fresh process.
    """
    try:
        config = begin("runtime.agent", "The host's agent.")
        backend = backends.open(config.place)
        agent = _agent(config, backend)
    except PilotlightError as error:
        logging.getLogger("pilotlight.agent").error("%s", error)
        return 2
    while not (why := backend.given_up()):
        time.sleep(agent.tick())
    logging.getLogger("pilotlight.agent").error("%s", why)
    return 1


def _agent(config: HostConfig, backend: Backend) -> Agent:
    engines = [Engine(e) for e in config.engines]
    admission = Admission([e.port for e in engines])
    machine = machine_of(config)
    return Agent(
        config,
        backend.leases,
        machine,
        engines,
        admission=admission,
        connections=connections_to,
        heard=Heard().write,
        shutdown_report=Shipper(config, backend.leases, machine),
        instance_type=backend.instance_type,
        sessions=None if config.stays_on else Sessions(),  # who works on a machine that stays on loses nothing
    )


if __name__ == "__main__":
    sys.exit(main())
