"""HAProxy, the front door: configuration from `templates/haproxy.cfg.j2` (its head says which variables), maps, unit.

Routes and keys change by the admin socket while it runs; the files are what a fresh start reads. On disk every route
says "relay": only a running relay that has read RUNNING opens them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from core.contract import dialects, network, paths
from core.contract.documents import EngineAddress, ServiceRoute
from core.contract.network import BACKEND_RELAY
from core.contract.paths import ROUTES_MAP
from remote import templates
from remote.items import Item
from remote.items.files import File
from remote.items.keys import KeysFile
from remote.items.system import PortFree
from remote.items.units import Unit, digest_of

CONFIG: Final = "/etc/haproxy/haproxy.cfg"
UNIT: Final = "haproxy.service"
PROGRAM: Final = "haproxy"
CHAT_WAITING: Final = f"{paths.ETC}/chat-waiting.html"


@dataclass(frozen=True)
class Tls:
    """The gateway's name, and who may be sent on to it from port 80. `acme`: the certificate comes by ACME."""

    domain: str
    cidrs: tuple[str, ...]
    acme: bool


def config(
    engines: Sequence[EngineAddress],
    chat: str = "",
    cors_origins: Sequence[str] = (),
    tls: Tls | None = None,
    callers: Sequence[str] | None = None,
    *,
    banners: bool = False,
    files: bool = True,
) -> bytes:
    """The configuration for engines at the addresses that HAProxy reaches, and for a chat page at `chat`.

    `cors_origins`: whose pages may call the API from a browser. With `tls` callers get TLS only. `callers`: the address
    ranges that may connect, beside the machine itself; None: a security group in front of it knows. `banners`: a relay
    says at the chat page what the host does. `files`: people may upload files there.
    """
    waiting, origins = CHAT_WAITING if chat else "", list(cors_origins)
    return templates.render(
        "haproxy.cfg.j2",
        network=network,
        paths=paths,
        dialects=dialects,
        engines=list(engines),
        chat=chat,
        waiting=waiting,
        banners=banners,
        files=files,
        cors_origins=origins,
        tls=tls,
        callers=callers,
    )


def routes(services: Sequence[ServiceRoute]) -> bytes:
    """routes.map as it lies on disk: every service → relay."""
    return "".join(f"{s.name} {BACKEND_RELAY}\n" for s in sorted(services, key=lambda s: s.name)).encode()


def items(
    engines: Sequence[EngineAddress],
    services: Sequence[ServiceRoute],
    chat: str = "",
    *,
    chat_sleeps: bool = False,
    chat_files: bool = True,
    cors_origins: Sequence[str] = (),
    tls: Tls | None = None,
    callers: Sequence[str] | None = None,
) -> list[Item]:
    """Maps, configuration (checked by HAProxy itself before it takes its place) and unit.

    `chat` is the address of the chat page; with `chat_sleeps` it is off while the host is; without `chat_files` it
    takes no files.
    """
    banners = bool(chat) and not chat_sleeps
    table = File(ROUTES_MAP, routes(services), mode=0o640, group="haproxy")
    page = File(CHAT_WAITING, templates.render("chat-waiting.html.j2", asleep=chat_sleeps))
    text = config(engines, chat, cors_origins, tls, callers, banners=banners, files=chat_files)
    file = File(CONFIG, text, check='haproxy -c -q -f "$1" 2>&1')
    files = (page, table, file) if chat else (table, file)
    ports = [PortFree(port, (PROGRAM,)) for port in _ports(chat=bool(chat), tls=tls is not None)]
    return [*ports, KeysFile(), *files, Unit(UNIT, digest_of(files), reload=True)]


def _ports(*, chat: bool, tls: bool) -> Iterator[int]:
    """Those on which HAProxy listens for callers."""
    yield network.API_PORT
    yield network.API_LOCAL_PORT
    if chat:
        yield network.CHAT_PORT
    if tls:
        yield network.HTTP_PORT
    if tls and chat:
        yield network.HTTPS_PORT
