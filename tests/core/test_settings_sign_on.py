"""`pilotlight:webui.oidc`: single sign-on at the chat page."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import SettingsError
from core.settings import load
from core.settings.model import StackSettings

SECRET = "s3cr3t of the client"
ACCESS = {"domain": "llm.example.org", "cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"]}
OIDC: dict[str, Any] = {
    "issuer": "https://login.example.org/realms/staff",
    "clientId": "chat",
    "clientSecret": {"secure": "v1:abc"},
    "allowedDomains": ["example.org"],
}


def raw(oidc: Any, **sections: Any) -> dict[str, Any]:
    webui = {"oidc": oidc} | sections.pop("webui", {})
    base: dict[str, Any] = {"cloud": "embedded", "engines": {"a": {"model": "x/m"}}, "access": ACCESS, "webui": webui}
    return {f"pilotlight:{key}": value for key, value in (base | sections).items()}


def loaded(oidc: Any = None, **sections: Any) -> StackSettings:
    return load(raw(OIDC | (oidc or {}), **sections), "lab")


def message(oidc: Any, **sections: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(raw(oidc, **sections), "lab")
    return str(caught.value)


def test_a_section_that_is_right() -> None:
    oidc = loaded().webui.oidc
    assert oidc is not None
    assert oidc.client_secret is None  # only Pulumi reads it
    assert oidc.discovery_url == "https://login.example.org/realms/staff/.well-known/openid-configuration"
    assert oidc.password_log_in


def test_an_issuer_with_a_slash_has_one_in_its_discovery_url() -> None:
    oidc = loaded({"issuer": "https://tenant.example.org/"}).webui.oidc
    assert oidc is not None
    assert oidc.discovery_url == "https://tenant.example.org/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("issuer", "http://login.example.org", '"http://login.example.org" is not an issuer, which is an https URL'),
        ("issuer", "login.example.org", "is not an issuer, which is an https URL"),
        ("issuer", "https://login.example.org?x=1", "is not an issuer, which is an https URL"),
        (
            "issuer",
            "https://login.example.org/.well-known/openid-configuration",
            "is the provider's discovery document; write https://login.example.org",
        ),
        ("clientId", "two\nlines", "must be one line of at most 1024 bytes"),
        ("allowedDomains", [], "lets nobody in; write e.g. [example.org]"),
        ("allowedDomains", ["ops@example.org"], "write e.g. example.org"),
        ("allowedDomains", ["Example.org"], "in lower case, nor *; write e.g. example.org"),
        ("allowedDomains", ["a.org", "a.org"], "names a.org twice"),
        ("userRoles", ["a,b"], "is not a role"),
        ("userRoles", ["*"], "is not a role"),
        ("rolesClaim", "my roles", "is not a claim's name"),
        ("name", "", "must be one line"),
    ],
)
def test_wrong_values(key: str, value: Any, said: str) -> None:
    text = message(OIDC | {key: value})
    assert f"pilotlight:webui.oidc.{key}" in text
    assert said in text
    assert "\n" not in text


@pytest.mark.parametrize("key", ["issuer", "clientId", "clientSecret", "allowedDomains"])
def test_what_must_be_set(key: str) -> None:
    text = message({name: value for name, value in OIDC.items() if name != key})
    assert f"pilotlight:webui.oidc.{key} is not set, and has no default" in text


def test_without_a_domain_there_is_no_address_to_come_back_to() -> None:
    text = message(OIDC, access={})
    assert "pilotlight:webui.oidc needs pilotlight:access.domain" in text
    assert "\n" not in text


def test_without_a_page_it_has_no_effect() -> None:
    assert "pilotlight:webui.oidc has no effect: there is no chat page" in message(OIDC, webui={"host": "none"})


def test_sign_up_beside_it_is_refused() -> None:
    assert "pilotlight:webui.signUp lets in whoever reaches the page" in message(OIDC, webui={"signUp": True})


def test_somebody_must_be_able_to_administer_the_page() -> None:
    assert "passwordLogIn: false leaves nobody" in message(OIDC | {"passwordLogIn": False})
    assert loaded({"passwordLogIn": False, "adminRoles": ["ops"]}).webui.oidc is not None


def test_a_claim_that_nobody_reads_is_refused() -> None:
    assert "rolesClaim has no effect" in message(OIDC | {"rolesClaim": "groups"})
    assert loaded({"rolesClaim": "groups", "userRoles": ["staff"]}).webui.oidc is not None


# ---------------------------------------------------------------- the secret
@pytest.mark.parametrize("secret", ["two\nlines of it", "x" * 1025, 12345678, ["hunter2hunter2"], ""])
def test_a_wrong_secret_is_named_but_not_shown(secret: Any) -> None:
    text = message(OIDC | {"clientSecret": secret})
    assert "oidc.clientSecret: the value (not shown) must be one line of at most 1024 bytes" in text
    assert "hunter2" not in text


@pytest.mark.parametrize("oidc", [f"clientSecret: {SECRET}", [SECRET], {"clientSecrt": SECRET}, SECRET])
def test_no_message_shows_a_secret(oidc: Any) -> None:
    text = message(oidc)
    assert "pilotlight:webui.oidc" in text
    assert SECRET not in text


def test_on_aws_a_secret_in_plain_text_is_refused_with_the_command() -> None:
    aws: dict[str, Any] = {
        "cloud": "aws",
        "host": {
            "sshPublicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzsuj+XW6uSLt3I6S1X9C4NTBbwZ8CRrW0hpmMxn5pF me@client"
        },
    }
    text = message(OIDC | {"clientSecret": SECRET}, **aws)
    assert "pilotlight:webui.oidc.clientSecret stands in the file in plain text" in text
    assert "`pulumi config set -s lab --secret --path 'pilotlight:webui.oidc.clientSecret'`" in text
    assert SECRET not in text
    assert load(raw(OIDC, **aws), "lab").webui.oidc is not None
    program = load(raw(OIDC | {"clientSecret": SECRET}, **aws), "lab", secret_keys=["pilotlight:webui"])
    assert program.webui.oidc is not None
    assert program.webui.oidc.client_secret == SECRET
    assert SECRET not in repr(program)


def test_only_the_secret_of_the_section_may_be_encrypted() -> None:
    assert "pilotlight:webui.oidc is encrypted" in message({"secure": "v1:abc"})
    assert "pilotlight:webui.oidc.issuer is encrypted" in message(OIDC | {"issuer": {"secure": "v1:abc"}})
