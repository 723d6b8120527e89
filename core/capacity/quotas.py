"""Which of the account's quotas an instance type counts against, and what is said where one does not suffice. Pure.

EC2 counts the vCPUs of running on-demand instances by groups of families ("On-Demand Instance quotas" in the EC2 user
guide). The codes are those of Service Quotas, as `aws service-quotas list-service-quotas --service-code ec2` prints
them. A new account has 0 of the G and of the P quota. To know another group: a row in `_QUOTAS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.capacity.instance_types import NAME

SERVICE: Final = "ec2"


@dataclass(frozen=True)
class Quota:
    """One quota: its code, and its name as AWS's console shows it."""

    code: str
    name: str


_QUOTAS: Final[Mapping[str, Quota]] = {
    families: Quota(code, f"Running On-Demand {name}")
    for families, code, name in (
        ("g gr vt", "L-DB2E81BA", "G and VT instances"),
        ("p", "L-417A185B", "P instances"),
        ("inf", "L-1945791B", "Inf instances"),
        ("a c d h i im is m r t z", "L-1216C47A", "Standard (A, C, D, H, I, M, R, T, Z) instances"),
    )
}


def quota(instance_type: str) -> Quota | None:
    """The quota that a type counts against; None for a family that the table does not know."""
    match = NAME.fullmatch(instance_type)
    family = match["family"] if match else ""
    return next((found for families, found in _QUOTAS.items() if family in families.split()), None)


@dataclass(frozen=True)
class Demand:
    """How many vCPUs of a quota a stack runs at most, and which types these are."""

    quota: Quota
    vcpus: int
    types: tuple[str, ...]


def demands(host: Mapping[str, int], gateway: Mapping[str, int]) -> tuple[Demand, ...]:
    """What host and gateway need at the same time; each a mapping of type → vCPUs.

    The host is one machine: of its types only the largest counts. The gateway runs beside it.
    """
    found: dict[Quota, Demand] = {}
    for types in (host, gateway):
        for wanted, (name, vcpus) in _largest(types).items():
            before = found.get(wanted, Demand(wanted, 0, ()))
            found[wanted] = Demand(wanted, before.vcpus + vcpus, (*before.types, name))
    return tuple(found.values())


def _largest(types: Mapping[str, int]) -> dict[Quota, tuple[str, int]]:
    largest: dict[Quota, tuple[str, int]] = {}
    for name, vcpus in types.items():
        wanted = quota(name)
        if wanted and vcpus > largest.get(wanted, ("", 0))[1]:
            largest[wanted] = name, vcpus
    return largest


def shortage(demand: Demand, allowed: float, region: str) -> str:
    """What is wrong and the command that mends it; "" where the quota suffices."""
    if allowed >= demand.vcpus:
        return ""
    needs = f"{' and '.join(demand.types)} need{'s' if len(demand.types) == 1 else ''} {demand.vcpus}"
    return (
        f'The account\'s quota "{demand.quota.name}" is {allowed:g} vCPUs in {region}, and {needs}. Ask for more with '
        f"`aws service-quotas request-service-quota-increase --service-code {SERVICE} --quota-code {demand.quota.code} "
        f"--desired-value {demand.vcpus} --region {region}` (AWS answers within hours or days), or name smaller types"
    )
