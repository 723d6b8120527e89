"""A browser to ask at the chat page, for `make demo` and the tests: Debian's Chromium. Set-up goes on without one.

Where a computer can have none by apt, the step says why and counts as done. Who uses a browser looks for `PROGRAMS`.
"""

from __future__ import annotations

from typing import Final

from core.errors import SetupError
from local.setup import packages
from local.setup.commands import InterruptedStepError
from local.setup.site import Say, Site

PROGRAMS: Final = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser")
PACKAGES: Final = ("chromium", "fonts-liberation")  # without fonts a page is boxes
WITHOUT: Final = "`make demo` leaves out the chat page's part"


def found(site: Site) -> str | None:
    """Where a browser is that the tests can drive."""
    return next((place for name in PROGRAMS if (place := site.which(name))), None)


def made(site: Site) -> str | None:
    """The browser, or why there will be none; None where one can be installed."""
    place, reason = found(site), unavailable(site)
    return place or (f"none ({reason}): {WITHOUT}" if reason else None)


def unavailable(site: Site) -> str:
    """Why apt cannot bring one; empty where it can."""
    if not site.which("apt-get"):
        return "there is no apt-get to install Chromium with"
    if "ID=ubuntu" in site.text("/etc/os-release").splitlines():
        return "Ubuntu has Chromium as a snap only; Google Chrome would do"
    if not site.can_become_root():
        return f"installing it needs root: `{packages.command(list(PACKAGES))}`"
    return ""


def install(site: Site, say: Say) -> str:
    """Install it. A failure is said and goes no further: the embedded cloud needs no browser."""
    try:
        packages.install(site, list(PACKAGES), say, log="browser")
    except InterruptedStepError:
        raise
    except SetupError as error:
        return f"none ({str(error).splitlines()[0]} Log: {site.log('browser')}): {WITHOUT}"
    return found(site) or "installed"
