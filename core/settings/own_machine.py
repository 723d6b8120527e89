"""What a stack on a machine of one's own (`host.kind: ssh`) cannot have, or has no use for: a line for each.

HAProxy and relay run on the machine itself, so `gateway` is none without being said.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from core.settings.checks import lets_the_internet_in
from core.settings.hosts import SshHost
from core.settings.model import StackSettings

_PREFIX: Final = "pilotlight:"
_NOT_YET: Final = "is not in this release for host.kind: ssh"


def settle(settings: StackSettings) -> StackSettings:
    """The settings, without the gateway that a stack on AWS has by default."""
    if isinstance(settings.host, SshHost) and "gateway" not in settings.model_fields_set:
        return settings.model_copy(update={"gateway": None})
    return settings


def problems(settings: StackSettings) -> Iterator[str]:
    """A line for each setting that would do nothing there, or that this release cannot do there."""
    said = settings.model_fields_set
    if settings.gateway is not None:
        yield f"{_PREFIX}gateway: HAProxy and relay run on the machine itself; another one {_NOT_YET}. Take it away"
    if "webui" in said and settings.webui.host != "none":
        yield f"{_PREFIX}webui: the chat page {_NOT_YET}. Take it away"
    if settings.budget is not None:
        yield f"{_PREFIX}budget: what your own machine costs is not known here, so a limit {_NOT_YET}. Take it away"
    if settings.notify.webhooks or settings.notify.email:
        yield f"{_PREFIX}notify {_NOT_YET}: what happens is told in the machine's journal alone. Take it away"
    if "control" in said:
        yield f"{_PREFIX}control has no effect: leases and reaper are on the machine itself. Take it away"
    if settings.cloud == "embedded":
        yield f"{_PREFIX}cloud has no effect: a machine of your own is in no cloud. Take it away"
    yield from _access(settings)


def _access(settings: StackSettings) -> Iterator[str]:
    access, has_use = settings.access, ("cidrs", "cors_origins")
    for name in sorted(access.model_fields_set.difference(has_use)):
        alias = type(access).model_fields[name].alias or name
        why = "who logs in is the machine's own business" if name == "ssh_cidrs" else f"TLS {_NOT_YET}"
        yield f"{_PREFIX}access.{alias} has no effect: {why}. Take it away"
    for index, cidr in enumerate(access.cidrs):
        if lets_the_internet_in(ipaddress.ip_network(cidr)):
            yield f'{_PREFIX}access.cidrs[{index}]: "{cidr}" lets the internet in without TLS; name ranges of callers'
