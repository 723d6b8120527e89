"""What `--json` prints: one object in one envelope for every verb. docs/json.md describes it for who reads it.

Raise SCHEMA_VERSION only where a field that was there goes, or means something else; new fields need nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final

from core.times import moments

SCHEMA_VERSION: Final = 1


def envelope(verb: str, stack: str | None, data: Mapping[str, Any]) -> str:
    """One line of JSON. `stack` None: the verb is about several; `now` is this computer's clock, in UTC."""
    now = moments.iso(time.time(), "UTC")
    return json.dumps({"schema_version": SCHEMA_VERSION, "verb": verb, "stack": stack, "now": now, "data": data})
