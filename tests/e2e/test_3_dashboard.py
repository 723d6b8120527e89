"""The dashboard on the embedded cloud: a wake as it happens, from the button to the awake host, in a real browser.

Real Pulumi, SSH, systemd, HAProxy and vLLM. Pictures are left in `$XDG_STATE_HOME/pilotlight/pictures/`: look at them.
The tests go on where the one before stopped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from core.contract.documents import Outputs
from local import folders
from local.demo.browser import browser
from local.demo.observe import wait_for
from tests.e2e.world import Stack

WHO = "dashboard-test"
BY = f"{WHO} (dashboard)"
WAKE_MS = 300_000
SOON_MS = 30_000
HEADLINE = "[data-part=headline]"


@pytest.fixture(scope="module")
def key(demo: Stack) -> Iterator[str]:
    """An operator's key, revoked in the end."""
    made = demo.fab("keys.add", WHO, "-s", demo.name, "--operator", "--json")
    yield str(json.loads(made.stdout.strip().splitlines()[-1])["data"]["key"])
    demo.fab("keys.revoke", WHO, "-s", demo.name, check=False)


@pytest.fixture(scope="module")
def page(demo: Stack) -> Iterator[Page]:
    with browser(demo.watch.outputs[Outputs.API_URL].removesuffix("/v1")) as person:
        person.page.set_default_timeout(SOON_MS)
        expect.set_options(timeout=SOON_MS)
        person.page.goto(person.url)
        yield person.page


def picture(page: Page, name: str) -> None:
    folders.pictures().mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folders.pictures() / f"demo-dashboard-{name}.png", full_page=True)


def test_a_visitor_reads_no_names_and_wakes_nothing(demo: Stack, page: Page) -> None:
    demo.sleep()
    epoch = int(demo.watch.lease()["epoch"])
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Nothing is being prepared")
    text = page.locator("main").inner_text()
    assert not re.search(rf"\b({demo.name}|{demo.caller.model})\b|\$", text), text
    demo.reap()
    assert int(demo.watch.lease()["epoch"]) == epoch
    assert demo.watch.ec2_state() == "stopped"


def test_a_wake_is_shown_as_it_happens(demo: Stack, page: Page, key: str) -> None:
    page.get_by_role("link", name="Log in as an operator").click()
    page.get_by_label("API key of an operator").fill(key)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(HEADLINE)).to_have_text("Off")
    picture(page, "1-off")
    page.get_by_role("button", name=f"Wake {demo.name}").click()
    expect(page.get_by_text("It is being started.")).to_be_visible()
    loaded = page.evaluate("performance.timeOrigin")
    step = page.locator("[aria-current=step]")
    expect(step).to_have_text("The machine boots")
    picture(page, "2-boots")
    expect(step).to_have_text("The engines load their models", timeout=WAKE_MS)
    picture(page, "3-loads")
    expect(page.locator(HEADLINE)).to_have_text("Awake", timeout=WAKE_MS)
    row = page.locator("[data-part=wakes]").get_by_role("row").filter(has_text=BY).first
    expect(row).to_contain_text("boot")
    expect(row).to_contain_text("engine")
    picture(page, "4-awake")
    assert page.evaluate("performance.timeOrigin") == loaded, "it went on by itself"
    assert demo.state() == "RUNNING"


def test_a_pin_keeps_it_on(demo: Stack, page: Page) -> None:
    page.get_by_role("button", name=f"Pin {demo.name}").click()
    expect(page.get_by_text("Pinned.", exact=True)).to_be_visible()
    expect(page.get_by_text(re.compile(rf"^Pinned until .* by {re.escape(BY)}"))).to_be_visible()
    assert "Paris" in demo.caller.ask().text


def test_money_is_what_fab_status_says(demo: Stack, page: Page) -> None:
    page.reload()
    shown = page.locator("[data-part=money] dd").first.inner_text()
    said = json.loads(demo.fab("status", "-s", demo.name, "--json").stdout.strip().splitlines()[-1])
    assert shown.startswith("$")
    assert abs(float(shown[1:]) - said["data"]["stacks"][0]["cost_today_usd"]) <= 0.02


def test_stop_asks_the_host_which_turns_itself_off(demo: Stack, page: Page) -> None:
    wait_for(lambda: not int(demo.watch.lease().get("busy") or 0), 60, demo.watch.words)
    page.get_by_role("button", name=f"Stop {demo.name}").click()
    expect(page.get_by_text("The pin is over. It was asked to stop")).to_be_visible()
    expect(page.locator(HEADLINE)).to_have_text("Off", timeout=WAKE_MS)
    picture(page, "5-off-again")
    events = demo.watch.events()
    assert any(e["by"] == BY and e["after"] == "DRAINING" for e in events)
    demo.wake()


def test_a_revoked_key_ends_its_session(demo: Stack, page: Page, key: str) -> None:
    demo.fab("keys.revoke", WHO, "-s", demo.name)
    expect(page.get_by_role("link", name="Log in as an operator")).to_be_visible()
