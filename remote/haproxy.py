"""HAProxy, the front door: configuration from `templates/haproxy.cfg.j2` (its head says which variables), maps, unit.

Routes and keys change by the admin socket while it runs; the files are what a fresh start reads. On disk every route
says "relay": only a running relay that has read RUNNING opens them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from core import contract
from core.contract import BACKEND_RELAY, KEYS_MAP, ROUTES_MAP, EngineAddress, ServiceRoute
from remote import templates
from remote.items import Item
from remote.items.files import File
from remote.items.keys import KeysFile
from remote.items.units import Unit, digest_of

CONFIG: Final = "/etc/haproxy/haproxy.cfg"
UNIT: Final = "haproxy.service"


def config(engines: Sequence[EngineAddress]) -> bytes:
    """The configuration for engines at the addresses that HAProxy reaches."""
    return templates.render("haproxy.cfg.j2", contract=contract, engines=list(engines))


def routes(services: Sequence[ServiceRoute]) -> bytes:
    """routes.map as it lies on disk: every service → relay."""
    return "".join(f"{s.name} {BACKEND_RELAY}\n" for s in sorted(services, key=lambda s: s.name)).encode()


def items(engines: Sequence[EngineAddress], services: Sequence[ServiceRoute]) -> list[Item]:
    """Maps, configuration (checked by HAProxy itself before it takes its place) and unit."""
    table = File(ROUTES_MAP, routes(services), mode=0o640, group="haproxy")
    file = File(CONFIG, config(engines), check='haproxy -c -q -f "$1" 2>&1')
    return [KeysFile(KEYS_MAP), table, file, Unit(UNIT, digest_of((table, file)), reload=True)]
