"""Which folder makes a stack: its kind of host decides, and only its own libraries are loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml

from components import deployment
from components.aws.archive import ROOT
from core.contract.documents import Outputs
from core.errors import SettingsError
from core.settings import StackSettings, digest, load


def test_a_kind_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, config: Any) -> None:
    settings = load(config("qwen7b"), "qwen7b")
    monkeypatch.setattr("components.aws.deployment.build", lambda given: {"unit": given.unit})
    assert deployment.build(settings) == {"unit": "qwen7b/host"}


def test_the_dispatcher_loads_no_clouds_library() -> None:
    program = "import sys, components.deployment; print([m for m in sys.modules if m.startswith('pulumi')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def own_machine() -> StackSettings:
    """The committed stack, as it stands."""
    config = yaml.safe_load((ROOT / "stacks" / "Pulumi.workstation.yaml").read_text())["config"]
    return load(config, "workstation")


def test_a_machine_of_ones_own_makes_no_resource_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr("pulumi.log.info", said.append)
    made: list[Any] = []
    monkeypatch.setattr("pulumi.runtime.resource.register_resource", lambda *resource: made.append(resource))
    settings = own_machine()
    outputs = deployment.build(settings)
    assert (made, len(said)) == ([], 1)
    assert "no cloud resource is made" in said[0]
    assert outputs == {
        Outputs.UNIT: "workstation/host",
        Outputs.HOST_INSTANCE_ID: "localhost",
        Outputs.GATEWAY_ADDRESS: "localhost",
        Outputs.API_URL: "http://localhost:8000/v1",
        Outputs.SSH_USER: "ubuntu",
        Outputs.SETTINGS_DIGEST: digest(settings),
        Outputs.CHAT_URL: "",
    }


def test_a_machine_of_ones_own_is_in_no_cloud_that_could_be_the_wrong_one(config: Any) -> None:
    elsewhere = {"AWS_ENDPOINT_URL": "http://10.77.0.1:5566"}
    deployment.check(own_machine(), elsewhere)
    with pytest.raises(SettingsError, match="is a real one"):
        deployment.check(load(config("qwen7b"), "qwen7b"), elsewhere)
