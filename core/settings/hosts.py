"""The kinds of hosts, each a section of its own; `kind` says which. A new kind: a class here, and its place in `KINDS`,
`BY_KIND` and `Host`.

What differs between kinds stands behind `components/deployment.py` and `runtime/backends/`; nothing else asks for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, field_validator

from core.capacity import instance_types
from core.settings import applied
from core.settings.checks import Address, ImageId, InstanceType, KmsKeyArn, PublicKey, Spot, SubnetId, UserName, Zone
from core.settings.section import Section, as_tuple, distinct

KINDS: Final = ("ec2", "ssh")  # the first is meant where a file names none
LATER: Final = ("kubernetes",)  # in the design, not in this release
Types = Annotated[tuple[InstanceType, ...], BeforeValidator(as_tuple), Field(min_length=1), AfterValidator(distinct)]


class Ec2Host(Section):
    """The machine with the GPU: an EC2 instance."""

    model_config = applied.section(applied.UP)

    kind: Literal["ec2"] = Field(
        default="ec2", description="What the host is, which decides its further keys: ec2, or ssh."
    )
    instance_types: Types = Field(
        default=("g6.xlarge", "g5.xlarge"),
        description="EC2 types; the first is preferred, the rest is the capacity ladder (types too small are skipped).",
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


class SshHost(Section):
    """A machine of your own with the GPU, reached by SSH. It stays on: what stops and starts are its engines."""

    model_config = applied.section(applied.UP)

    kind: Literal["ssh"] = Field(description="ssh: a machine of your own.")
    address: Address = Field(
        description="Its name or address, as you give it to `ssh`; localhost for this computer. Callers use it too."
    )
    ssh_user: UserName = Field(
        default="ubuntu", description="Who logs in there, by key, and may use sudo without a password."
    )


BY_KIND: Final[Mapping[str, type[Section]]] = MappingProxyType({"ec2": Ec2Host, "ssh": SshHost})


def _with_kind(value: Any) -> Any:
    """The usual kind where none is named: a union needs one to tell its members apart."""
    return {**value, "kind": value.get("kind", KINDS[0])} if isinstance(value, Mapping) else value


Host = Annotated[Ec2Host | SshHost, Field(discriminator="kind"), BeforeValidator(_with_kind)]
