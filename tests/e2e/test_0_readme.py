"""README's order works with a passphrase: its own lines, the real Pulumi CLI, and then what `fab` asks; no cloud."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from core.errors import DeployError
from local.folders import CHECKOUT
from local.setup import tools
from remote.machines import inventory
from remote.stack_files import StackFile, settings_of

PROGRAM = "import pulumi\npulumi.export('table', 't')\npulumi.export('key', pulumi.Output.secret('s'))\n"


def commands() -> str:
    """README's lines about the passphrase, and `stack init`."""
    block = re.search(r"^make setup.*?^```", (CHECKOUT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    assert block is not None
    wanted = [line for line in block[0].splitlines() if "passphrase" in line]
    assert [line.split()[0] for line in wanted] == ["(umask", "export", "pulumi"]
    return "\n".join(wanted)


@pytest.fixture
def stack(tmp_path: Path) -> StackFile:
    """A project with README's stack, made by README's lines in a home of its own, and brought up."""
    (tmp_path / "stacks").mkdir()
    project = f"name: pilotlight\nruntime: {{name: python, options: {{virtualenv: {CHECKOUT}/.venv}}}}\n"
    (tmp_path / "Pulumi.yaml").write_text(f"{project}stackConfigDir: stacks\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_CONFIG")} | {
        "HOME": str(tmp_path),
        "PATH": f"{tools.pulumi_bin()}:{CHECKOUT}/.venv/bin:{os.environ['PATH']}",
        "PULUMI_BACKEND_URL": f"file://{tmp_path}",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    script = f"set -e\n{commands()}\npulumi up -y --skip-preview -s qwen7b >&2\nenv -0"
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    exported = dict(item.split("=", 1) for item in done.stdout.decode().rsplit("\n", 1)[-1].split("\0") if item)
    return StackFile("qwen7b", settings_of("qwen7b"), tmp_path, exported, "")


def test_fab_reads_the_outputs_after_readmes_lines(stack: StackFile) -> None:
    assert inventory.outputs(stack)["table"] == "t"
    passphrase = Path(stack.environment["PULUMI_CONFIG_PASSPHRASE_FILE"])
    assert (passphrase.stat().st_mode & 0o777, len(passphrase.read_text().strip())) == (0o600, 48)


def test_without_the_export_fab_names_it(stack: StackFile) -> None:
    environment = {k: v for k, v in stack.environment.items() if k != "PULUMI_CONFIG_PASSPHRASE_FILE"}
    with pytest.raises(DeployError, match="`export PULUMI_CONFIG_PASSPHRASE_FILE=FILE`"):
        inventory.outputs(StackFile(stack.name, stack.settings, stack.project, environment, ""))
