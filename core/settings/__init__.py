"""One stack's settings: what `stacks/Pulumi.<stack>.yaml` says, as types, with every wrong value in one message.

`load` takes the file's parsed `config:` mapping and is all that others need; it reads no file and no environment.

    checks.py    the kinds of values (durations, CIDRs, keys, …), each with the message for a wrong one
    section.py   what every section has in common
    hosts.py     the kinds of hosts: `host.kind` and the keys of each kind
    access.py    who reaches a stack, and by which name: domain and certificate
    model.py     the other sections and their keys: defaults, units, checks. A new key goes here.
    services.py  the keys of a service: its engine and its stages
    own_machine.py  what a machine of one's own cannot have
    applied.py   which of `pulumi up` and `fab deploy` applies a key, and the digest of what `pulumi up` applies
    notify.py    the checks of webhooks and e-mail addresses
    messages.py  pydantic's findings in our words, with path and suggestion
    engines.py   engines as sizing sees them: do they fit the host's GPUs
    resolve.py   profile + settings → UnitSettings, the document that the reaper reads
    schema.py    JSON Schema for editors (`python -m tools.settings_pages` writes stacks/schema.json)
    manual.py    the same for people (and docs/settings.md)

Only this package of core may import pydantic; run time (`runtime/`) never imports it.
"""

from __future__ import annotations

from core.settings.access import Access
from core.settings.applied import digest
from core.settings.engines import dtype, skipped_types
from core.settings.engines import problems as engine_problems
from core.settings.engines import unknown as unknown_models
from core.settings.hosts import Ec2Host, SshHost
from core.settings.load import check_name, load, stack_file
from core.settings.model import Control, Engine, Gateway, Idle, Notify, StackSettings, Webhook
from core.settings.resolve import needs_gpu, schedule, service_routes, shape, stop_after_s, unit_settings
from core.settings.services import Service

__all__ = [
    "Access",
    "Control",
    "Ec2Host",
    "Engine",
    "Gateway",
    "Idle",
    "Notify",
    "Service",
    "SshHost",
    "StackSettings",
    "Webhook",
    "check_name",
    "digest",
    "dtype",
    "engine_problems",
    "load",
    "needs_gpu",
    "schedule",
    "service_routes",
    "shape",
    "skipped_types",
    "stack_file",
    "stop_after_s",
    "unit_settings",
    "unknown_models",
]
