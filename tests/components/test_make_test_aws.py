"""The program of `make test-aws` under mocks: it must not rot, because it is run rarely and for money."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from tests.aws import __main__ as test_aws
from tests.aws import scenario

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzsuj+XW6uSLt3I6S1X9C4NTBbwZ8CRrW0hpmMxn5pF test"


def test_its_program_makes_one_small_unprotected_host(run_program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exported: dict[str, Any] = {}
    monkeypatch.setattr(pulumi, "export", exported.__setitem__)

    def program() -> dict[str, Any]:
        scenario.program(KEY)
        return exported

    cloud, outputs = run_program(scenario.NAME, program)
    hosts = cloud.of("Instance")
    assert {name: h["instanceType"] for name, h in hosts.items()} == {f"{scenario.NAME}-host": scenario.FIRST_TYPE}
    assert outputs == {"instance": f"{scenario.NAME}-host-id"}
    assert not cloud.options["Instance", f"{scenario.NAME}-host"].protect
    assert not cloud.of("Eip"), "nothing that costs money besides the machine and its disk"
    assert not cloud.of("SecurityGroupIngressRule"), "closed to everybody"


def test_its_bill_is_said_before_the_first_call() -> None:
    assert test_aws.estimate().startswith("At most $0.")
