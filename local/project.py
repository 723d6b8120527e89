"""The Pulumi project that an embedded cloud works on: a rendered copy in the state folder.

The checkout's `Pulumi.yaml` and `stacks/` are AWS's and stay untouched. `Pulumi.yaml` here points back at the
checkout's program; a stack file is the checkout's with the cloud's SSH key,
`pilotlight:cloud: embedded` and the caller's overrides. What Pulumi itself wrote into it (`encryptionsalt`, secrets)
is kept when it is rendered again.

What was rendered last is remembered beside it (`rendered/<stack>.json`): from which template, with which overrides, and
the result. So a stack can be rendered anew from the checkout, and edits of the rendered file can be told from it.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from core.errors import CloudError
from local import folders
from local.cloud import environment

PROJECT: Final = "pilotlight"
STACKS: Final = "stacks"
HEADER: Final = """\
# Rendered from {source}, which is the file to edit:
# `fab cloud.pulumi` renders this one anew each time. `make demo` keeps what is edited here, or asks.
"""
_KEPT: Final = ("encryptionsalt", "encryptedkey", "secretsprovider")
_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclass(frozen=True)
class Rendered:
    """How a stack file was rendered last. `config` is its `config:` mapping, without secrets and without edits."""

    template: str
    overrides: Mapping[str, Any]
    config: Mapping[str, Any]


def render_project(state: Path) -> Path:
    """Write `<state>/project/Pulumi.yaml`; returns the folder."""
    folder = state / "project"
    (folder / STACKS).mkdir(parents=True, exist_ok=True)
    document = {
        "name": PROJECT,
        "runtime": "python",
        "main": str(folders.CHECKOUT),
        "stackConfigDir": STACKS,
        "description": "pilotlight on the embedded cloud (rendered anew from the checkout's files: edit those)",
    }
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


def stack_file(state: Path, stack: str) -> Path:
    """Where a rendered stack file is."""
    return state / "project" / STACKS / f"Pulumi.{stack}.yaml"


def source_file(template: str) -> Path:
    """The checkout's stack file. CloudError where there is no such template."""
    source = folders.CHECKOUT / STACKS / f"Pulumi.{template}.yaml"
    if not source.is_file():
        known = sorted(p.name.split(".")[1] for p in source.parent.glob("Pulumi.*.yaml"))
        raise CloudError(f"No stack file `{source}`. Stacks: {', '.join(known) or 'none'}.")
    return source


def render_stack(
    state: Path, stack: str, template: str, overrides: Mapping[str, Any], edits: Mapping[str, Any] = _NONE
) -> Path:
    """Write the stack file from the checkout's `template`, with `edits` of the rendered file on top."""
    source, path = source_file(template), stack_file(state, stack)
    document, key = _document(source), environment.public_key(state)
    after = merge(document, _read(path), key, overrides)
    after["config"] = _deep(after["config"], edits)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER.format(source=source) + _dump(after))
    _remember(state, stack, Rendered(template, overrides, merge(document, {}, key, overrides)["config"]))
    return path


def render_again(state: Path, stack: str, template: str = "") -> Path:
    """Render as the last time, from the checkout as it is now; returns the checkout's file. Edits are not kept.

    `template` wins over the last one; a stack that was never rendered comes from the template of its own name.
    """
    last = remembered(state, stack)
    chosen = template or (last.template if last else stack)
    render_stack(state, stack, chosen, last.overrides if last else {})
    return source_file(chosen)


def edits(state: Path, stack: str) -> dict[str, Any]:
    """What was edited in a rendered stack file since: config keys with their new values, None where one was removed.

    Secrets are no edits: rendering keeps them in any case.
    """
    last, now = remembered(state, stack), _read(stack_file(state, stack))
    if last is None or not now:
        return {}
    config = {k: v for k, v in (now.get("config") or {}).items() if not _holds_a_secret(v)}
    return _changes(last.config, config)


def difference(state: Path, stack: str) -> list[str]:
    """The edits for people: lines of a unified diff, from what was rendered to what the file says."""
    last = remembered(state, stack)
    if last is None or not (changed := edits(state, stack)):
        return []
    rendered, edited = (_dump(config).splitlines() for config in (last.config, _deep(last.config, changed)))
    return list(difflib.unified_diff(rendered, edited, "rendered", "edited", n=1, lineterm=""))


def remembered(state: Path, stack: str) -> Rendered | None:
    """How the stack was rendered last; None where it was not."""
    record = _record(state, stack)
    return Rendered(**json.loads(record.read_text())) if record.exists() else None


def remembered_source(state: Path, stack: str) -> Path:
    """The checkout's file that the stack was rendered from last."""
    last = remembered(state, stack)
    return source_file(last.template if last else stack)


def _remember(state: Path, stack: str, rendered: Rendered) -> None:
    record = _record(state, stack)
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text(json.dumps(asdict(rendered)))


def _record(state: Path, stack: str) -> Path:
    return state / "project" / "rendered" / f"{stack}.json"


def _dump(document: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(dict(document), sort_keys=False))


def _read(path: Path) -> dict[str, Any]:
    return _document(path) if path.exists() else {}


def _document(path: Path) -> dict[str, Any]:
    """A stack file. CloudError where it cannot be read: with the line's number, not its text, which may be a secret."""
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except UnicodeDecodeError as error:
        raise CloudError(f"{path} cannot be read: it is not in UTF-8. Save it as UTF-8.") from error
    except (yaml.YAMLError, TypeError, ValueError) as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise CloudError(f"{path}{line} cannot be read: {problem or 'this is not a stack file'}.") from error


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What, merged into `before`, makes it `after`."""
    found: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            found |= {name: inner} if (inner := _changes(old, value)) else {}
        elif value != old:
            found[name] = value
    return found


def merge(
    template: Mapping[str, Any], before: Mapping[str, Any], ssh_public_key: str, overrides: Mapping[str, Any]
) -> dict[str, Any]:
    """The rendered document. `overrides` are config keys (`pilotlight:idle`, or `idle`), merged deeply into the
    template's; a value of None takes a key away.
    """
    config = _deep(template.get("config") or {}, {_key(name): value for name, value in overrides.items()})
    config = _deep(config, {"pilotlight:cloud": "embedded", "pilotlight:host": {"sshPublicKey": ssh_public_key}})
    secrets = {k: v for k, v in (before.get("config") or {}).items() if _holds_a_secret(v)}
    kept = {name: before[name] for name in _KEPT if name in before}
    return {**{k: v for k, v in template.items() if k != "config"}, **kept, "config": {**config, **secrets}}


def _holds_a_secret(value: Any) -> bool:
    """Whether `pulumi config set --secret` wrote it, or a part of it (`--path`)."""
    if isinstance(value, Mapping):
        return "secure" in value or any(_holds_a_secret(v) for v in value.values())
    return isinstance(value, list) and any(_holds_a_secret(v) for v in value)


def _key(name: str) -> str:
    return name if ":" in name else f"{PROJECT}:{name}"


def _deep(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for name, value in over.items():
        below = merged.get(name)
        merged[name] = _deep(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return {name: value for name, value in merged.items() if value is not None}
