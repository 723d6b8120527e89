"""`__main__.py`: a wrong setting is one message and nothing made; a right one exports the outputs."""

from __future__ import annotations

import json
import runpy
from typing import Any

import pulumi
import pytest

from components import deployment
from components.aws.archive import ROOT


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the program logs as errors; nothing around it redirects AWS."""
    messages: list[str] = []
    monkeypatch.setattr(pulumi.log, "error", messages.append)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_EC2"):
        monkeypatch.delenv(name, raising=False)
    return messages


def run(monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], stack: str = "lab") -> None:
    """Run the program as Pulumi does."""
    monkeypatch.setattr(pulumi, "get_stack", lambda: stack)
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(config))
    runpy.run_path(str(ROOT / "__main__.py"))


def refuse(monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]) -> None:
    """Run it to its end with a message: any other exit code makes Pulumi add a line of its own."""
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, config)
    assert end.value.code == 32


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every call to `build`."""
    calls: list[Any] = []

    def build(settings: Any) -> dict[str, Any]:
        calls.append(settings)
        return {"unit": settings.unit}

    monkeypatch.setattr(deployment, "build", build)
    return calls


def test_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, made: list[Any], said: list[str]) -> None:
    refuse(monkeypatch, {"pilotlight:cloud": "moon"})
    assert len(said) == 1
    assert said[0].startswith("stacks/Pulumi.lab.yaml: ")
    assert made == []


def test_an_embedded_stack_without_its_cloud(monkeypatch: pytest.MonkeyPatch, made: list[Any], said: list[str]) -> None:
    refuse(monkeypatch, {"pilotlight:cloud": "embedded", "pilotlight:engines": '{"a": {"model": "x/m"}}'})
    assert len(said) == 1
    assert "lives in the embedded cloud" in said[0]
    assert made == []


def test_right_settings_are_built_and_exported(
    monkeypatch: pytest.MonkeyPatch, made: list[Any], said: list[str], config: Any
) -> None:
    exported: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)
    raw = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config("qwen7b").items()}
    run(monkeypatch, raw, "qwen7b")
    assert exported == {"unit": "qwen7b/host"}
    assert (len(made), said) == (1, [])


def test_its_size() -> None:
    assert len((ROOT / "__main__.py").read_text().splitlines()) < 60
