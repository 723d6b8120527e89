"""One stack's settings: what `stacks/Pulumi.<stack>.yaml` says, as types, with every wrong value in one message.

`load` takes the file's parsed `config:` mapping and is all that others need; it reads no file and no environment.

    checks.py    the kinds of values (durations, CIDRs, keys, …), each with the message for a wrong one
    model.py     the sections and their keys: defaults, units, checks. A new key goes here.
    notify.py    the checks of webhooks and e-mail addresses
    messages.py  pydantic's findings in our words, with path and suggestion
    resolve.py   profile + settings → UnitSettings, the document that the reaper reads
    schema.py    JSON Schema for editors (`python -m tools.settings_pages` writes stacks/schema.json)
    manual.py    the same for people (and docs/settings.md)

Only this package of core may import pydantic; run time (`runtime/`) never imports it.
"""

from __future__ import annotations

from core.settings.load import load, stack_file
from core.settings.model import Access, Control, Engine, Gateway, Host, Idle, Notify, Service, StackSettings, Webhook
from core.settings.resolve import needs_gpu, schedule, shape, stop_after_s, unit_settings

__all__ = [
    "Access",
    "Control",
    "Engine",
    "Gateway",
    "Host",
    "Idle",
    "Notify",
    "Service",
    "StackSettings",
    "Webhook",
    "load",
    "needs_gpu",
    "schedule",
    "shape",
    "stack_file",
    "stop_after_s",
    "unit_settings",
]
