"""Properties: what one is, when two values of it are the same, and what differs between two sets of inputs.

Pure. `behaviour.py` fills the tables with `Prop`s; `server.py` asks `differences` for Diff, `project` for Read and
`check` for Check. A new way of comparing (another normal form) is a function for `Prop.normal`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from local.provider.structs import is_archive, is_unknown

DEFAULTS: Final = "__defaults"  # names of the inputs that Check filled in, as pulumi-terraform-bridge keeps them
_PATH = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|([^.\[\]]+)')


class Change(Enum):
    """What the real provider does when a property changes."""

    UPDATE = "update in place"
    RESTART = "stop, change, start"
    REPLACE = "replace"


@dataclass(frozen=True)
class Prop:
    """One input property.

    `default` is what the cloud has where the program is silent. `computed` is Terraform's Optional+Computed: silent
    means "whatever the cloud has". `fill` is written into the inputs by Check. `normal` maps a value to a comparable
    one. `fields` describes an object, or the objects of a list. `unread` says why the cloud cannot tell the value.
    `uneditable` says why nobody can change it behind Pulumi's back.
    """

    change: Change = Change.UPDATE
    default: Any = None
    computed: bool = False
    required: bool = False
    fill: Any = None
    normal: Callable[[Any], Any] | None = None
    is_set: bool = False
    fields: Mapping[str, Prop] | None = None
    unread: str = ""
    uneditable: str = ""


Props = Mapping[str, Prop]


@dataclass(frozen=True)
class Difference:
    """One differing leaf: its path (keys, from the top) and what its change means. `kind`: add, delete or update."""

    path: tuple[str, ...]
    change: Change
    kind: str

    @property
    def text(self) -> str:
        """The path as Pulumi writes it: `tags["pilotlight:stack"]`, `rootBlockDevice.volumeSize`."""
        plain = [p if re.fullmatch(r"\w+", p) else f'["{p}"]' for p in self.path]
        return re.sub(r"\.\[", "[", ".".join(plain))


def canonical(prop: Prop, value: Any) -> Any:
    """A value in the form in which equal meaning is equal value; None for absent, empty and the default."""
    if value in (None, "", [], {}):
        value = prop.default
    if value in (None, "", [], {}) or is_unknown(value):
        return value or None
    if prop.normal:
        return prop.normal(value)
    if isinstance(value, list):
        items = [_object(prop, item) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if prop.is_set else items
    return _object(prop, value)


def _object(prop: Prop, value: Any) -> Any:
    if prop.fields is None or not isinstance(value, Mapping):
        return value
    seen = {name: canonical(child, value.get(name)) for name, child in prop.fields.items()}
    return {name: child for name, child in seen.items() if child is not None} or None


def document(value: Any) -> Any:
    """Normal form of JSON text: the parsed document."""
    return json.loads(value) if isinstance(value, str) else value


def policy(value: Any) -> Any:
    """Normal form of an IAM policy: one-element lists are their element, lists of words are in order."""

    def tidy(part: Any) -> Any:
        if isinstance(part, Mapping):
            return {k: tidy(v) for k, v in part.items()}
        if isinstance(part, list):
            items = [tidy(v) for v in part]
            if len(items) == 1:
                return items[0]
            return sorted(items) if all(isinstance(v, str) for v in items) else items
        return part

    return tidy(document(value))


def archive(value: Any) -> Any:
    """Normal form of code: the archive's hash, as the engine computed it."""
    return value.get("hash") if is_archive(value) else value


def last_of_arn(value: Any) -> Any:
    """Normal form of what may be named by name or by ARN: the name."""
    return value.rpartition(":")[2] if isinstance(value, str) else value


def differences(props: Props, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Difference]:
    """What must change to bring `old` inputs to `new` ones, leaf by leaf, in the order of the names."""
    return [d for name in sorted(props) for d in _differ(props[name], (name,), old.get(name), new.get(name))]


def _differ(prop: Prop, path: tuple[str, ...], old: Any, new: Any) -> Iterator[Difference]:
    if new is None and prop.computed:
        return
    if canonical(prop, old) == canonical(prop, new):
        return
    if isinstance(new, Mapping) and prop.fields is not None and not prop.normal:
        for name, child in sorted(prop.fields.items()):
            yield from _differ(child, (*path, name), (old or {}).get(name), new.get(name))
    elif prop.fields is None and not prop.normal and isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                yield Difference((*path, key), prop.change, _kind(old.get(key), new.get(key)))
    else:
        yield Difference(path, prop.change, _kind(old, new))


def _kind(old: Any, new: Any) -> str:
    return "add" if old is None else "delete" if new is None else "update"


def parse_path(text: str) -> tuple[str, ...]:
    """`tags["a:b"].c[0]` → ("tags", "a:b", "c", "0"), for ignoreChanges."""
    return tuple(quoted or index or word for quoted, index, word in _PATH.findall(text))


def without_ignored(found: list[Difference], ignore: list[str]) -> list[Difference]:
    """The differences that no ignoreChanges path covers; `*` stands for any key."""
    patterns = [parse_path(text) for text in ignore]

    def covered(path: tuple[str, ...]) -> bool:
        return any(len(p) <= len(path) and all(a in ("*", b) for a, b in zip(p, path, strict=False)) for p in patterns)

    return [d for d in found if not covered(d.path)]


def project(props: Props, seen: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs from the cloud's values: what the old inputs named, and whatever is not as the cloud's defaults have it.

    A value that means the same keeps the old spelling (JSON text, order of a set). What cannot be read (`unread`)
    is the only thing taken from `old` unseen.
    """
    found = {name: _project(prop, seen.get(name), old.get(name)) for name, prop in props.items()}
    if DEFAULTS in old:
        found[DEFAULTS] = old[DEFAULTS]
    return {name: value for name, value in found.items() if value is not None}


def _project(prop: Prop, seen: Any, old: Any) -> Any:
    if prop.unread:
        return old
    if old is None and (prop.computed or canonical(prop, seen) == canonical(prop, None)):
        return None
    if old is not None and canonical(prop, seen) == canonical(prop, old):
        return old
    if prop.fields is not None and not prop.normal and isinstance(seen, Mapping):
        return project(prop.fields, seen, old or {}) or None
    if seen in ([], {}) and old is None:
        return None
    return seen if seen is not None else prop.default
