from typing import Any

import pytest

from core.errors import SetupError
from local.setup import browser, steps
from local.setup.commands import InterruptedStepError


@pytest.fixture
def debian(computer: Any) -> Any:
    computer.program("apt-get")
    computer.file("/etc/os-release", 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n')
    return computer


def test_debian_gets_chromium_and_fonts(debian: Any) -> None:
    debian.commands.does["install"] = lambda _argv: debian.program("chromium")
    assert browser.made(debian.site()) is None
    assert browser.install(debian.site(), print).endswith("/usr/bin/chromium")
    assert debian.commands.ran[1][-2:] == ["chromium", "fonts-liberation"]
    assert str(browser.made(debian.site())).endswith("/usr/bin/chromium")


def test_a_chrome_that_is_there_is_enough(debian: Any) -> None:
    debian.program("google-chrome")
    assert str(browser.made(debian.site())).endswith("/usr/bin/google-chrome")


def test_ubuntus_chromium_is_a_snap(debian: Any) -> None:
    debian.file("/etc/os-release", "NAME=Ubuntu\nID=ubuntu\nID_LIKE=debian\n")
    assert browser.made(debian.site()) == (
        "none (Ubuntu has Chromium as a snap only; Google Chrome would do): `make demo` leaves out the chat page's part"
    )


def test_without_root_set_up_does_not_stop(debian: Any) -> None:
    assert "needs root: `sudo apt-get update" in str(browser.made(debian.site(root=False)))


def test_without_apt_set_up_does_not_stop(computer: Any) -> None:
    assert "no apt-get" in str(browser.made(computer.site()))


def test_an_apt_that_fails_is_one_line(debian: Any) -> None:
    def refuse(_argv: list[str]) -> None:
        raise SetupError("`apt-get install` failed with 100:\n    E: no such package\nThe whole log: /x")

    debian.commands.does["install"] = refuse
    said = browser.install(debian.site(), print)
    assert said.startswith("none (`apt-get install` failed with 100:")
    assert "logs/browser.log" in said
    assert "\n" not in said


def test_an_interrupt_is_no_missing_browser(debian: Any) -> None:
    def interrupt(_argv: list[str]) -> None:
        raise InterruptedStepError("`apt-get` was interrupted.")

    debian.commands.does["install"] = interrupt
    with pytest.raises(InterruptedStepError):
        browser.install(debian.site(), print)


def test_apt_runs_one_after_the_other(debian: Any) -> None:
    step = next(step for step in steps.steps(debian.site(), None) if step.name == "browser")
    assert step.needs == ("packages",)
    assert "chromium" in step.will()
