"""Which quota a type counts against, how much a stack needs of it, and what is said."""

from __future__ import annotations

import pytest

from core.capacity import quotas


@pytest.mark.parametrize(
    ("instance_type", "code"),
    [
        ("g6.xlarge", "L-DB2E81BA"),
        ("gr6.4xlarge", "L-DB2E81BA"),
        ("g4dn.xlarge", "L-DB2E81BA"),
        ("vt1.3xlarge", "L-DB2E81BA"),
        ("p5.48xlarge", "L-417A185B"),
        ("p4de.24xlarge", "L-417A185B"),
        ("t4g.small", "L-1216C47A"),
        ("m7i.large", "L-1216C47A"),
        ("im4gn.large", "L-1216C47A"),
        ("inf2.xlarge", "L-1945791B"),
        ("x2idn.16xlarge", None),
        ("nonsense", None),
    ],
)
def test_the_quota_of_a_type(instance_type: str, code: str | None) -> None:
    found = quotas.quota(instance_type)
    assert (found.code if found else None) == code


def test_of_the_host_s_types_only_the_largest_counts() -> None:
    g, standard = quotas.quota("g6.xlarge"), quotas.quota("t4g.small")
    assert g
    assert standard
    found = quotas.demands({"g6.xlarge": 4, "g6.12xlarge": 48, "g5.xlarge": 4}, {"t4g.small": 2})
    assert found == (quotas.Demand(g, 48, ("g6.12xlarge",)), quotas.Demand(standard, 2, ("t4g.small",)))
    assert quotas.demands({"t4g.large": 2, "t4g.xlarge": 4}, {"t4g.small": 2}) == (
        quotas.Demand(standard, 6, ("t4g.xlarge", "t4g.small")),
    )


def test_enough_is_enough() -> None:
    (demand,) = quotas.demands({"g6.xlarge": 4}, {})
    assert quotas.shortage(demand, 4.0, "us-east-1") == ""
    assert quotas.shortage(demand, 3.0, "eu-west-1").startswith(
        'The account\'s quota "Running On-Demand G and VT instances" is 3 vCPUs in eu-west-1, and g6.xlarge needs 4. '
    )
