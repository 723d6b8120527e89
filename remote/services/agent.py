"""The agent on the host, the dead-man's switch beside it, and the wall around the instance's metadata."""

from __future__ import annotations

from typing import Final

from core import sessions
from core.contract.documents import HostConfig
from core.contract.network import ENGINE_PORT_FIRST, ENGINE_PORT_LAST
from core.contract.paths import AGENT_APP, AGENT_CONFIG, AGENT_UNIT, AGENT_VENV, DEAD_MAN_UNIT
from core.shipping import Program
from remote import templates
from remote.items import Item
from remote.items.files import File
from remote.items.units import Unit, digest_of
from remote.items.venvs import Venv, requirements
from remote.services import app

LOGIN_SCRIPT: Final = "/etc/profile.d/pilotlight.sh"
UNIT_DIR: Final = "/etc/systemd/system"
METADATA_UNIT: Final = "pilotlight-metadata.service"
METADATA_WATCH_UNIT: Final = "pilotlight-metadata-watch.service"
METADATA_SCRIPT: Final = "/opt/pilotlight/metadata-guard.sh"


def metadata(users: tuple[str, ...], engines_at: str = "") -> list[Item]:
    """Only these users reach the instance's metadata, from boot on, whatever happens to the firewall meanwhile.

    `engines_at`: the host's address, on a gateway with containers that are not to reach its engines.
    """
    ports = {"first": ENGINE_PORT_FIRST, "last": ENGINE_PORT_LAST}
    script = File(
        METADATA_SCRIPT, templates.render("metadata-guard.sh.j2", users=users, engines_at=engines_at, **ports)
    )
    unit, watch = (
        File(f"{UNIT_DIR}/{name}", templates.render(f"{name}.j2", users=users, script=METADATA_SCRIPT))
        for name in (METADATA_UNIT, METADATA_WATCH_UNIT)
    )
    return [
        script,
        unit,
        watch,
        Unit(METADATA_UNIT, digest_of((script, unit)), reload=True),
        Unit(METADATA_WATCH_UNIT, digest_of((script, watch))),
    ]


def login_message() -> File:
    """Who logs in with a terminal reads what keeps the host on."""
    lines = "\n".join(f"  echo '{line}'" for line in sessions.login_message().splitlines())
    return File(LOGIN_SCRIPT, f"# Made by `fab deploy`.\nif [ -t 1 ]; then\n{lines}\nfi\n".encode())


def code() -> list[Item]:
    """The agent's code and its environment; they may be there before anything starts."""
    return [app.tree(Program.AGENT), Venv(AGENT_VENV, requirements("agent"), ("boto3",), what="agent's environment")]


def items(config: HostConfig) -> list[Item]:
    """The agent's configuration and unit; it starts only under an inhibitor, since from then on the lease lives. Then
    the switch, from the same files: it hears of the table by the agent, so it comes last.
    """
    tree, venv = app.tree(Program.AGENT), Venv(AGENT_VENV, requirements("agent"), ("boto3",))
    document = File(AGENT_CONFIG, config.to_json().encode())
    unit = File(
        f"{UNIT_DIR}/{AGENT_UNIT}", templates.render("pilotlight-agent.service.j2", app=AGENT_APP, venv=AGENT_VENV)
    )
    running = Unit(AGENT_UNIT, digest_of((tree, venv, document, unit)), wait_for_inhibitor=True)
    switch = File(
        f"{UNIT_DIR}/{DEAD_MAN_UNIT}",
        templates.render("pilotlight-dead-man.service.j2", app=AGENT_APP, venv=AGENT_VENV),
    )
    return [
        *([] if config.stays_on else [login_message()]),
        document,
        unit,
        running,
        switch,
        Unit(DEAD_MAN_UNIT, digest_of((tree, venv, document, switch))),
    ]
