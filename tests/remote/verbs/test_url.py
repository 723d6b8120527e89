"""`url`, `open` and `version`: what needs no machine."""

from __future__ import annotations

import tomllib
import webbrowser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke.context import Context

from core import settings
from core.contract.documents import Outputs
from remote import tasks
from remote.machines import inventory
from remote.stack_files import CHECKOUT
from remote.verbs import version as verbs_version
from tests.core.test_settings_sign_on import ACCESS, OIDC


@pytest.fixture
def signed_on() -> dict[str, Any]:
    """The stack file's sections for single sign-on; nothing but where a test says so."""
    return {}


@pytest.fixture(autouse=True)
def outputs(monkeypatch: pytest.MonkeyPatch, signed_on: dict[str, Any]) -> dict[str, str]:
    told: dict[str, str] = {Outputs.CHAT_URL: "http://a:3000"}
    given = {"pilotlight:cloud": "embedded", "pilotlight:engines": {"a": {"model": "x/a"}}}
    found = SimpleNamespace(
        stack="s", api_url="http://a:8000/v1", outputs=told, settings=settings.load(given | signed_on, "s")
    )
    monkeypatch.setattr(inventory, "load", lambda stack, identity: found)
    return told


class Browser:
    def __init__(self, *, works: bool) -> None:
        self.works, self.opened = works, list[str]()

    def open(self, url: str) -> bool:
        self.opened.append(url)
        return self.works


def test_url_prints_them_all(outputs: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    tasks.url(Context(), stack="s")
    assert (
        capsys.readouterr().out == "API        http://a:8000/v1\nchat page  http://a:3000\ndashboard  http://a:8000/\n"
    )
    outputs.clear()
    tasks.url(Context(), stack="s")
    assert "chat page  none" in capsys.readouterr().out


@pytest.mark.parametrize(
    "signed_on", [{"pilotlight:access": ACCESS, "pilotlight:webui": {"oidc": OIDC}}], ids=["single sign-on"]
)
def test_url_says_what_to_register_at_the_provider(capsys: pytest.CaptureFixture[str]) -> None:
    tasks.url(Context(), stack="s")
    assert (
        "https://llm.example.org:3000/oauth/oidc/callback is where single sign-on's provider" in capsys.readouterr().out
    )
    tasks.url(Context(), stack="s", json=True)
    assert '"redirect_url": "https://llm.example.org:3000/oauth/oidc/callback"' in capsys.readouterr().out


def test_open_opens_the_chat_page(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    browser = Browser(works=True)
    monkeypatch.setattr(webbrowser, "get", lambda: browser)
    tasks.open_(Context(), stack="s")
    assert (browser.opened, capsys.readouterr().out) == (["http://a:3000"], "http://a:3000\n")


def test_open_without_a_browser_says_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def none() -> None:
        raise webbrowser.Error("no browser")

    for get in (none, lambda: Browser(works=False)):
        monkeypatch.setattr(webbrowser, "get", get)
        tasks.open_(Context(), stack="s")
        assert capsys.readouterr().out == "There is no browser here. Open http://a:3000 where there is one.\n"


def test_open_without_a_chat_page(outputs: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    outputs.clear()
    with pytest.raises(SystemExit):
        tasks.open_(Context(), stack="s")
    assert capsys.readouterr().err == ("fab open: s has no chat page (pilotlight:webui). Its API is http://a:8000/v1\n")


def test_version_is_that_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]
    tasks.version(Context())
    assert capsys.readouterr().out.startswith(f"pilotlight {number}")
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "9.8.7"\n')
    monkeypatch.setattr(verbs_version, "CHECKOUT", tmp_path)
    tasks.version(Context())
    assert capsys.readouterr().out == "pilotlight 9.8.7\n", "and no commit where there is no clone"
