"""Which folder makes a stack: its kind of host decides, and only its own libraries are loaded."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from components import deployment
from components.aws.archive import ROOT
from core.settings import load


def test_a_kind_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, config: Any) -> None:
    settings = load(config("qwen7b"), "qwen7b")
    monkeypatch.setattr("components.aws.deployment.build", lambda given: {"unit": given.unit})
    assert deployment.build(settings) == {"unit": "qwen7b/host"}


def test_the_dispatcher_loads_no_clouds_library() -> None:
    program = "import sys, components.deployment; print([m for m in sys.modules if m.startswith('pulumi')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"
