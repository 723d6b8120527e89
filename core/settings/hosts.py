"""The kinds of hosts, each a section of its own; `kind` says which. A new kind: a class here, and a place in `Host`.

What differs between kinds stands behind `components/deployment.py` and `runtime/backends/`; nothing else asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from core.capacity import instance_types
from core.settings import applied
from core.settings.checks import HostKind, ImageId, InstanceType, KmsKeyArn, PublicKey, Spot, SubnetId, UserName, Zone
from core.settings.section import Section, as_tuple, distinct

KINDS: Final = ("ec2",)
Types = Annotated[tuple[InstanceType, ...], BeforeValidator(as_tuple), Field(min_length=1), AfterValidator(distinct)]


class Ec2Host(Section):
    """The machine with the GPU: an EC2 instance."""

    model_config = applied.section(applied.UP)

    kind: HostKind = Field(
        default="ec2", description="What the host is, which decides its further keys. In this release ec2 only."
    )
    instance_types: Types = Field(
        default=("g6.xlarge", "g5.xlarge"),
        description="EC2 types; the first is preferred, the rest is the capacity ladder (less GPU memory is skipped).",
    )
    zone: Zone = Field(default="auto", description="Availability zone; auto: the first that offers every type above.")
    disk_gib: Annotated[int, Field(ge=20, le=16384)] = Field(
        default=120, alias="diskGiB", description="Root disk, GiB."
    )
    disk_throughput_mibps: Annotated[int, Field(ge=125, le=1000)] = Field(
        default=500, alias="diskThroughputMiBps", description="Root disk, MiB/s; a cold start reads gigabytes."
    )
    ssh_public_key: PublicKey | None = Field(
        default=None,
        description="The OpenSSH public key that the machines are made with. Must be set on AWS. First boot only.",
    )
    ssh_user: UserName = Field(default="ubuntu", description="The image's log-in user.")
    subnet_id: SubnetId | None = Field(default=None, description="Default: a subnet of the default VPC in `zone`.")
    image: ImageId | None = Field(default=None, description="AMI id. Default: the latest Ubuntu 24.04 of Canonical.")
    kms_key_arn: KmsKeyArn | None = Field(
        default=None,
        description="Key for the disk. Default: the account's EBS key. "
        "First boot only: a disk keeps its key, so another key means another host, which `protect` refuses.",
    )
    spot: Spot = Field(default=False, description="Refused in this release: a wake could not start a spot machine.")
    protect: bool = Field(default=True, description="Pulumi refuses to delete or replace the host while this is true.")

    @field_validator("instance_types")
    @classmethod
    def _one_architecture(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        kinds = {t: instance_types.architecture(t) for t in types}
        if len(set(kinds.values())) > 1:
            raise ValueError(
                "mixes processors: a disk boots on one of " + ", ".join(f"{t} {a}" for t, a in kinds.items())
            )
        return types


def _of_its_kind(value: Any) -> Any:
    """Of a kind that is not in this release the other keys are unknown: only `kind` is looked at, and refused."""
    if isinstance(value, Mapping) and value.get("kind", KINDS[0]) not in KINDS:
        return {"kind": value["kind"]}
    return value


# The union of kinds. pydantic's discriminator takes two at least: with the next kind this becomes
# Annotated[Ec2Host | ..., Field(discriminator="kind"), BeforeValidator(_of_its_kind)]
# A discriminator takes neither a validator nor a default: `kind` is then a plain Literal in each class, and
# `_of_its_kind` puts `KINDS[0]` where it is missing and refuses what `checks.HostKind` refuses now.
Host = Annotated[Ec2Host, BeforeValidator(_of_its_kind)]
