"""The dashboard's paths: who sees what, what a button does, and what a forged form does not."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from aiohttp import StreamReader, web
from aiohttp.test_utils import make_mocked_request

from core import lease as protocol
from core.contract.network import FORM_BYTES_MAX, SCHEME_HEADER
from core.lease import State
from runtime.gateway.dashboard import app as app_module
from runtime.gateway.dashboard import stream
from runtime.gateway.dashboard.buttons import BUTTONS
from runtime.gateway.redis import RedisDown
from runtime.gateway.usage.ledger import Hour
from tests.runtime.gateway.dashboard.board import OPERATOR, PLAIN, Board, key, play, said, token, write_keys
from tests.runtime.gateway.stage import refused

SECRETS = {"lab", "chat", "support", "ann", "$", "EC2", "tiny", "key", "csrf", "test", "reaper"}


# ---------------------------------------------------------------- who sees what
@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.STOPPED, "Nothing is being prepared."),
        (State.STARTING, "Something is being prepared."),
        (State.RUNNING, "Ready."),
        (State.FAILED, "Nothing is being prepared."),
    ],
)
def test_a_visitor_sees_only_whether_something_is_prepared(tmp_path: Path, state: State, words: str) -> None:
    async def scene(board: Board) -> None:
        status, page = await board.get()
        assert status == 200
        assert words in page
        text = page.split("<main", 1)[1].split("</main>")[0].replace('id="main"', "")
        assert set(re.findall(r"\w+|\$", text)) & SECRETS == set()

    play(tmp_path, scene, state, later_s=60.0 if state is State.FAILED else 0.0)


def test_an_operator_sees_names_and_money(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        page = await board.log_in()
        for words in ("Logged in with the key ann", "Wake lab", "support", "This month", "http://chat.example:3000"):
            assert words in page, words
        assert page == (await board.get())[1]

    play(tmp_path, scene)


@pytest.mark.parametrize("secret", [PLAIN, "sk-pl-nobody", ""])
def test_another_key_does_not_log_in(tmp_path: Path, secret: str) -> None:
    async def scene(board: Board) -> None:
        status, page = await board.post("/dashboard/log-in", {"key": secret})
        assert status == 403
        assert "no key of an operator" in page
        assert secret not in page or not secret
        assert "Log in as an operator" in (await board.get())[1]

    play(tmp_path, scene)


def test_looking_wakes_nothing(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        await board.log_in()
        await board.stage.watch.look()
        assert not board.stage.queue.wanted
        assert board.stage.lease.wake_until is None
        assert board.stage.power.starts == 0

    play(tmp_path, scene)


def test_names_are_escaped(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"

    async def scene(board: Board) -> None:
        write_keys(board.keys, key(evil, OPERATOR, operator=True))
        board.stage.act(protocol.pin, who=evil, why=f'"{evil}', until=board.stage.clock() + 60)
        await board.stage.watch.look()
        page = await board.log_in()
        assert evil not in page
        assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 3

    play(tmp_path, scene)


def test_every_answer_has_the_security_headers(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        paths = ["/", "/dashboard/log-in", "/dashboard/style.css", "/dashboard/live.js", "/dashboard/events"]
        for path in paths:
            async with board.browser.get(board.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "<script>" not in (page := await board.log_in())
        assert " style=" not in page
        assert " onclick" not in page

    play(tmp_path, scene)


def test_requests_and_tokens_by_hour_and_key(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        hour = board.stage.clock() - board.stage.clock() % 3600
        board.counted = [
            Hour(hour - 3600, "bob", "", requests=2, prompt_tokens=10, answer_tokens=5),
            Hour(hour, "bob", "", requests=1, prompt_tokens=1000, answer_tokens=200, refused=4),
            Hour(hour, "<b>eve</b>", "u1", requests=3, prompt_tokens=30, answer_tokens=30),
            Hour(hour - 48 * 3600, "old", "", requests=9),
        ]
        page = re.sub(r"<(?!/?tr)[^>]*>", "|", await board.log_in())
        rows = [[c for c in re.split(r"\|+", row) if c.strip()] for row in re.findall(r"<tr>(.*?)</tr>", page)]
        assert ["Mon 12 Jan 13:00", "4", "1,030", "230", "4"] in rows
        assert rows.index(["bob", "3", "1,010", "205", "4"]) < rows.index(
            ["&lt;b&gt;eve&lt;/b&gt;", "3", "30", "30", "0"]
        )
        assert "old" not in page

    play(tmp_path, scene)


def test_redis_down_is_said(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        board.counted = RedisDown("Redis does not answer")
        assert "Not counted now: Redis does not answer" in await board.log_in()
        board.counted = []
        assert "Not counted now" in (await board.get())[1], "not asked again at once"
        board.stage.clock.now += 15
        assert "Nothing was counted in the last day." in (await board.get())[1]

    play(tmp_path, scene)


# ---------------------------------------------------------------- sessions
@pytest.mark.parametrize(("scheme", "secure"), [("", False), ("https", True)])
def test_the_cookie_is_kept_from_scripts_and_other_sites(tmp_path: Path, scheme: str, secure: bool) -> None:
    async def scene(board: Board) -> None:
        form, headers = {"key": OPERATOR}, {SCHEME_HEADER: scheme}
        async with board.browser.post(
            f"{board.url}/dashboard/log-in", data=form, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status == 303
            cookie = answer.cookies[app_module.COOKIE]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Strict"
        assert bool(cookie["secure"]) is secure

    play(tmp_path, scene)


def test_logging_out(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        page = await board.log_in()
        status, _ = await board.post("/dashboard/log-out", {"csrf": "0" * 64})
        assert status == 403
        _, after = await board.post("/dashboard/log-out", {"csrf": token(page)})
        assert "Log in as an operator" in after

    play(tmp_path, scene)


# ---------------------------------------------------------------- buttons
def test_wake_is_a_start_in_the_operators_name(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        await board.log_in()
        page = await board.press("wake")
        assert said(page) == "It is being started."
        assert board.stage.lease.state is State.STARTING
        assert board.stage.power.starts == 1
        last = board.stage.store.events(board.stage.name)[-1]
        assert last.facts[protocol.WANTED_BY] == "ann (dashboard)"
        assert said((await board.get())[1]) == "", "it is said once"

    play(tmp_path, scene)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"state": "STARTING", "changed": True}, "It is being started."),
        ({"state": "STARTING", "changed": False, "note": "the lease is STARTING"}, "It is being started."),
        ({"state": "STARTING", "changed": True, "note": "not taken yet"}, "The start goes on: not taken yet."),
        ({"state": "STOPPING", "changed": True}, "It is wanted, and is started as soon as it may be."),
        (
            {"state": "STOPPED", "changed": False, "note": "the budget is spent"},
            "Nothing was done: the budget is spent.",
        ),
        ({"state": "FAILED", "changed": True, "note": "no capacity"}, "It could not be started: no capacity."),
        ({"state": "RUNNING", "changed": False, "note": "it is running"}, "Nothing was done: it is running."),
    ],
)
def test_what_is_said_of_a_wake(answer: dict[str, Any], words: str) -> None:
    assert BUTTONS["wake"].said(answer) == words


def test_a_start_that_ec2_refuses_is_said(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        board.stage.power.refusals = [refused("VcpuLimitExceeded")]
        await board.log_in()
        assert said(await board.press("wake")).startswith("It could not be started: VcpuLimitExceeded")
        assert board.stage.lease.state is State.FAILED

    play(tmp_path, scene)


def test_pin_and_its_end(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        await board.log_in()
        assert said(await board.press("pin", lasts="2h")) == "Pinned."
        lease = board.stage.lease
        assert (lease.pin_who, lease.pin_until) == ("ann (dashboard)", board.stage.clock() + 7200)
        await board.stage.watch.look()
        assert "End the pin" in (await board.get())[1]
        assert said(await board.press("unpin")) == "The pin is over."
        assert board.stage.lease.pin_until is None

    play(tmp_path, scene, State.RUNNING)


def test_stop_asks_the_host_and_orders_nothing(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        await board.log_in()
        assert said(await board.press("stop")).startswith("It was asked to stop")
        assert board.stage.lease.state is State.DRAINING
        assert board.stage.lease.by == "ann (dashboard)"  # FakePower.stop would have raised

    play(tmp_path, scene, State.RUNNING)


def test_a_stop_that_is_refused_says_why(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        board.stage.act(protocol.inhibit, who="bob", why="upgrade", until=board.stage.clock() + 60)
        await board.log_in()
        assert said(await board.press("stop")) == "It was not asked to stop: wanted or inhibited."
        assert board.stage.lease.state is State.RUNNING

    play(tmp_path, scene, State.RUNNING)


def test_a_store_that_does_not_answer_is_said(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        form = {"csrf": token(await board.log_in()), "unit": board.stage.name, "button": "wake"}
        board.stage.store.down = True
        status, page = await board.post("/dashboard/do", form)
        assert status == 200
        assert said(page) == "It could not be done now: throttled"

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "change",
    [{"csrf": "0" * 64}, {"csrf": ""}, {"unit": "other/host"}, {"button": "force"}, {"button": "pin", "lasts": "99d"}],
    ids=str,
)
def test_a_form_that_is_not_the_pages_does_nothing(tmp_path: Path, change: dict[str, str]) -> None:
    async def scene(board: Board) -> None:
        form = {"csrf": token(await board.log_in()), "unit": board.stage.name, "button": "wake"}
        status, _ = await board.post("/dashboard/do", form | change)
        assert status in (400, 403)
        assert board.stage.store.writes == board.writes

    play(tmp_path, scene)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
def test_a_form_of_another_site_does_nothing(tmp_path: Path, headers: dict[str, str]) -> None:
    async def scene(board: Board) -> None:
        form = {"csrf": token(await board.log_in()), "unit": board.stage.name, "button": "wake"}
        assert (await board.post("/dashboard/do", form, headers=headers))[0] == 403
        assert (await board.post("/dashboard/log-in", {"key": OPERATOR}, headers=headers))[0] == 403
        assert board.stage.store.writes == board.writes

    play(tmp_path, scene)


def test_without_a_session_a_button_leads_to_the_log_in(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        status, page = await board.post("/dashboard/do", {"unit": board.stage.name, "button": "wake"})
        assert status == 200
        assert "API key of an operator" in page
        assert board.stage.store.writes == board.writes

    play(tmp_path, scene)


@pytest.mark.parametrize("body", [b"x" * 5000, b"a=1&" * 20, b"csrf=%ff"])
def test_a_form_that_is_none_is_refused(tmp_path: Path, body: bytes) -> None:
    async def scene(board: Board) -> None:
        headers = {"Content-Type": app_module.FORM}
        async with board.browser.post(f"{board.url}/dashboard/log-in", data=body, headers=headers) as answer:
            assert answer.status in (400, 403)
        async with board.browser.post(f"{board.url}/dashboard/log-in", json={"key": OPERATOR}) as answer:
            assert answer.status == 400

    play(tmp_path, scene)


@pytest.mark.parametrize(("rest", "read"), [(b"cd&x=1", {"key": "abcd", "x": "1"}), (b"c" * FORM_BYTES_MAX, 400)])
def test_a_form_that_comes_in_pieces_is_read_as_a_whole_and_bounded(rest: bytes, read: Any) -> None:
    async def scene() -> None:
        body = StreamReader(Mock(_reading_paused=False), 2**16)
        request = make_mocked_request("POST", "/dashboard/log-in", {"Content-Type": app_module.FORM}, payload=body)
        body.feed_data(b"key=ab")
        reading = asyncio.create_task(app_module._form(request))
        await asyncio.sleep(0)
        body.feed_data(rest)
        body.feed_eof()
        form = await reading
        assert (form.status if isinstance(form, web.Response) else form) == read

    asyncio.run(scene())


# ---------------------------------------------------------------- live
async def events(board: Board, wanted: str, begun: asyncio.Event) -> str:
    """What the stream says until `wanted` is in it; `begun` once it has said something."""
    text = ""
    async with board.browser.get(f"{board.url}/dashboard/events") as answer:
        assert answer.status == 200
        async for chunk in answer.content.iter_any():
            text += chunk.decode()
            begun.set()
            if wanted in text:
                return text
    return text


def test_an_open_page_is_sent_what_changes(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        await board.log_in()
        begun = asyncio.Event()
        reading = asyncio.create_task(events(board, "The machine boots", begun))
        await begun.wait()
        await board.press("wake")
        await board.stage.watch.look()
        lines = [line.removeprefix("data: ") for line in (await reading).splitlines() if line.startswith("data: ")]
        names = [json.loads(line)["name"] for line in lines]
        assert names[:6] == ["headline", "state", "actions", "money", "usage", "wakes"], "first all of them"
        assert "usage" not in names[6:], "then what changed"

    play(tmp_path, scene)


def test_a_page_whose_session_ends_is_loaded_anew(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        await board.log_in()
        begun = asyncio.Event()
        reading = asyncio.create_task(events(board, "event: reload", begun))
        await begun.wait()
        write_keys(board.keys)
        assert "event: reload" in await reading

    play(tmp_path, scene)


def test_strangers_leave_room_for_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "VISITORS_MAX", 1)

    async def scene(board: Board) -> None:
        async with board.browser.get(f"{board.url}/dashboard/events") as first:
            assert (await first.content.readline()) == b"event: part\n"
            assert (await board.get("/dashboard/events"))[0] == 503
            await board.log_in()
            assert "Logged in" in (await board.get())[1]
            async with board.browser.get(f"{board.url}/dashboard/events") as second:
                assert second.status == 200

    play(tmp_path, scene)


def test_the_relays_end_ends_open_pages(tmp_path: Path) -> None:
    async def scene(board: Board) -> None:
        begun = asyncio.Event()
        reading = asyncio.create_task(events(board, "never", begun))
        await begun.wait()
        board.streams.close()
        await reading

    play(tmp_path, scene)
