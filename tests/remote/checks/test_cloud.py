"""What `pulumi preview --json` prints, as lines. The samples are what Pulumi 3.220 printed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from core import settings
from core.errors import DeployError
from remote.checks import Verdict, cloud
from remote.stack_files import StackFile
from tests.remote.machines.test_inventory import DEMO

WARNING = {"message": "warning: AWS refused to tell the quota. Not checked.\n", "severity": "warning"}
NOTE = {"message": "the stack file prefers g6.2xlarge, the host is g6.xlarge\n", "severity": "info"}
ERROR = {"message": "error: Subnet subnet-1 has no route.\nImage ami-1 does not fit.\n", "severity": "error"}


def lines(
    *diagnostics: dict[str, str], succeeded: bool = True, changes: dict[str, int] | None = None
) -> list[tuple[str, str, str]]:
    printed: dict[str, Any] = {"steps": [], "diagnostics": list(diagnostics), "changeSummary": changes or {"same": 30}}
    found = cloud.read(json.dumps(printed), "", succeeded=succeeded)
    return [(check.verdict, check.name, check.said) for check in cloud.checks(found, "demo")]


def test_a_preview_that_would_change_nothing_passes() -> None:
    assert [line[:2] for line in lines()] == [(Verdict.PASS, "preview"), (Verdict.PASS, "applied")]


def test_what_aws_lacks_fails_in_its_own_words_and_ends_the_look() -> None:
    assert lines(WARNING, ERROR, succeeded=False) == [
        (Verdict.FAIL, "preview", "Subnet subnet-1 has no route.\nImage ami-1 does not fit.")
    ]


def test_what_could_not_be_asked_and_what_differs_are_warnings() -> None:
    assert lines(WARNING, NOTE)[1:3] == [
        (Verdict.WARN, "preview", "AWS refused to tell the quota. Not checked."),
        (Verdict.WARN, "differs", "the stack file prefers g6.2xlarge, the host is g6.xlarge"),
    ]


def test_of_ones_own_machine_nothing_is_said_that_was_not_asked() -> None:
    note = {"message": "host.kind: ssh: no cloud resource is made\n", "severity": "info"}
    found = cloud.read(json.dumps({"diagnostics": [note], "changeSummary": {"same": 1}}), "", succeeded=True)
    lines = [(check.verdict, check.said) for check in cloud.checks(found, "mine", aws=False)]
    assert lines[0] == (Verdict.PASS, "no cloud is needed: the host is a machine of your own")
    assert [verdict for verdict, _ in lines] == [Verdict.PASS, Verdict.PASS]


def test_what_up_would_change_is_counted() -> None:
    assert lines(changes={"same": 30, "update": 2, "create": 1})[-1] == (
        Verdict.WARN,
        "applied",
        "`pulumi up` would change resources: create 1, update 2",
    )


@pytest.mark.parametrize(
    ("out", "err", "said"),
    [("", "error: no credentials\n", "error: no credentials"), ("oh", "", "oh"), ("", "", "Pulumi said nothing.")],
)
def test_what_is_no_json_fails_with_the_last_lines(out: str, err: str, said: str) -> None:
    (check,) = cloud.checks(cloud.read(out, err, succeeded=False), "demo")
    assert (check.verdict, check.said) == (Verdict.FAIL, said)


def test_a_traceback_of_the_program_is_told() -> None:
    trace = {"message": "ModuleNotFoundError: No module named 'pulumi'\n", "severity": "info#err"}
    ((verdict, _, said),) = lines(trace, succeeded=False)
    assert (verdict, said) == (Verdict.FAIL, "ModuleNotFoundError: No module named 'pulumi'")


def stack_file(folder: Path) -> StackFile:
    found = settings.load(yaml.safe_load(DEMO)["config"], "demo")
    return StackFile("demo", found, folder, {"PATH": str(folder), "KEPT": "yes"}, "")


def test_pulumi_runs_in_the_stacks_own_environment_and_reads_nothing(tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.write_text('#!/bin/sh\n[ "$KEPT" = yes ] && read line; echo "{\\"changeSummary\\": {\\"same\\": $#}}"\n')
    program.chmod(0o755)
    assert cloud.preview(stack_file(tmp_path)).steps == {"same": 5}


def test_without_pulumi_it_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="`pulumi` is not on PATH"):
        cloud.preview(stack_file(tmp_path))


@pytest.mark.parametrize(
    ("pulumi", "verdict"), [("v3.220.0", "pass"), ("v2.9.1", "fail"), ("v3.999.0-alpha.1", "pass"), ("", "fail")]
)
def test_pulumi_is_new_enough(pulumi: str, verdict: str) -> None:
    check = cloud.versions(pulumi, "pilotlight 0.1.0")
    assert check.verdict == verdict
    assert check.said.startswith("pilotlight 0.1.0")
