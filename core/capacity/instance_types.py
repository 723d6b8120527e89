"""What an EC2 instance type's name tells: its shape, its processor and, by a table, its GPUs.

`g4dn.xlarge` is family `g`, generation 4, attributes `dn`, size `xlarge`. The naming rule is EC2's own
("Amazon EC2 instance type naming conventions" in the instance types guide).
To know another type's GPUs: a row in `_FAMILIES`, its kind in `core/capacity/gpus.py`;
`tests/core/capacity/test_instance_types.py` compares it with EC2's answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from core.capacity import gpus
from core.capacity.gpus import Gpu
from core.errors import SettingsError

NAME: Final = re.compile(r"(?P<family>[a-z]+)(?P<generation>\d+)(?P<attributes>[a-z0-9-]*)\.(?P<size>[a-z0-9-]+)")
X86: Final = "x86_64"
ARM: Final = "arm64"
# Families of before the Nitro system, which show a volume by the letter of its device and not by its id
# ("Amazon EC2 instance types by hypervisor", Xen, in the instance types guide)
XEN: Final = frozenset(
    {
        "m1",
        "m2",
        "m3",
        "m4",
        "t1",
        "t2",
        "c1",
        "c3",
        "c4",
        "r3",
        "r4",
        "x1",
        "x1e",
        "d2",
        "h1",
        "i2",
        "i3",
        "f1",
        "g3",
        "g3s",
        "p2",
        "p3",
    }
)


def is_nitro(instance_type: str) -> bool:
    """Of the Nitro system. `i3.metal` is, though its family is not."""
    family, _, size = instance_type.partition(".")
    return family not in XEN or size == "metal"


def architecture(instance_type: str) -> str:
    """`arm64` where the attributes hold a `g` (Graviton: t4g, g5g) or the family is a1; else `x86_64`."""
    match = NAME.fullmatch(instance_type)
    if match is None:
        raise SettingsError(f'"{instance_type}" is not an instance type; write e.g. g6.xlarge')
    is_arm = "g" in match["attributes"] or match["family"] + match["generation"] == "a1"
    return ARM if is_arm else X86


@dataclass(frozen=True)
class Gpus:
    """The GPUs of a type: how many, and of which kind."""

    count: int
    kind: Gpu

    @property
    def gib_each(self) -> int:
        """Memory of each as it is sold."""
        return self.kind.sold_gib

    @property
    def gib(self) -> int:
        """Of all together."""
        return self.count * self.gib_each

    def __str__(self) -> str:
        """`24` or `4 × 24`."""
        return str(self.gib_each) if self.count == 1 else f"{self.count} × {self.gib_each}"


# g4dn, g5, g5g and g6: "Run GPU jobs" of AWS Batch's guide (docs.aws.amazon.com/batch/latest/userguide/gpu-jobs.html).
# The others: counts and kinds of GPU by EC2's DescribeInstanceTypes as moto 5.2 copied it; the GiB are NVIDIA's, of
# which the driver leaves a little less (an L4's 24 are 22,888 MiB, an L40S's 48 are 45,776).
_ONE, _G = "xlarge 2xlarge 4xlarge 8xlarge", {4: "12xlarge 24xlarge", 8: "48xlarge"}
_FAMILIES: Final[tuple[tuple[str, Gpu, Mapping[int, str]], ...]] = (
    ("g4dn", gpus.T4, {1: f"{_ONE} 16xlarge", 4: "12xlarge", 8: "metal"}),
    ("g5", gpus.A10G, {1: f"{_ONE} 16xlarge", **_G}),
    ("g5g", gpus.T4G, {1: _ONE, 2: "16xlarge metal"}),
    ("g6", gpus.L4, {1: f"{_ONE} 16xlarge", **_G}),
    ("gr6", gpus.L4, {1: "4xlarge 8xlarge"}),
    ("g6e", gpus.L40S, {1: f"{_ONE} 16xlarge", **_G}),
    ("g7e", gpus.RTX_PRO_6000, {1: "2xlarge 4xlarge 8xlarge", 2: "12xlarge", 4: "24xlarge", 8: "48xlarge"}),
    ("p4d", gpus.A100_40, {8: "24xlarge"}),
    ("p4de", gpus.A100_80, {8: "24xlarge"}),
    ("p5", gpus.H100, {1: "4xlarge", 8: "48xlarge"}),
    ("p5e", gpus.H200, {8: "48xlarge"}),
    ("p5en", gpus.H200, {8: "48xlarge"}),
)
GPUS: Final[Mapping[str, Gpus]] = MappingProxyType(
    {
        f"{family}.{size}": Gpus(count, kind)
        for family, kind, by_count in _FAMILIES
        for count, sizes in by_count.items()
        for size in sizes.split()
    }
)
# A part of an L4, by NVIDIA's vGPU: MiB of its memory, as moto 5.2 copied EC2's answer.
FRACTIONS: Final[Mapping[str, int]] = MappingProxyType(
    {"g6f.large": 2861, "g6f.xlarge": 2861, "g6f.2xlarge": 5722, "g6f.4xlarge": 11444, "gr6f.4xlarge": 11444}
)


def fraction_refusal(instance_type: str) -> str:
    """Why a part of a GPU is no host, a predicate; "" for a type that is none."""
    if instance_type not in FRACTIONS:
        return ""
    return (
        "has a part of an L4 only, by NVIDIA's vGPU, which needs the licensed GRID driver; pilotlight installs the "
        "data centre driver. Take a whole GPU, e.g. g6.xlarge"
    )
