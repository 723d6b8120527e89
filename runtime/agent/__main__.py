"""`python -m runtime.agent`: the loop, until systemd ends it. Logs are one JSON object a line, for the journal."""

from __future__ import annotations

import logging
import sys
import time

from core.contract.documents import HostConfig
from core.errors import PilotlightError
from runtime import aws
from runtime.agent.admission import Admission
from runtime.agent.agent import Agent
from runtime.agent.engines import Engine
from runtime.agent.idle_check import connections_to
from runtime.agent.machine import Machine
from runtime.agent.program import begin
from runtime.agent.sessions import Sessions
from runtime.agent.shutdown_report import Shipper
from runtime.agent.table_seen import Heard
from runtime.backends.leases.dynamodb import DynamoLeaseStore
from runtime.backends.power.metadata import instance_type


def main() -> int:
    """Run until SIGTERM. A configuration that cannot be read is one message and exit code 2; no credentials for minutes
    are one and exit code 1, so that systemd starts a fresh process.
    """
    try:
        agent = _agent(begin("runtime.agent", "The host's agent."))
    except PilotlightError as error:
        logging.getLogger("pilotlight.agent").error("%s", error)
        return 2
    while not (why := aws.given_up()):
        time.sleep(agent.tick())
    logging.getLogger("pilotlight.agent").error("%s", why)
    return 1


def _agent(config: HostConfig) -> Agent:
    engines = [Engine(e) for e in config.engines]
    admission = Admission([e.port for e in engines])
    store = DynamoLeaseStore(config.table, config.region)
    machine = Machine()
    return Agent(
        config,
        store,
        machine,
        engines,
        admission=admission,
        connections=connections_to,
        heard=Heard().write,
        shutdown_report=Shipper(config, store, machine),
        instance_type=instance_type,
        sessions=Sessions(),
    )


if __name__ == "__main__":
    sys.exit(main())
