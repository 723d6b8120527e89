"""What each machine of a stack should have, as items in the order in which they are made.

Pure but for reading templates, requirement lists and the checkout's own code.
"""

from __future__ import annotations

from typing import Final

from core.contract.documents import Outputs
from core.contract.paths import DATA_UNIT, ENGINES_TARGET
from remote.items import Item
from remote.items.system import Packages
from remote.items.venvs import Uv
from remote.machines.inventory import LOOPBACK, Inventory
from remote.services import agent, certificates, data_volume, engine, haproxy, own_machine, redis, relay, webui

HOST_PACKAGES: Final = ("python3-venv", "nftables", "iproute2", "numactl", "libgomp1", *engine.COMPILERS)
FRONT_PACKAGES: Final = ("haproxy", redis.PACKAGE)
GATEWAY_PACKAGES: Final = ("python3-venv", *FRONT_PACKAGES)


def host(inventory: Inventory) -> list[Item]:
    """The host: metadata wall, agent's code, engines, then the agent, which begins the lease's life."""
    users = ("root",) if inventory.gateway else ("root", relay.RELAY_USER)
    front = [] if inventory.gateway else _front(inventory)
    own = inventory.own_machine
    return [
        *(own_machine.first(inventory.stack) if own else ()),
        Packages(HOST_PACKAGES + (() if inventory.gateway else FRONT_PACKAGES)),
        Uv(),
        *front,
        *agent.metadata(users),
        *agent.code(),
        *(own_machine.before_engines() if own else ()),
        *engine.items(
            inventory.specs(), ENGINES_TARGET if own else "", queue_timeout_s=inventory.settings.queue_timeout
        ),
        *agent.items(inventory.host_config()),
        *(own_machine.reaper(own.reaper, own.settings) if own else ()),
    ]


def data(inventory: Inventory) -> list[Item]:
    """The gateway's data volume, mounted before anything is planned: what lies on it decides about the rest."""
    return data_volume.items(inventory.volume_id)


def gateway(inventory: Inventory) -> list[Item]:
    """The gateway: its volume, HAProxy, Redis, the relay, and its domain's certificate. Nothing without a gateway."""
    if inventory.gateway is None:
        return []
    access, address = inventory.settings.access, inventory.outputs[Outputs.GATEWAY_ADDRESS]
    return [
        *data(inventory),
        *certificates.before(access, address),
        Packages(GATEWAY_PACKAGES + (("openssl",) if access.domain else ())),
        Uv(),
        *certificates.before_haproxy(access),
        *_front(inventory),
        *certificates.items(access, address),
    ]


def chat(inventory: Inventory, role: str) -> list[Item]:
    """The chat page on the machine of this role (host, gateway), or what takes it away from there."""
    page = inventory.page
    if page is None or inventory.settings.chat_on != role:
        return webui.absent(keys_here=page is None and role == "gateway")
    users, host = ("root", relay.RELAY_USER), inventory.outputs[Outputs.HOST_PRIVATE_IP]
    wall = agent.metadata(users, engines_at=host) if role == "gateway" else []
    return [*wall, *webui.items(page, agent.METADATA_UNIT)]


def _front(inventory: Inventory) -> list[Item]:
    address = inventory.outputs[Outputs.HOST_PRIVATE_IP] if inventory.gateway else LOOPBACK
    page, access = inventory.page, inventory.settings.access
    tls = haproxy.Tls(access.domain, access.cidrs, acme=access.by_acme) if access.domain else None
    door = haproxy.items(
        inventory.engines(address),
        inventory.services(),
        page.address if page else "",
        chat_sleeps=inventory.settings.chat_on == "host",
        chat_files=inventory.settings.webui.documents != "off",
        cors_origins=access.cors_origins,
        tls=tls,
        callers=inventory.callers,
    )
    return [*door, *redis.items(DATA_UNIT if inventory.volume_id else ""), *relay.items(inventory.relay_config())]
