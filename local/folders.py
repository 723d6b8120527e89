"""Where things land on this computer, by the XDG rules: one cache for every clone, one state folder a cloud.

The cache may be deleted at any time (set-up refills it); the state says what is up. Nothing here creates a folder:
whoever writes there does.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from core.errors import SetupError

PRODUCT: Final = "pilotlight"
CLOUD_ENV: Final = "PILOTLIGHT_CLOUD"
CHECKOUT: Final = Path(__file__).resolve().parent.parent


def cache() -> Path:
    """Tools, machine images and package caches: `$XDG_CACHE_HOME/pilotlight`, else `~/.cache/pilotlight`."""
    return _xdg("XDG_CACHE_HOME", ".cache") / PRODUCT


def state(cloud: str | None = None) -> Path:
    """One cloud's state: `$XDG_STATE_HOME/pilotlight/<cloud>`, else `~/.local/state/pilotlight/<cloud>`."""
    return _xdg("XDG_STATE_HOME", ".local/state") / PRODUCT / (cloud or cloud_name())


def cloud_name() -> str:
    """The embedded cloud's name: `PILOTLIGHT_CLOUD`, else `pilotlight`. SetupError where it cannot name a container."""
    name = os.environ.get(CLOUD_ENV) or PRODUCT
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,39}", name):
        raise SetupError(f"{CLOUD_ENV} is `{name}`; allowed are a-z, 0-9 and -, at most 40, not starting with -.")
    return name


def _xdg(variable: str, default: str) -> Path:
    """XDG says that a relative path in the variable is to be ignored."""
    value = os.environ.get(variable, "")
    return Path(value) if value.startswith("/") else Path.home() / default


def pictures() -> Path:
    """Where screenshots are left: they outlive the cloud that they were taken of."""
    return state("pictures")
