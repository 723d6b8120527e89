"""`pilotlight:webui`: where the chat page runs, its image, and its first account."""

from typing import Any

import pytest

from core.contract.paths import WEBUI_IMAGE
from core.errors import SettingsError
from core.settings import load

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzsuj+XW6uSLt3I6S1X9C4NTBbwZ8CRrW0hpmMxn5pF me@client"
DIGEST = "@sha256:" + "a" * 64


def raw(**sections: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"cloud": "embedded", "engines": {"qwen": {"model": "Qwen/Qwen2.5-0.5B-Instruct"}}}
    return {f"pilotlight:{k}": v for k, v in (base | sections).items()}


def message(**sections: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(raw(**sections), "lab")
    return str(caught.value)


@pytest.mark.parametrize(
    ("sections", "where"),
    [
        ({}, "gateway"),
        ({"webui": {"host": "gateway"}}, "gateway"),
        ({"webui": {"host": "host"}}, "host"),
        ({"webui": {"host": "none"}}, None),
        ({"webui": "none"}, None),
        ({"gateway": "none"}, None),
        ({"gateway": "none", "webui": "none"}, None),
    ],
)
def test_where_the_page_runs(sections: dict[str, Any], where: str | None) -> None:
    assert load(raw(**sections), "lab").chat_on == where


@pytest.mark.parametrize("place", ["host", "gateway"])
def test_a_page_without_a_gateway_is_refused(place: str) -> None:
    said = message(gateway="none", webui={"host": place})
    assert f'pilotlight:webui.host: "{place}" needs a gateway' in said
    assert "\n" not in said


def test_the_image_has_a_version_or_a_digest() -> None:
    assert load(raw(), "lab").webui.image == WEBUI_IMAGE
    for image in (f"localhost:5000/chat{DIGEST}", f"ghcr.io/o/w:v1{DIGEST}", "open-webui:0.1", f"a/b:latest{DIGEST}"):
        assert load(raw(webui={"image": image}), "lab").webui.image == image


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("ghcr.io/open-webui/open-webui", "names no version"),
        ("ghcr.io/open-webui/open-webui:latest", "names no version"),
        ("open-webui:v1 --privileged", "is not a container image"),
        ("https://ghcr.io/open-webui:v1", "is not a container image"),
        ("Open-WebUI:v1", "is not a container image"),
        ("open-webui:v1@sha256:abc", "is not a container image"),
        ("-v:1", "is not a container image"),
    ],
)
def test_wrong_images(image: str, said: str) -> None:
    assert f'pilotlight:webui.image: "{image}" {said}' in message(webui={"image": image})


def test_search_in_documents_is_refused_with_the_reason() -> None:
    said = message(webui={"documents": "search"})
    assert 'pilotlight:webui.documents: "search" is refused in this release' in said
    assert "Allowed: prompt (a file goes into the prompt as it is), off" in said
    assert "allowed: prompt or off" in message(webui={"documents": "of"})
    assert [load(raw(webui=webui), "lab").webui.documents for webui in ({}, {"documents": "off"})] == ["prompt", "off"]


def test_the_admins_address_must_be_one() -> None:
    assert 'pilotlight:webui.adminEmail: "ops" is not an e-mail address' in message(webui={"adminEmail": "ops"})


@pytest.mark.parametrize("password", ["short", "x" * 73, "two\nlines of it", 12345678, ["a", "b"]])
def test_a_wrong_password_is_named_but_not_shown(password: Any) -> None:
    said = message(webui={"adminPassword": password})
    assert said.endswith("adminPassword: the value (not shown) must be one line of 8 to 72 bytes")
    assert str(password) not in said


def test_an_encrypted_password_is_nobodys_business_but_pulumis() -> None:
    settings = load(raw(webui={"adminPassword": {"secure": "v1:abc"}}), "lab")
    assert settings.webui.admin_password is None
    given = load(raw(webui={"adminPassword": "correct horse"}), "lab")
    assert given.webui.admin_password == "correct horse"
    assert "correct horse" not in repr(given)


def test_a_misspelt_key_is_suggested() -> None:
    assert "did you mean adminEmail?" in message(webui={"adminMail": "a@b.org"})


def test_a_section_that_is_none_does_not_show_the_password_in_it() -> None:
    said = message(webui=[{"adminPassword": "hunter2hunter2"}])
    assert "hunter2" not in said


def test_only_the_password_may_be_encrypted() -> None:
    sealed = {"secure": "v1:abc"}
    assert "pilotlight:webui is encrypted" in message(webui=sealed)
    assert "pilotlight:webui.host is encrypted" in message(webui={"host": sealed})
    program = load(raw(webui={"adminPassword": "correct horse"}), "lab", secret_keys=["pilotlight:webui"])
    assert program.webui.admin_password == "correct horse"


@pytest.mark.parametrize(
    ("kind", "memory", "fits"),
    [
        ("t4g.micro", 1280, "t4g.small"),
        ("t3.micro", 512, "t3.small"),
        ("t4g.small", 2000, "t4g.medium"),
        ("t4g.small", 1280, ""),
        ("m7g.medium", 2000, ""),
    ],
)
def test_a_gateway_too_small_for_the_page_is_refused_with_the_smallest_that_fits(
    kind: str, memory: int, fits: str
) -> None:
    sections: dict[str, Any] = {"gateway": {"instanceType": kind}, "webui": {"memoryMiB": memory}}
    if not fits:
        assert load(raw(**sections), "lab").chat_on == "gateway"
        return
    said = message(**sections)
    assert f"pilotlight:gateway.instanceType: {kind} has" in said
    assert f"that fits is {fits}. A lower pilotlight:webui.memoryMiB, or" in said
    assert load(raw(**sections | {"webui": "none"}), "lab").chat_on is None
    assert load(raw(**sections | {"webui": {"host": "host", "memoryMiB": memory}}), "lab").chat_on == "host"


def test_a_gateway_too_small_for_itself_is_refused() -> None:
    said = message(gateway={"instanceType": "t4g.nano"}, webui="none")
    assert said.endswith("need 540. The smallest of its family that fits is t4g.micro")


def test_on_aws_a_password_in_plain_text_is_refused_with_the_command() -> None:
    aws: dict[str, Any] = {
        "cloud": "aws",
        "host": {"sshPublicKey": KEY},
        "access": {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"]},
    }
    plain, sealed = {"adminPassword": "correct horse"}, {"adminPassword": {"secure": "v1:abc"}}
    text = message(**aws, webui=plain)
    assert "pilotlight:webui.adminPassword stands in the file in plain text" in text
    assert "`pulumi config set -s lab --secret --path 'pilotlight:webui.adminPassword'`" in text
    assert "correct horse" not in text
    assert load(raw(**aws, webui=sealed), "lab").webui.admin_password is None
    program = load(raw(**aws, webui=plain), "lab", secret_keys=["pilotlight:webui"])
    assert program.webui.admin_password == "correct horse"


def test_a_value_that_may_not_be_encrypted_is_told_with_the_command_for_this_stack() -> None:
    text = message(idle={"stopAfter": {"secure": "v1:abc"}})
    allowed = "pilotlight:notify, pilotlight:webui.adminPassword and pilotlight:webui.oidc.clientSecret"
    assert f"only {allowed} may be" in text
    assert "`pulumi config set -s lab --plaintext --path 'pilotlight:idle.stopAfter' VALUE`" in text
