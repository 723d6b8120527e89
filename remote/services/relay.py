"""The relays on the gateway (or, without one, on the host), and the lease client in their environment.

There are two (ADR 29): a deployment drains one after the other, and the other takes those who come meanwhile.
"""

from __future__ import annotations

from typing import Final

from core.contract.documents import RelayConfig
from core.contract.paths import RELAY_APP, RELAY_CONFIG, RELAY_RUN_DIR, RELAY_UNIT, RELAY_UNITS, RELAY_VENV
from core.shipping import Program
from remote import templates
from remote.items import Item
from remote.items.files import File
from remote.items.system import User
from remote.items.units import Unit, digest_of
from remote.items.venvs import Venv, requirements
from remote.services import app

RELAY_USER: Final = "pilotlight"
RELAY_HOME: Final = "/var/lib/pilotlight/relay"
UNIT_DIR: Final = "/etc/systemd/system"


def items(config: RelayConfig) -> list[Item]:
    """User, code, environment, configuration and units; an edit of the lease client restarts nothing.

    The packages of HAProxy and Redis come before: their groups are named here.
    """
    tree = app.tree(Program.RELAY)
    venv = Venv(
        RELAY_VENV,
        requirements("relay"),
        ("aiohttp", "boto3", "jinja2", "redis", "prometheus_client", "jsonschema", "re2", "cronsim", "tzdata"),
        what="relay's environment",
    )
    document = File(RELAY_CONFIG, config.to_json().encode())
    unit = File(
        f"{UNIT_DIR}/{RELAY_UNIT.format(name='')}",
        templates.render(
            "pilotlight-relay@.service.j2",
            app=RELAY_APP,
            venv=RELAY_VENV,
            user=RELAY_USER,
            run_dir=RELAY_RUN_DIR.removeprefix("/run/"),
        ),
    )
    applied = digest_of((tree, venv, document, unit))
    return [
        User(RELAY_USER, RELAY_HOME, ("haproxy", "redis")),
        tree,
        app.tree(Program.LEASE_CLIENT),
        venv,
        document,
        unit,
        *(Unit(name, applied, drain_s=config.drain_s, slow=True) for name in RELAY_UNITS),
    ]
