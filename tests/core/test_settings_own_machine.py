"""A stack on a machine of one's own: what it is without a word, and what it cannot have."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import SettingsError
from core.money.prices import PriceUnknown
from core.settings import SshHost, StackSettings, digest, load, shape, unit_settings

ENGINES = {"a": {"model": "x/m"}}
HOST = {"kind": "ssh", "address": "workstation"}


def settings(host: Any = None, **sections: Any) -> StackSettings:
    given = {"host": HOST | (host or {}), "engines": ENGINES} | sections
    return load({f"pilotlight:{name}": value for name, value in given.items()}, "mine")


def message(host: Any = None, **sections: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        settings(host, **sections)
    return str(caught.value)


def test_address_and_engines_are_all_that_must_be_said() -> None:
    found = settings()
    assert found.host == SshHost(kind="ssh", address="workstation")
    assert (found.gateway, found.chat_on, found.unit) == (None, None, "mine/host")


def test_the_reaper_is_told_of_no_instance_types() -> None:
    unit = unit_settings(settings(), instance_id="workstation", alerts_topic_arn="")
    assert (unit.instance_types, unit.instance_id) == ((), "workstation")


def test_nobody_knows_its_price() -> None:
    with pytest.raises(PriceUnknown, match="your own"):
        shape(settings())


def test_another_address_is_for_pulumi_up_to_apply() -> None:
    assert digest(settings()) != digest(settings({"address": "other"}))


@pytest.mark.parametrize(
    ("sections", "expected"),
    [
        ({"gateway": {"instanceType": "t4g.small"}}, "gateway: HAProxy and relay run on the machine itself"),
        ({"webui": {"host": "host"}}, "webui: the chat page is not in this release for host.kind: ssh"),
        ({"budget": {"monthlyUsd": 5}}, "budget: what your own machine costs is not known"),
        ({"notify": {"webhooks": ["https://a.example/x"]}}, "told in the machine's journal alone"),
        ({"control": {"plainInstances": True}}, "control has no effect"),
        ({"cloud": "embedded"}, "cloud has no effect"),
        ({"access": {"domain": "llm.example.org"}}, "access.domain has no effect: TLS is not in this release"),
        ({"access": {"sshCidrs": ["10.0.0.0/8"]}}, "access.sshCidrs has no effect: who logs in is the machine's own"),
        ({"access": {"cidrs": ["0.0.0.0/0"]}}, 'access.cidrs[0]: "0.0.0.0/0" lets the internet in without TLS'),
        ({"host": {"kind": "ssh"}}, "pilotlight:host.address is not set, and has no default"),
        (
            {"host": HOST | {"adress": "x"}},
            "host.adress is not a setting (did you mean address?); allowed here: ",
        ),
        ({"host": {"kind": "ssh", "address": "-x"}}, 'host.address: "-x" has a wrong form; allowed: a host\'s name or'),
        ({"host": HOST | {"zone": "us-east-1a"}}, "host.zone is not a setting; allowed here: address, kind, sshUser"),
    ],
)
def test_what_it_cannot_have_is_said(sections: dict[str, Any], expected: str) -> None:
    host = sections.pop("host", None)
    said = message(**sections) if host is None else _with_host(host)
    assert expected in said
    assert "\n" not in said


def _with_host(host: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load({"pilotlight:host": host, "pilotlight:engines": ENGINES}, "mine")
    return str(caught.value)
