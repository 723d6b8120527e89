"""`fab deploy -s a,b`: each stack in its own process; one that fails hides nothing and stops nobody."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from invoke.context import Context

from core.errors import DeployError, SettingsError
from remote import stack_files, tasks
from remote.verbs import deploy_many
from remote.verbs.deploy_many import Outcome
from remote.verbs.deploy_report import Options

PLAYED = """
import json, sys
stack = sys.argv[2]
print("   0.0 s  gateway looks")
if stack == "bad":
    sys.exit("fab deploy: gateway: could not write x.")
if "--json" in sys.argv:
    print(json.dumps({"schema_version": 1, "data": {"changed": stack == "b", "options": sys.argv[3:]}}))
sys.exit(2 if stack == "b" and "--plan" in sys.argv else 0)
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A `fab deploy` that is played."""
    (tmp_path / "fab.py").write_text(PLAYED)
    return [sys.executable, str(tmp_path / "fab.py")]


def test_all_end_and_each_line_says_whose_it_is(command: list[str]) -> None:
    said = list[str]()
    found = deploy_many.deploy(["a", "bad", "b"], ["--json"], said.append, command)
    assert [(each.stack, each.code, each.failed) for each in found] == [
        ("a", 0, False),
        ("bad", 1, True),
        ("b", 0, False),
    ]
    assert sorted(said) == [
        "a       0.0 s  gateway looks",
        "b       0.0 s  gateway looks",
        "bad     0.0 s  gateway looks",
        "bad  fab deploy: gateway: could not write x.",
    ]
    assert [each.as_dict() for each in found] == [
        {"stack": "a", "error": None, "changed": False, "options": ["--json"]},
        {"stack": "bad", "error": "fab deploy: gateway: could not write x."},
        {"stack": "b", "error": None, "changed": True, "options": ["--json"]},
    ]
    assert deploy_many.summary(found)[-1] == "FAILED  bad: fab deploy: gateway: could not write x."


@pytest.mark.parametrize(
    ("codes", "code"),
    [((0, 0), 0), ((0, 2), 2), ((2, 3), 3), ((3, 1), 1), ((0, -9), 1), ((2, 255), 1), ((1, 130), 130)],
)
def test_the_exit_code(codes: tuple[int, ...], code: int) -> None:
    assert deploy_many.exit_code([Outcome(str(n), each, "") for n, each in enumerate(codes)]) == code


def test_a_plan_of_several(command: list[str]) -> None:
    found = deploy_many.deploy(["a", "b"], ["--plan"], lambda _: None, command)
    assert deploy_many.exit_code(found) == 2


def test_the_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_files, "names", lambda: ["ops", "qwen7b"])
    assert deploy_many.names(" ops, qwen7b,ops,") == ["ops", "qwen7b"]
    assert deploy_many.names("alone") == ["alone"], "its own message says more"
    with pytest.raises(DeployError, match=r"no stack `qwen77b`.*qwen7b.*Nothing was done"):
        deploy_many.names("ops,qwen77b")


def test_a_file_for_one_stacks_key_is_not_for_several() -> None:
    with pytest.raises(SettingsError, match="--key-file /k is for one stack's"):
        deploy_many.words(Options(key_file=Path("/k")), identity="", as_json=False)
    assert deploy_many.words(Options(plan=True), identity="~/k", as_json=True) == [
        "--identity",
        "~/k",
        "--plan",
        "--json",
    ]


def test_the_verb_runs_them_for_real_and_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real `fab`, on stacks whose files are not complete."""
    with pytest.raises(SystemExit) as ended:
        tasks.deploy(Context(), stack="qwen7b,qwen05b")
    assert ended.value.code == 1
    out = capsys.readouterr().out
    assert "qwen7b   fab deploy: stacks/Pulumi.qwen7b.yaml: 3 settings need your attention" in out
    assert out.splitlines()[-1].startswith("FAILED  qwen05b: ")
    assert "Traceback" not in out
