"""README names only what is there: make targets, fab verbs, modules, stacks and files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from core import money, settings
from core.settings.resolve import shape
from fabfile import namespace

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?\bmake ([a-z-]+)", README))
    assert named
    assert named - {"sure"} <= targets


def test_fab_verbs_exist() -> None:
    fab = Path(sys.executable).with_name("fab")
    listed = subprocess.run([str(fab), "--list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    verbs = set(re.findall(r"^  ([a-z][a-z.-]*)", listed, re.MULTILINE))
    named = {v.rstrip(".") for v in re.findall(r"\bfab ([a-z][a-z.-]*)", README)}
    assert named
    assert named <= verbs


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m ([a-z_.]+)", README))))
def test_modules_exist(module: str) -> None:
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_stacks_and_files_exist() -> None:
    for stack in re.findall(r"-s ([a-z0-9]+)\b", README):
        assert (ROOT / "stacks" / f"Pulumi.{stack}.yaml").exists(), stack
    for named in re.findall(r"`((?:docs|stacks|core|bench)/[\w./-]+)`", README):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("stack", ["qwen7b", "qwen05b"])
def test_the_cost_table_is_what_the_stack_files_cost(stack: str) -> None:
    file = (ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text()
    costs = shape(settings.load(yaml.safe_load(file)["config"], stack, to_deploy=False))
    row = next(line for line in README.splitlines() if line.startswith(f"| `{stack}` (") and "$" in line)
    assert costs.host_type in row
    assert [cell.strip() for cell in row.strip("|").split("|")][1:] == [
        f"${money.awake_hour(costs):.2f}/h",
        f"${money.standing_hour(costs):.3f}/h",
        f"${money.asleep_month(costs):.0f}",
        f"${money.month(costs, 100):.0f}",
        f"${money.always_on_month(costs):.0f}",
    ]


def test_what_relay_and_reaper_cost_is_what_the_readme_says() -> None:
    reaper = money.reaper_month("us-east-1", seconds_a_pass=0.3, mib=256, reads=3, writes=1)
    assert f"two and a half times a second (${money.relay_hour('us-east-1') * 730:.2f} a month)" in README
    assert f"add about ${reaper:.2f} a month" in README.replace("\n", " ")


def test_the_commands_have_the_flags_that_the_table_gives_them() -> None:
    """On the left a flag is the verb's before it; on the right that of the verb beside it, or of all in the row."""
    rows = [row.strip("| ").split(" | ") for row in README.splitlines() if row.startswith("| `fab ")]
    assert len(rows) > 5
    for left, right in rows:
        verbs, told = list[str](), set[str]()
        for words in spans(left):
            verbs += words[1:2] if words[0] == "fab" else []
            told |= flags(words)
            assert flags(words) <= flags_of(verbs[-1]), left
        for words in spans(right):
            beside = [word for word in words if word in namespace.task_names]
            for verb in beside or verbs:
                assert flags(words) - told <= flags_of(verb), f"{verb}: {right}"


def spans(text: str) -> list[list[str]]:
    """What stands between backticks, as words."""
    return [span.split() for span in re.findall("`([^`]+)`", text)]


def flags(words: list[str]) -> set[str]:
    return {word.strip("[]").removeprefix("--") for word in words if word.strip("[]").startswith("--")}


def flags_of(verb: str) -> set[str]:
    return {name for argument in namespace[verb].get_arguments() for name in argument.names}
