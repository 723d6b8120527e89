"""`fab url` and `fab open`: where a stack's API, chat page and dashboard are."""

from __future__ import annotations

import webbrowser
from collections.abc import Iterator
from dataclasses import dataclass

from core.contract.documents import Outputs
from core.errors import DeployError
from remote.machines.inventory import Inventory
from remote.services import sign_on
from remote.verbs.lease import Record


@dataclass(frozen=True)
class Urls:
    """`chat_url` "" where the stack has no chat page, `redirect_url` "" where that has no single sign-on."""

    stack: str
    api_url: str
    chat_url: str
    redirect_url: str = ""

    def as_dict(self) -> Record:
        """For `--json`."""
        told = {"api_url": self.api_url, "chat_url": self.chat_url or None, "dashboard_url": self.dashboard_url}
        return told | {"redirect_url": self.redirect_url or None}

    @property
    def dashboard_url(self) -> str:
        """On `/` of the API's own port."""
        return f"{self.api_url.removesuffix('/v1')}/"


def urls(inventory: Inventory) -> Urls:
    """As `pulumi up` told them; where a provider sends people back follows from the stack file."""
    chat_url, redirect_url = inventory.outputs.get(Outputs.CHAT_URL, ""), sign_on.redirect_url(inventory.settings)
    return Urls(inventory.stack, inventory.api_url, chat_url, redirect_url)


def lines(found: Urls) -> Iterator[str]:
    """For people."""
    yield f"API        {found.api_url}"
    yield f"chat page  {found.chat_url or 'none (pilotlight:webui)'}"
    yield f"dashboard  {found.dashboard_url}"
    if found.redirect_url:
        yield f"{found.redirect_url} is where single sign-on's provider sends people back to: register it there."


def open_page(found: Urls) -> str:
    """Open the chat page; what was done, in words. DeployError: the stack has none."""
    if not found.chat_url:
        raise DeployError(f"{found.stack} has no chat page (pilotlight:webui). Its API is {found.api_url}")
    try:
        opened = webbrowser.get().open(found.chat_url)
    except webbrowser.Error:
        opened = False
    return found.chat_url if opened else f"There is no browser here. Open {found.chat_url} where there is one."
