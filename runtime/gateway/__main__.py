"""The relay: `python -m runtime.gateway --config /etc/pilotlight/relay.json`, as the unit pilotlight-relay runs it.

One process, one event loop: the HTTP server on the loopback and the watch. Where the watch dies, the process ends
with 1 and systemd starts it again; meanwhile awake traffic goes on, since HAProxy forwards it alone.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path

from aiohttp import web

from core.contract.documents import Place, RelayConfig
from core.contract.network import INNER_PORT, RELAY_PORT
from core.contract.paths import (
    HAPROXY_SOCKET,
    KEYS_FILE,
    REDIS_PASSWORD,
    REDIS_SOCKET,
    RELAY_CONFIG,
    ROUTES_MAP,
    SESSION_SECRET,
)
from core.errors import ContractError, PilotlightError
from runtime import backends, logs
from runtime.backends import Backend
from runtime.backends.power import PowerUnanswered
from runtime.gateway.api.app import Relay, make_app
from runtime.gateway.api.forward import Engines
from runtime.gateway.api.serving import listening
from runtime.gateway.dashboard.opened import dashboard
from runtime.gateway.redis import Redis
from runtime.gateway.unit import Unit
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
        config = _read(options.config)
    except PilotlightError as error:
        print(error, file=sys.stderr)  # noqa: T201 - one plain message for whoever starts it by hand
        return 1
    return asyncio.run(_serve(config, options))


async def _serve(config: RelayConfig, options: argparse.Namespace) -> int:
    """Until a signal, or until the watch is dead: a relay without it would queue callers for ever."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    deaths: list[BaseException] = []

    def dead(error: BaseException) -> None:
        deaths.append(error)
        stop.set()

    async with listening(await _application(config, options, dead), options.port):
        await stop.wait()
    return 1 if deaths else 0


async def _application(
    config: RelayConfig, options: argparse.Namespace, dead: Callable[[BaseException], None]
) -> web.Application:
    opened = {place: backends.open(place) for place in {unit.place for unit in config.units}}
    units = _units(config, options, opened)
    engines = Engines(f"http://127.0.0.1:{options.inner_port}")
    redis = Redis(options.redis, options.redis_password)
    limits = Limits(Keys(options.keys), redis, {e.name: e.context_tokens for e in config.engines})
    targets = {unit.name: unit for unit in units}
    app = make_app(Relay(config, targets=targets, engines=engines, redis=redis, limits=limits))
    files = {"keys": options.keys, "session_secret": options.session_secret}
    page = dashboard(config, units, opened, limits.ledger, **files)
    page.add_to(app)

    async def lifetime(_: web.Application) -> AsyncIterator[None]:
        prepared = [asyncio.create_task(_prepare(backend)) for backend in opened.values()]  # callers are answered
        tasks = [asyncio.create_task(unit.run(), name=f"watch {unit.name}") for unit in units]
        for task in tasks:
            task.add_done_callback(lambda task: _end_if_dead(task, dead))
        beside = [asyncio.create_task(redis.run(), name="redis"), asyncio.create_task(limits.run(), name="limits")]
        for task in beside:
            task.add_done_callback(lambda task: _end_if_dead(task, dead))
        yield
        for each in (*prepared, *tasks, *beside):
            each.cancel()
        await engines.close()
        await limits.close()
        await redis.close()

    async def closing(_: web.Application) -> None:
        page.close()
        for unit in units:
            unit.close()

    app.cleanup_ctx.append(lifetime)
    app.on_shutdown.append(closing)
    return app


def _units(config: RelayConfig, options: argparse.Namespace, opened: Mapping[Place, Backend]) -> list[Unit]:
    places = Places(config.queue_max, units=len(config.units))
    return [
        Unit(
            config,
            unit,
            store=opened[unit.place].leases,
            power=opened[unit.place].power,
            routes=Routes(unit.services, socket=options.socket, path=options.routes),
            places=places,
            invoke_reaper=partial(opened[unit.place].ask_reaper, unit.unit),
            given_up=opened[unit.place].given_up,
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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m runtime.gateway", description=__doc__)
    parser.add_argument("--config", default=RELAY_CONFIG)
    parser.add_argument("--port", type=int, default=RELAY_PORT)
    parser.add_argument("--inner-port", type=int, default=INNER_PORT, help="HAProxy's inner frontend")
    parser.add_argument("--socket", default=HAPROXY_SOCKET, help="HAProxy's admin socket")
    parser.add_argument("--keys", default=KEYS_FILE, help="API keys: their limits, and who may log in to the dashboard")
    parser.add_argument("--session-secret", default=SESSION_SECRET, help="made where it is missing")
    parser.add_argument("--routes", default=ROUTES_MAP, help="the map's name in HAProxy")
    parser.add_argument("--redis", default=REDIS_SOCKET, help="Redis's unix socket")
    parser.add_argument("--redis-password", default=REDIS_PASSWORD, help="the file with its password")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
