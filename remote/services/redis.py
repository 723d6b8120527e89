"""Redis beside the relay: what several requests must agree on. Counts of tokens and requests, and cached answers.

The distribution's `redis-server`, with a configuration and a unit of our own (the package's file stays as it is, so
that its security updates ask nobody), on a unix socket alone. Why it is configured as it is stands in the template;
what may be evicted, and why, in docs/adr/0022-redis-on-the-gateway.md.
"""

from __future__ import annotations

from typing import Final

from core.contract.paths import ETC, REDIS_DATA, REDIS_PASSWORD, REDIS_SOCKET, REDIS_UNIT, RELAY_UNITS
from remote import templates
from remote.items import STAMPS, Item
from remote.items.files import File
from remote.items.secrets import DrawnSecret
from remote.items.units import Off, Unit, digest_of

PACKAGE: Final = "redis-server"
PACKAGED_UNIT: Final = "redis-server.service"  # on a TCP port, without a password
CONFIG: Final = f"{ETC}/redis.conf"
USER: Final = "redis"
UNIT_FILE: Final = f"/etc/systemd/system/{REDIS_UNIT}"


def items(data_unit: str = "") -> list[Item]:
    """Password, configuration and unit; the package comes before. `data_unit` mounts the volume with its data."""
    password = DrawnSecret(
        REDIS_PASSWORD, "requirepass ", USER, tuple(f"{STAMPS}/{u}" for u in (REDIS_UNIT, *RELAY_UNITS))
    )
    config = File(
        CONFIG, templates.render("redis.conf.j2", password=REDIS_PASSWORD, socket=REDIS_SOCKET, data=REDIS_DATA)
    )
    unit = File(
        UNIT_FILE,
        templates.render(
            "pilotlight-redis.service.j2",
            config=CONFIG,
            data=REDIS_DATA,
            socket=REDIS_SOCKET,
            data_unit=data_unit,
        ),
    )
    return [Off(PACKAGED_UNIT, PACKAGE), password, config, unit, Unit(REDIS_UNIT, digest_of((config, unit)))]
