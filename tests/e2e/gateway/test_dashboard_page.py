"""The dashboard in a real browser, behind real HAProxy: a wake as it happens, without scripts too, and strangers.

Pictures are left in `$XDG_STATE_HOME/pilotlight/pictures/`: look at them.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from front import KEY, Front, until
from playwright.sync_api import Browser, Page, expect
from redis_server import RedisServer

from core import lease as protocol
from core.contract import network
from local import folders
from local.demo.browser import browser
from runtime.gateway.redis import Redis
from runtime.gateway.usage.holder import Owner
from runtime.gateway.usage.ledger import Ledger

OPERATOR_KEY = "sk-pl-operator"
PICTURES = folders.pictures()
PHONE = {"width": 360, "height": 740}
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module", autouse=True)
def operator(whole_front: Front) -> None:
    """As `fab keys.add ann --operator` does it."""
    whole_front.add_key("ann", OPERATOR_KEY, operator=True)


@pytest.fixture(scope="module", autouse=True)
def counted(whole_front: Front) -> Iterator[None]:
    """A real Redis, in which something was counted."""
    redis = RedisServer(whole_front.folder)
    redis.start()

    async def count() -> None:
        client = Redis(str(redis.socket), str(redis.password_file))
        for hours in range(3):
            await Ledger(client).note(Owner("bob"), time.time() - 3600 * hours, prompt=1200, answer=345 + hours)
        await client.close()

    asyncio.run(count())
    yield
    redis.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser("about:blank") as person:
        found = person.page.context.browser
        assert found is not None
        yield found


@pytest.fixture
def page(chromium: Browser, front: Front) -> Iterator[Page]:
    yield from opened(chromium, front)


def opened(chromium: Browser, front: Front, **options: Any) -> Iterator[Page]:
    """A page of somebody who was never here before."""
    context = chromium.new_context(base_url=url(front), **{"viewport": {"width": 1000, "height": 900}} | options)
    context.set_default_timeout(20_000)
    expect.set_options(timeout=20_000)
    yield context.new_page()
    context.close()


def url(front: Front) -> str:
    return f"http://127.0.0.1:{front.ports['api']}"


def log_in(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name="Log in as an operator").click()
    page.get_by_label("API key of an operator").fill(OPERATOR_KEY)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="lab", exact=True)).to_be_visible()


def asleep(front: Front) -> None:
    """Drain, check, power off: as reaper and agent do. The engine stays: nobody asks it here."""
    front.act(protocol.drain, reason="idle")
    front.act(protocol.stop, boot_id=front.lease().boot_id)
    front.ec2.stop_instances(InstanceIds=[front.instance_id])
    until(lambda: front.lease().state == protocol.State.STOPPED, "STOPPED")


def faults(page: Page, **options: Any) -> list[str]:
    """What axe-core finds wrong that somebody would meet."""
    found = Axe().run(page).response["violations"]
    return [f"{v['id']}: {[n['html'] for n in v['nodes']]}" for v in found if v["impact"] in SERIOUS]


def picture(page: Page, name: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"dashboard-{name}.png", full_page=True)


# ---------------------------------------------------------------- a wake
def test_a_wake_is_shown_as_it_happens(front: Front, page: Page) -> None:
    asleep(front)
    log_in(page)
    expect(page.get_by_role("status").filter(has_text="Off")).to_be_visible()
    picture(page, "1-off")
    page.get_by_role("button", name="Wake lab").press("Enter")
    expect(page.get_by_text("It is being started.")).to_be_visible()
    expect(page.get_by_text("Waking up").first).to_be_visible()
    loaded = page.evaluate("performance.timeOrigin")
    expect(page.locator("[aria-current=step]")).to_have_text("The machine boots")
    picture(page, "2-boots")
    until(lambda: front.machine() == "running", "the relay ordered the start")
    boot = f"boot-{secrets.token_hex(4)}"
    front.act(protocol.claim_boot, instance_id=front.instance_id, boot_id=boot)
    expect(page.locator("[aria-current=step]")).to_have_text("The engines load their models")
    assert faults(page) == []
    picture(page, "3-loads")
    facts = {"engine_tiny_s": 1.5, "instance_type": "g6.xlarge"}
    front.act(protocol.ready, boot_id=boot, facts=facts)
    expect(page.get_by_role("status").filter(has_text="Awake")).to_be_visible()
    row = page.locator("[data-part=wakes]").get_by_role("row").filter(has_text="ann (dashboard)")
    expect(row.first).to_contain_text("engine tiny")
    expect(page.get_by_text("It is being started.")).to_have_count(0)
    expect(page.locator("[data-part=usage]").get_by_role("row").filter(has_text="bob")).to_contain_text("3,600")
    picture(page, "4-awake")
    assert page.evaluate("performance.timeOrigin") == loaded, "nobody loaded the page again"


def test_without_scripts_a_wake_is_followed_by_looking_again(front: Front, chromium: Browser) -> None:
    asleep(front)
    for page in opened(chromium, front, java_script_enabled=False):
        log_in(page)
        page.get_by_role("button", name="Wake lab").click()
        expect(page.get_by_text("It is being started.")).to_be_visible()
        assert page.locator("noscript meta[http-equiv=refresh], meta[http-equiv=refresh]").count() == 1
        until(lambda: front.machine() == "running", "the relay ordered the start")
        front.agent_ready(f"boot-{secrets.token_hex(4)}")
        expect(page.get_by_role("status").filter(has_text="Awake")).to_be_visible()
        page.get_by_label("Keep it on for").select_option("2h")
        page.get_by_role("button", name="Pin lab").click()
        expect(page.get_by_text("by ann (dashboard)").first).to_be_visible()
        page.get_by_role("button", name="Stop lab").click()
        expect(page.get_by_text("It was asked to stop")).to_be_visible()
    assert front.lease().by == "ann (dashboard)"
    assert not front.lease().pinned(front.store.read(front.lease().unit).now)


# ---------------------------------------------------------------- strangers
def test_a_visitor_sees_that_something_is_prepared_and_no_more(front: Front, page: Page) -> None:
    asleep(front)
    page.goto("/")
    expect(page.get_by_role("status")).to_contain_text("Nothing is being prepared")
    now = front.store.read(front.lease().unit).now
    front.act(protocol.request_wake, by="key ann", until=now + 60)
    expect(page.get_by_role("status")).to_have_text("Something is being prepared.")
    text = page.locator("main").inner_text()
    assert not re.search(r"\b(lab|chat|tiny|ann|tester)\b|\$", text), text
    assert faults(page) == []
    picture(page, "5-visitor")


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("PUT", "/", {}, 405),
        ("POST", "/dashboard/do", {"data": "x" * 5000}, 413),
        ("GET", "/dashboard/nothing", {}, 404),
        ("GET", "/dashboard/../v1/models", {}, 401),
        ("GET", "/v1/models", {"headers": {"Cookie": "pilotlight_session=x"}}, 401),
    ],
    ids=lambda v: str(v)[:30],
)
def test_what_the_front_door_refuses(front: Front, method: str, path: str, options: Any, status: int) -> None:
    assert requests.request(method, url(front) + path, timeout=10, **options).status_code == status


def test_a_browser_says_whose_form_it_is_and_headers_in_our_name_are_not_believed(front: Front) -> None:
    answer = requests.get(url(front), headers={network.SCHEME_HEADER: "https", "Origin": "http://evil"}, timeout=10)
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers
    form = {"key": OPERATOR_KEY}
    sent = requests.post(
        f"{url(front)}/dashboard/log-in", data=form, headers={network.SCHEME_HEADER: "https"}, timeout=10,
        allow_redirects=False,
    )  # fmt: skip
    assert "Secure" not in sent.headers.get("set-cookie", "")


# ---------------------------------------------------------------- how it looks
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", "phone"])
def test_it_can_be_read(front: Front, chromium: Browser, scheme: str, size: str) -> None:
    options = {"color_scheme": scheme} | ({"viewport": PHONE} if size == "phone" else {})
    for page in opened(chromium, front, **options):
        log_in(page)
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off at the side"
        picture(page, f"6-{scheme}-{size}")
        page.goto("/dashboard/log-in")
    for page in opened(chromium, front, **options):
        page.goto("/dashboard/log-in")
        assert faults(page) == []
        picture(page, f"7-log-in-{scheme}-{size}")


# ---------------------------------------------------------------- last: it uses up this minute's tries
def test_a_stranger_neither_presses_nor_guesses(front: Front) -> None:
    form = {"unit": "lab/host", "button": "stop"}
    assert "API key of an operator" in requests.post(f"{url(front)}/dashboard/do", data=form, timeout=10).text
    header = {"Authorization": f"Bearer {KEY}"}
    assert "Logged in" not in requests.get(url(front), headers=header, timeout=10).text, "a key that may only ask"
    for counted in ("pages", "log_ins"):  # by the tests before, within the same minute
        front.command(f"clear table {counted}")
    tries = [
        requests.post(f"{url(front)}/dashboard/log-in", data={"key": "x"}, timeout=10).status_code
        for _ in range(network.LOG_INS_A_MINUTE_MAX + 1)
    ]
    assert tries[-1] == 429
    assert 403 in tries
    assert front.lease().state == protocol.State.RUNNING
