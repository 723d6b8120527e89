"""What the chat page tells of the host above an empty chat; Open WebUI is a small server here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from core import lease as protocol
from core.contract.network import WEBUI_BANNERS
from core.lease import State
from runtime.gateway.api.banners import Banners, dashboard_url, said
from tests.runtime.gateway.stage import UNIT, Stage

OFF = "When you opened this page the machine was off: a message starts it, and the answer follows"
STARTING = "When you opened this page the machine was being started"
ADMINS = {"id": "1", "type": "info", "title": "", "content": "Lunch", "dismissible": True, "timestamp": 1}


@pytest.mark.parametrize(
    ("state", "left_s", "words"),
    [
        ("stopped", None, f"{OFF}."),
        ("stopped", 93.0, f"{OFF} after about 1m 45s."),
        ("stopping", 42.0, f"{OFF} after about 45s."),
        ("failed", 60.0, f"{OFF} after about 1m."),
        ("starting", 42.0, f"{STARTING}, with about 45s left: a message waits for it."),
        ("starting", 0.0, f"{STARTING}: a message waits for it."),
        ("new", None, f"{STARTING}: a message waits for it."),
        ("running", 0.0, ""),
        ("draining", 0.0, ""),
        ("unknown", None, ""),
    ],
)
def test_the_sentence_of_a_state(state: str, left_s: float | None, words: str) -> None:
    assert said(state, left_s) == words


def test_every_state_of_a_lease_was_thought_of() -> None:
    silent = {state for state in State if not said(state.value.lower(), 1.0)}
    assert silent == {State.RUNNING, State.DRAINING}


def test_the_dashboard_is_beside_the_page() -> None:
    assert dashboard_url("https://llm.example.org:3000") == "https://llm.example.org:8000/"
    assert dashboard_url("http://203.0.113.9:3000") == "http://203.0.113.9:8000/"
    assert dashboard_url("") == ""


class Page:
    """Open WebUI: `status` and `body` are its answer; `seen` are the headers of who asked."""

    def __init__(self, body: Any = (), status: int = 200) -> None:
        self.body, self.status, self.seen = body, status, dict[str, str]()

    async def answer(self, request: web.Request) -> web.Response:
        self.seen = dict(request.headers)
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return web.Response(text=text, status=self.status, content_type="application/json")


def play(page: Page | None, stage: Stage, scene: Callable[[str], Awaitable[None]]) -> None:
    """A relay with the banners alone, and the page behind it (None: nobody listens there)."""

    async def whole() -> None:
        await stage.watch.look()
        behind, front = web.Application(), web.Application()
        if page is not None:
            behind.router.add_get(WEBUI_BANNERS, page.answer)
        async with TestServer(behind) as server:
            url = str(server.make_url("")).rstrip("/") if page is not None else "http://127.0.0.1:1"
            banners = Banners({UNIT: stage.unit}, {UNIT: "tiny"}, "http://203.0.113.9:3000", url)
            banners.add_to(front)
            try:
                async with TestServer(front) as relay, asyncio.timeout(20):
                    await scene(str(relay.make_url(WEBUI_BANNERS)))
            finally:
                await banners.close()

    asyncio.run(whole())


async def get(url: str, **headers: str) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.json()


def test_a_host_that_is_off_is_told_before_an_admins_banners() -> None:
    page = Page([{**ADMINS, "id": "pilotlight-lab/host", "content": "an old one of ours"}, ADMINS])

    async def scene(url: str) -> None:
        status, (ours, theirs) = await get(url, Authorization="Bearer me", Cookie="token=me", **{"X-Other": "x"})
        assert (status, theirs) == (200, ADMINS)
        assert ours["content"].startswith(OFF)
        assert ours["content"].endswith(" [What it does now](http://203.0.113.9:8000/)")
        assert set(ours) == set(ADMINS)

    play(page, Stage().bring_to(State.STOPPED), scene)
    assert (page.seen["Authorization"], page.seen["Cookie"]) == ("Bearer me", "token=me")
    assert "X-Other" not in page.seen


def test_of_a_host_that_is_awake_there_is_nothing_to_tell() -> None:
    async def scene(url: str) -> None:
        assert await get(url) == (200, [ADMINS])

    play(Page([ADMINS]), Stage().bring_to(State.RUNNING), scene)


def test_what_waiting_would_not_change_is_told_as_a_message_would_be() -> None:
    stage = Stage().bring_to(State.STOPPED)
    stage.act(lambda lease, now, nonce: protocol.spent(lease, until=now + 3600, nonce=nonce))

    async def scene(url: str) -> None:
        _, (ours,) = await get(url)
        assert ours["type"] == "warning"
        assert "budget is spent" in ours["content"]

    play(Page(), stage, scene)


@pytest.mark.parametrize("body", [{"detail": "Not authenticated"}, []])
def test_who_is_not_logged_in_is_told_nothing(body: Any) -> None:
    async def scene(url: str) -> None:
        assert await get(url) == (401, body)

    play(Page(body, 401), Stage().bring_to(State.STOPPED), scene)


@pytest.mark.parametrize("page", [None, Page({"detail": "x"}), Page("no JSON")])
def test_a_page_that_cannot_be_asked_is_told_nothing_either(page: Page | None) -> None:
    async def scene(url: str) -> None:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            assert answer.status == 200
            text = await answer.text()
        assert "machine" not in text
        assert page is not None or text == "[]"

    play(page, Stage().bring_to(State.STOPPED), scene)
