"""A backend is opened by the kind of host, and by nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from core.contract.documents import Place
from core.errors import ContractError
from core.settings import hosts
from runtime import backends
from runtime.backends.power import FleetPower, Power, Resizable

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("kind", ["", "kubernetes", "made up"])
def test_a_kind_that_this_release_lacks_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ContractError, match=f"{kind!r}, only ec2, ssh. Run `fab deploy`"):
        backends.open(Place(kind))


def test_settings_and_backends_have_the_same_kinds() -> None:
    """A kind that a stack file may name and no program opens would be found out at the machine's first boot."""
    assert set(hosts.KINDS) == set(backends.KINDS)
    classes, *_ = get_args(hosts.Host)  # Annotated[A | B, …]
    assert dict(hosts.BY_KIND) == {get_args(c.model_fields["kind"].annotation)[0]: c for c in get_args(classes)}
    assert tuple(hosts.BY_KIND) == hosts.KINDS


def test_ec2_is_opened_without_a_client() -> None:
    """A Lambda that ignores its event, and an agent whose metadata service is late, pay for none."""
    program = (
        "import sys\n"
        "from core.contract.documents import Place\n"
        "from runtime import backends\n"
        "opened = backends.open(Place('ec2', 'us-east-1', 'a-table', 'control', 'a-function'))\n"
        "assert opened.plain is not None\n"
        "print(sorted({'boto3', 'botocore.session', 'botocore.client'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_ec2s_power_is_a_fleets_and_can_change_types() -> None:
    power: FleetPower = backends.open(Place("ec2", "us-east-1")).power
    plain: Power = power
    assert isinstance(plain, Resizable)
