"""What an EC2 instance type's name tells: its shape and its processor.

`g4dn.xlarge` is family `g`, generation 4, attributes `dn`, size `xlarge`. The naming rule is EC2's own
("Amazon EC2 instance type naming conventions" in the instance types guide).
"""

from __future__ import annotations

import re
from typing import Final

from core.errors import SettingsError

NAME: Final = re.compile(r"(?P<family>[a-z]+)(?P<generation>\d+)(?P<attributes>[a-z0-9-]*)\.(?P<size>[a-z0-9-]+)")
X86: Final = "x86_64"
ARM: Final = "arm64"


def architecture(instance_type: str) -> str:
    """`arm64` where the attributes hold a `g` (Graviton: t4g, g5g) or the family is a1; else `x86_64`."""
    match = NAME.fullmatch(instance_type)
    if match is None:
        raise SettingsError(f'"{instance_type}" is not an instance type; write e.g. g6.xlarge')
    is_arm = "g" in match["attributes"] or match["family"] + match["generation"] == "a1"
    return ARM if is_arm else X86
