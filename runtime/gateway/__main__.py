"""A relay: `python -m runtime.gateway --name a`, as the units pilotlight-relay@a and @b run it (ADR 29).

One process, one event loop: the HTTP server on the loopback and the watch. Where the watch dies, the process ends
with 1 and systemd starts it again; meanwhile the other relay goes on, and HAProxy forwards awake traffic alone.

SIGUSR1: take no new requests, and end when the last one here has been answered. SIGTERM: end within seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from core.contract.documents import Place, RelayConfig
from core.contract.network import INNER_PORT, RELAY_PORTS, WEBUI_PORT
from core.contract.paths import (
    HAPROXY_SOCKET,
    KEYS_FILE,
    REDIS_PASSWORD,
    REDIS_SOCKET,
    RELAY_CONFIG,
    RELAY_RUN_DIR,
    ROUTES_MAP,
    SESSION_SECRET,
)
from core.errors import ContractError, PilotlightError
from runtime import backends, logs
from runtime.backends import Backend
from runtime.backends.power import PowerUnanswered
from runtime.gateway.api.app import Relay, make_app
from runtime.gateway.api.banners import Banners
from runtime.gateway.api.forward import Engines
from runtime.gateway.api.marks import Marks
from runtime.gateway.api.serving import listening
from runtime.gateway.dashboard.opened import dashboard
from runtime.gateway.redis import Redis
from runtime.gateway.siblings import Siblings
from runtime.gateway.unit import Unit
from runtime.gateway.unit.acting import Lock
from runtime.gateway.unit.queue import Places
from runtime.gateway.unit.routes import Routes
from runtime.gateway.unit.watch import GivenUp
from runtime.gateway.usage.keys import Keys
from runtime.gateway.usage.limits import Limits

log = logging.getLogger("relay")


def main() -> int:
    """Read the configuration and serve until told to stop."""
    options = _options()
    logs.configure()
    try:
        config, marks = _read(options.config), _marks(options.run_dir)
    except PilotlightError as error:
        print(error, file=sys.stderr)  # noqa: T201 - one plain message for whoever starts it by hand
        return 1
    return asyncio.run(_serve(config, options, marks))


@dataclass(frozen=True)
class Parts:
    """What a relay is made of."""

    app: web.Application
    relay: Relay
    units: Sequence[Unit]


async def _serve(config: RelayConfig, options: argparse.Namespace, marks: Marks) -> int:
    """Until a signal, or until the watch is dead: a relay without it would queue callers for ever."""
    stop, drain, loop = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, drain.set)
    deaths: list[BaseException] = []

    def dead(error: BaseException) -> None:
        deaths.append(error)
        stop.set()

    parts = await _parts(config, options, marks, dead)
    async with listening(parts.app, options.port):
        await _first(stop.wait(), _live(parts, drain, config.drain_s))
    return 1 if deaths else 0


async def _first(*ways: Coroutine[Any, Any, object]) -> None:
    """Return when one of them has ended."""
    tasks = [asyncio.create_task(way) for way in ways]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    for task in done:
        task.result()


async def _live(parts: Parts, drain: asyncio.Event, limit_s: float) -> None:
    """From the moment at which HAProxy knows of this relay until it was told to drain, and has."""
    await parts.relay.intake.known()
    _tell_systemd("READY=1")
    await drain.wait()
    for unit in parts.units:
        unit.end()
    log.info("drains", extra={"facts": {"limit_s": limit_s}})
    left = await parts.relay.intake.close(limit_s)
    log.info("drained", extra={"facts": {"cut": left}})


def _tell_systemd(words: str) -> None:
    """sd_notify(3). Nothing where systemd does not listen."""
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as door:
            door.sendto(words.encode(), address.replace("@", "\0", 1) if address.startswith("@") else address)


async def _parts(
    config: RelayConfig, options: argparse.Namespace, marks: Marks, dead: Callable[[BaseException], None]
) -> Parts:
    opened = {place: backends.open(place) for place in {unit.place for unit in config.units}}
    siblings = Siblings(Path(options.run_dir), options.name)
    units = _units(config, options, opened, siblings)
    engines = Engines(f"http://127.0.0.1:{options.inner_port}")
    redis = Redis(options.redis, options.redis_password)
    limits = Limits(Keys(options.keys), redis, {e.name: e.context_tokens for e in config.engines})
    targets = {unit.name: unit for unit in units}
    relay = Relay(config, targets=targets, engines=engines, redis=redis, limits=limits, marks=marks)
    app = make_app(relay)
    files = {"keys": options.keys, "session_secret": options.session_secret}
    page = dashboard(config, units, opened, limits.ledger, **files)
    page.add_to(app)
    firsts = {unit.unit: unit.engines[0].name for unit in config.units}
    told = Banners(targets, firsts, config.chat_url, f"http://127.0.0.1:{options.webui_port}")
    told.add_to(app)

    def look() -> None:
        for unit in units:
            unit.look()

    async def lifetime(_: web.Application) -> AsyncIterator[None]:
        prepared = [asyncio.create_task(_prepare(backend)) for backend in opened.values()]  # callers are answered
        tasks = [asyncio.create_task(unit.run(), name=f"watch {unit.name}") for unit in units]
        for task in tasks:
            task.add_done_callback(lambda task: _end_if_dead(task, dead))
        beside = [asyncio.create_task(redis.run(), name="redis"), asyncio.create_task(limits.run(), name="limits")]
        beside.append(asyncio.create_task(marks.sweep_for_ever(), name="marks"))
        for task in beside:
            task.add_done_callback(lambda task: _end_if_dead(task, dead))
        async with siblings.heard(look):
            yield
        for each in (*prepared, *tasks, *beside):
            each.cancel()
        await engines.close()
        await told.close()
        await limits.close()
        await redis.close()

    async def closing(_: web.Application) -> None:
        page.close()
        for unit in units:
            unit.close()

    app.cleanup_ctx.append(lifetime)
    app.on_shutdown.append(closing)
    return Parts(app, relay, units)


def _units(
    config: RelayConfig, options: argparse.Namespace, opened: Mapping[Place, Backend], siblings: Siblings
) -> list[Unit]:
    places = Places(config.places, units=len(config.units))
    return [
        Unit(
            config,
            unit,
            store=opened[unit.place].leases,
            power=opened[unit.place].power,
            routes=Routes(unit.services, socket=options.socket, path=options.routes),
            acting=Lock(Path(options.run_dir), unit.unit),
            places=places,
            invoke_reaper=partial(opened[unit.place].ask_reaper, unit.unit),
            given_up=opened[unit.place].given_up,
            tell_others=siblings.tell,
        )
        for unit in config.units
    ]


async def _prepare(backend: Backend) -> None:
    """Clients for a later wake; a metadata service that is late is no reason to keep callers waiting."""
    try:
        await asyncio.to_thread(backend.prepare)
    except PowerUnanswered as error:
        log.warning("power", extra={"facts": {"error": str(error)}})


def _end_if_dead(task: asyncio.Task[None], dead: Callable[[BaseException], None]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    if isinstance(error, GivenUp):
        log.error("%s", error)
    else:
        log.error("watch died", exc_info=error)
    dead(error)


def _read(path: str) -> RelayConfig:
    try:
        return RelayConfig.from_json(Path(path).read_text())
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror}. Run `fab deploy`.") from error


def _marks(run_dir: str) -> Marks:
    try:
        return Marks(Path(run_dir) / "sent")
    except OSError as error:
        raise ContractError(f"Cannot write in {run_dir}: {error.strerror}. Run `fab deploy`.") from error


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m runtime.gateway", description=__doc__)
    parser.add_argument("--config", default=RELAY_CONFIG)
    parser.add_argument("--name", choices=list(RELAY_PORTS), default="a", help="which of the gateway's relays")
    parser.add_argument("--port", type=int, help="default: the name's own")
    parser.add_argument("--run-dir", default=RELAY_RUN_DIR, help="what the relays tell each other")
    parser.add_argument("--inner-port", type=int, default=INNER_PORT, help="HAProxy's inner frontend")
    parser.add_argument("--webui-port", type=int, default=WEBUI_PORT, help="the chat page, where it runs here")
    parser.add_argument("--socket", default=HAPROXY_SOCKET, help="HAProxy's admin socket")
    parser.add_argument("--keys", default=KEYS_FILE, help="API keys: their limits, and who may log in to the dashboard")
    parser.add_argument("--session-secret", default=SESSION_SECRET, help="made where it is missing")
    parser.add_argument("--routes", default=ROUTES_MAP, help="the map's name in HAProxy")
    parser.add_argument("--redis", default=REDIS_SOCKET, help="Redis's unix socket")
    parser.add_argument("--redis-password", default=REDIS_PASSWORD, help="the file with its password")
    options = parser.parse_args()
    options.port = options.port or RELAY_PORTS[options.name]
    return options


if __name__ == "__main__":
    sys.exit(main())
