"""docs/operate/chat.md says what each key of single sign-on does, and how large the gateway must be."""

from __future__ import annotations

from core.capacity import gateway_memory
from core.settings.model import Webui
from core.settings.sign_on import Oidc
from remote.services import sign_on
from tests.operate_pages import PAGES

PAGE = PAGES["chat.md"]


def test_every_key_of_single_sign_on_has_a_row() -> None:
    rows = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `"))
    assert not [name for name, field in Oidc.model_fields.items() if f"`{field.alias or name}`" not in rows]


def test_the_redirect_url_is_that_of_the_code() -> None:
    assert f"https://DOMAIN:3000{sign_on.CALLBACK}" in PAGE


def test_the_memory_of_the_gateways_programs_is_that_of_the_code() -> None:
    cells = [[cell.strip() for cell in line.split("|")] for line in PAGE.splitlines() if line.startswith("| ")]
    said = {row[1]: row[2] for row in cells if len(row) > 3}
    assert said["kernel, systemd, journal, sshd"] == str(gateway_memory.SYSTEM_MIB)
    assert said["Docker"] == str(gateway_memory.DOCKER_MIB)
    assert said["HAProxy"] == str(gateway_memory.HAPROXY_MIB)
    assert said["two relays"] == str(gateway_memory.RELAYS_MIB)
    assert said["requests that wait"] == str(gateway_memory.WAITING_MIB)
    assert said["Redis"] == "{} to {}".format(*gateway_memory.REDIS_MIB)


def test_the_sizes_that_are_recommended_fit_and_the_ones_below_do_not() -> None:
    page_mib = Webui().memory_mib
    for kind, fits, below in (("t4g.micro", 0, "t4g.nano"), ("t4g.small", page_mib, "t4g.micro")):
        assert f"`{kind}`" in PAGE
        assert gateway_memory.too_small(kind, fits) == ""
        assert gateway_memory.too_small(below, fits)
    assert gateway_memory.too_small("t4g.medium", 2560) == ""
    assert gateway_memory.too_small("t4g.small", 2560)
