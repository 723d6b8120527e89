"""The real Pulumi CLI reads each stack file of the table as the table says; no cloud, no machine."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local.setup import tools
from tests.stack_yaml_cases import SAME


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Pulumi project of our name with a stack, on a backend of its own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "Pulumi.yaml").write_text("name: pilotlight\nruntime: python\nbackend: {url: 'file://.'}\n")
    pulumi(folder, "stack", "init", "t")
    return folder


def pulumi(folder: Path, *words: str) -> str:
    environment = os.environ | {"PULUMI_CONFIG_PASSPHRASE": "x", "PULUMI_SKIP_UPDATE_CHECK": "true"}
    command = [str(tools.pulumi_bin() / "pulumi"), "--non-interactive", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(("lines", "values"), SAME.values(), ids=SAME.keys())
def test_pulumi_reads_it_so(project: Path, lines: str, values: dict[str, Any]) -> None:
    file = project / "case.yaml"
    file.write_text(f"config:\n{lines}", newline="")
    shown = json.loads(pulumi(project, "config", "--json", "-s", "t", "--config-file", str(file)))
    assert {key: found.get("objectValue", found["value"]) for key, found in shown.items()} == values
