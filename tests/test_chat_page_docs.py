"""docs/operate/chat.md says what each key of single sign-on does."""

from __future__ import annotations

from core.settings.sign_on import Oidc
from remote.services import sign_on
from tests.operate_pages import PAGES

PAGE = PAGES["chat.md"]


def test_every_key_of_single_sign_on_has_a_row() -> None:
    rows = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert not [name for name, field in Oidc.model_fields.items() if f"`{field.alias or name}`" not in rows]


def test_the_redirect_url_is_that_of_the_code() -> None:
    assert f"https://DOMAIN:3000{sign_on.CALLBACK}" in PAGE
