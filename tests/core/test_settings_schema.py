"""The editors' schema: current, and of one mind with the settings themselves."""

import json
from typing import Any

import jsonschema
import pytest
import yaml

from components.aws.archive import ROOT
from core import settings
from core.settings import hosts, manual
from core.settings.schema import document
from tools import settings_pages

VALIDATOR = jsonschema.Draft202012Validator(json.loads(document()))


def test_the_committed_schema_is_current() -> None:
    assert settings_pages.PATH.read_text() == document(), "run `python -m tools.settings_pages`"


def test_the_committed_page_is_current() -> None:
    assert settings_pages.PAGE.read_text() == manual.page(), "run `python -m tools.settings_pages`"


def test_the_page_has_every_key() -> None:
    page = manual.page()
    for section in (settings.StackSettings, settings.Ec2Host, settings.Gateway, settings.Engine, settings.Idle):
        for name, field in section.model_fields.items():
            assert field.exclude or f"{field.alias or name}`" in page, name


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(document()))


@pytest.mark.parametrize("path", sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda p: p.name)
def test_committed_stacks_fit(path: Any) -> None:
    VALIDATOR.validate(yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(
    "section",
    [
        {"pilotlight:idle": {"stopAfter": "30 minuts"}},
        {"pilotlight:idle": {"profle": "dev"}},
        {"pilotlight:host": {"kind": "ssh"}},  # without its address
        {"pilotlight:host": {"kind": "kubernetes"}},
        {"pilotlight:host": {"address": "workstation"}},  # no kind: an EC2 host has no such key
        {"pilotlight:gateway": "no"},
        {"pilotlight:engine": {}},
    ],
)
def test_an_editor_sees_what_load_refuses(section: dict[str, Any]) -> None:
    config = {"pilotlight:engines": {"a": {"model": "x/m"}}} | section
    assert not VALIDATOR.is_valid({"config": config})


def test_right_values_fit() -> None:
    config = {
        "pilotlight:engines": {"a": {"model": "x/m"}},
        "pilotlight:gateway": "none",
        "pilotlight:idle": {"stopAfter": "off", "maxLease": "1h30m"},
        "gcp:zone": "x",
    }
    VALIDATOR.validate({"config": config, "encryptionsalt": "v1:x"})


def test_a_kind_that_is_not_in_this_release_is_no_choice() -> None:
    schema = json.loads(document())
    kinds = schema["properties"]["config"]["properties"]["pilotlight:host"]["discriminator"]["mapping"]
    assert set(kinds) == set(hosts.KINDS)
    assert [schema["$defs"][name]["properties"]["kind"]["const"] for name in ("Ec2Host", "SshHost")] == ["ec2", "ssh"]
