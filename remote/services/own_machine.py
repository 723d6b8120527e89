"""What a machine of one's own has beside engines and agent: the target that the engines start and stop with, the socket
that takes orders for it, the unit's settings, and the reaper. docs/adr/0034-your-own-machine.md
"""

from __future__ import annotations

from typing import Final

from core.contract.documents import ReaperConfig, UnitSettings
from core.contract.paths import (
    ENGINE_UNIT,
    ENGINES_TARGET,
    POWER_SOCKET,
    POWER_SOCKET_UNIT,
    POWER_UNIT,
    REAPER_APP,
    REAPER_CONFIG,
    REAPER_UNIT,
    RELAY_VENV,
    STACK_FILE,
    UNIT_SETTINGS,
)
from core.shipping import Program
from remote import templates
from remote.items import Item
from remote.items.files import File
from remote.items.system import NoOtherStack, NothingOfTheirs
from remote.items.units import Unit, digest_of
from remote.services import app, haproxy, redis
from remote.services.relay import RELAY_USER, UNIT_DIR

POWER_SCRIPT: Final = "/opt/pilotlight/power.sh"
PASS_EVERY_S: Final = 15  # on AWS a minute; a pass is a read of a file and a question to systemd


def first(stack: str) -> list[Item]:
    """Before anything is changed: nobody else's machine, and from now on this stack's."""
    theirs = NothingOfTheirs(STACK_FILE, (haproxy.UNIT, redis.PACKAGED_UNIT))
    return [NoOtherStack(STACK_FILE, stack), theirs, File(STACK_FILE, f"{stack}\n".encode())]


def before_engines() -> list[Item]:
    """The target, which an engine's unit names; then the door to it. The relay's user comes before."""
    target = File(f"{UNIT_DIR}/{ENGINES_TARGET}", templates.render(f"{ENGINES_TARGET}.j2"))
    engines = ENGINE_UNIT.format(name="*")
    script = File(POWER_SCRIPT, templates.render("power.sh.j2", target=ENGINES_TARGET, engines=engines))
    template = POWER_UNIT.format(name="")
    order = File(f"{UNIT_DIR}/{template}", templates.render(f"{template}.j2", script=POWER_SCRIPT))
    door = File(
        f"{UNIT_DIR}/{POWER_SOCKET_UNIT}",
        templates.render(f"{POWER_SOCKET_UNIT}.j2", door=POWER_SOCKET, group=RELAY_USER),
    )
    return [target, script, order, door, Unit(POWER_SOCKET_UNIT, digest_of((order, door)))]


def reaper(config: ReaperConfig, settings: UnitSettings) -> list[Item]:
    """Settings, code and unit of the reaper, in the relay's environment. It reads the settings anew in each pass."""
    tree = app.tree(Program.REAPER)
    document = File(REAPER_CONFIG, config.to_json().encode())
    unit = File(
        f"{UNIT_DIR}/{REAPER_UNIT}",
        templates.render(f"{REAPER_UNIT}.j2", app=REAPER_APP, venv=RELAY_VENV, user=RELAY_USER, every_s=PASS_EVERY_S),
    )
    return [
        File(UNIT_SETTINGS, settings.to_json().encode()),
        tree,
        document,
        unit,
        Unit(REAPER_UNIT, digest_of((tree, document, unit))),
    ]
