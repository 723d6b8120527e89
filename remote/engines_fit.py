"""Whether a stack's engines fit the host's GPUs: what `pulumi preview` refuses, `fab deploy` refuses too.

Most of an engine's settings (`maxModelLen`, `model`, its flags) are applied by a deployment alone: no preview may have
seen them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from core.engines.sizing import lock
from core.engines.sizing.fit import Model
from core.errors import SettingsError
from core.settings import StackSettings, engine_problems
from remote.stack_files import CHECKOUT

STACKS: Final = CHECKOUT / "stacks"


def check(settings: StackSettings, folder: Path = STACKS) -> None:
    """SettingsError with every problem, one a line; of a model whose size nobody has looked up there is none."""
    if problems := engine_problems(settings, _locked(folder)):
        raise SettingsError("\n".join(f"{problem}." for problem in problems))


def _locked(folder: Path) -> Mapping[str, Model]:
    path = folder / lock.NAME
    return lock.read(path.read_text(encoding="utf-8")) if path.exists() else {}
