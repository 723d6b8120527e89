"""What the chat page tells at its top of the host, before anybody has asked: off, starting, or not to be had.

Open WebUI (0.12.4) shows banners above an empty chat, and asks its server for them once, when the page is opened.
HAProxy sends that one request here. We ask Open WebUI with the person's own session, so that it refuses strangers
and an admin's banners stay, and put ours before them. While a message waits, `waiting.py` says more. ADR 36 has the
reasons.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from core.contract.network import API_PORT, WEBUI_BANNERS
from core.times import durations
from runtime.gateway.api.waiting import rounded
from runtime.gateway.errors import Refusal
from runtime.gateway.target import Target

log = logging.getLogger(__name__)

OURS: Final = "pilotlight-"  # an id of ours begins so
TIMEOUT: Final = aiohttp.ClientTimeout(total=5.0)
_SESSION: Final = ("Authorization", "Cookie")  # Open WebUI knows a person by either
_GOING_DOWN: Final = ("stopped", "stopping", "failed")
_COMING_UP: Final = ("new", "starting")
_OPENED: Final = "When you opened this page the machine was"  # it is not told again what became of it since
Banner = dict[str, Any]


class Banners:
    """The handler. `page_url` is Open WebUI on this machine; `chat_url` is where people find it."""

    def __init__(self, targets: Mapping[str, Target], engines: Mapping[str, str], chat_url: str, page_url: str) -> None:
        """`engines`: one engine of each unit, by the unit's name."""
        self._targets, self._engines, self._page_url = dict(targets), dict(engines), page_url
        self._dashboard = dashboard_url(chat_url)
        self._session = aiohttp.ClientSession(
            timeout=TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), connector=aiohttp.TCPConnector(limit=16)
        )

    def add_to(self, app: web.Application) -> None:
        """The route; HAProxy sends nothing else of the chat page here."""
        app.router.add_get(WEBUI_BANNERS, self.show)

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def show(self, request: web.Request) -> web.Response:
        """Open WebUI's banners with ours before them; what is no list of banners is passed on as it is."""
        headers = {name: request.headers[name] for name in _SESSION if name in request.headers}
        try:
            status, body = await self._theirs(headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            # the page cannot do without an answer, and whether somebody is logged in is not known
            log.warning("banners", extra={"facts": {"error": type(error).__name__}})
            return web.json_response([])
        theirs = _banners(body) if status == 200 else None
        if theirs is None:
            return web.Response(body=body, status=status, content_type="application/json")
        return web.json_response([*self.ours(), *(each for each in theirs if not _is_ours(each))])

    async def _theirs(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        url = f"{self._page_url}{WEBUI_BANNERS}"
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            return answer.status, await answer.read()

    def ours(self) -> list[Banner]:
        """One for each unit that is not awake."""
        return [banner for name in self._targets for banner in self._of(name)]

    def _of(self, name: str) -> Iterator[Banner]:
        target = self._targets[name]
        try:
            target.refuse_if_hopeless(self._engines[name])
        except Refusal as refusal:
            yield _banner(name, "warning", str(refusal.error["message"]))
            return
        if text := said(target.state, target.eta_s()):
            yield _banner(name, "info", text + (f" [What it does now]({self._dashboard})" if self._dashboard else ""))


def said(state: str, left_s: float | None) -> str:
    """The sentence for a unit's state; "" where there is nothing to say. `left_s`: until it would be awake."""
    if state in _GOING_DOWN:
        after = f" after {_about(left_s)}" if left_s is not None else ""
        return f"{_OPENED} off: a message starts it, and the answer follows{after}."
    if state in _COMING_UP:
        left = f", with {_about(left_s)} left" if left_s else ""
        return f"{_OPENED} being started{left}: a message waits for it."
    return ""


def _about(left_s: float) -> str:
    return f"about {durations.show(rounded(left_s))}"


def _banner(unit: str, kind: str, text: str) -> Banner:
    """As Open WebUI's BannerModel has it. Not dismissible: that would hide it the next time too, by its id."""
    return {"id": f"{OURS}{unit}", "type": kind, "title": "", "content": text, "dismissible": False, "timestamp": 0}


def _banners(body: bytes) -> list[Any] | None:
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, list) else None


def _is_ours(banner: Any) -> bool:
    """An admin who saves the list of banners saves ours with it."""
    return isinstance(banner, dict) and str(banner.get("id", "")).startswith(OURS)


def dashboard_url(chat_url: str) -> str:
    """The dashboard is beside the chat page, on the API's port; "" without a page."""
    place = urlsplit(chat_url)
    return f"{place.scheme}://{place.hostname}:{API_PORT}/" if place.hostname else ""
