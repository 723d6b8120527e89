"""GPUs, those that EC2 rents and usual ones of one's own: memory and compute capability. A table, not a guess.

`usable_gib` is what CUDA says of a whole card (`torch.cuda.mem_get_info()[1]`): vLLM takes its part of that figure, and
it is 1 to 9 % less than what is sold (ECC, the driver's own). Another kind: a row here, its types in
`core/capacity/instance_types.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Gpu:
    """One card. `capability` is NVIDIA's compute capability as vLLM writes it: 8.9 is 89."""

    name: str
    sold_gib: int
    usable_gib: float
    capability: int

    def __str__(self) -> str:
        """With its article, as it is spoken: an L4, a T4."""
        return f"{'an' if self.name[0] in 'AHLR' else 'a'} {self.name}"

    @property
    def has_bfloat16(self) -> bool:
        """From Ampere on (vLLM refuses bfloat16 below 8.0)."""
        return self.capability >= 80

    @property
    def is_large(self) -> bool:
        """Whether vLLM's API server takes 8,192 tokens a step instead of 2,048 (EngineArgs, get_batch_defaults)."""
        return self.usable_gib >= 70 and not self.name.startswith("A100")


# Compute capability: developer.nvidia.com/cuda-gpus. Usable: H100 asked on one (driver 580.159.04, 2026-11-25), the
# others as torch's out-of-memory messages name them ("GPU 0 has a total capacity of …") in public logs and issues, the
# smallest that is seen often.
T4: Final = Gpu("T4", 16, 14.56, 75)
T4G: Final = Gpu("T4g", 16, 14.56, 75)  # the same chip; not seen itself
A10G: Final = Gpu("A10G", 24, 22.06, 86)
L4: Final = Gpu("L4", 24, 22.03, 89)
L40S: Final = Gpu("L40S", 48, 44.39, 89)
A100_40: Final = Gpu("A100 40GB", 40, 39.38, 80)
A100_80: Final = Gpu("A100 80GB", 80, 79.14, 80)
H100: Final = Gpu("H100", 80, 79.18, 90)
H200: Final = Gpu("H200", 141, 139.80, 90)
RTX_PRO_6000: Final = Gpu("RTX PRO 6000", 96, 94.97, 120)
RTX_3090: Final = Gpu("RTX 3090", 24, 23.56, 86)
RTX_4090: Final = Gpu("RTX 4090", 24, 23.51, 89)
RTX_5090: Final = Gpu("RTX 5090", 32, 31.34, 120)
OWN: Final = (RTX_3090, RTX_4090, RTX_5090)  # of workstations (`host.kind: ssh`); EC2 has none of them
