"""A stack file as Pulumi reads it, so that `fab` and `pulumi up` never act on different values.

Pulumi 3.220 reads YAML with go-yaml 3 (`off`, `yes`, `1:30` are text; `010` is eight; the same key twice is an error)
and hands scalars to its program as text. Python's readers differ in each of these. What both understand comes out as
Pulumi has it; what only one of them understands is refused with its line. tests/remote/test_stack_yaml.py holds what
the real CLI made of each case.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from core.errors import SettingsError
from core.settings import flags

PROJECT: Final = "pilotlight"  # a key without a namespace is Pulumi's short form of `<project>:<key>`
_TAG: Final = "tag:yaml.org,2002:"
_UNCLEAR: Final = f"{_TAG}unclear"  # our own: a scalar that readers of YAML take for different values
_NO_NUMBER: Final = r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
_QUOTE: Final = "put it in quotes"
_RESOLVERS: Final = (  # the first that matches a plain scalar says what it is; all others are text
    ("bool", r"true|True|TRUE|false|False|FALSE"),
    ("null", r"~|null|Null|NULL|"),
    ("merge", r"<<"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})"),
    ("unclear", r"[-+]?0[0-9][0-9.eE+-]*|[-+]?0[xobXOB][0-9a-fA-F_]+|[-+]?[0-9][0-9_.]*_[0-9_.eE+-]*"),
    ("unclear", rf"{_NO_NUMBER}|[-+]?[0-9]{{19,}}"),
    ("unclear", r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt ].*)?"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"),
)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Composes nodes; plain scalars get their kind from `_RESOLVERS`."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 (PyYAML fills it below)


for _kind, _pattern in _RESOLVERS:
    _Loader.add_implicit_resolver(f"{_TAG}{_kind}", re.compile(rf"^(?:{_pattern})$"), None)


def read(text: str, file: str) -> dict[str, Any]:
    """The file's `config:` mapping, keys with their namespace, scalars as text; `file` is named in messages.

    Raises:
        SettingsError: no YAML, no mapping, or something that Pulumi and `fab` would not read alike.
    """
    root = _root(text, file)
    reader = _Reader(file)
    top = reader.pairs(root)
    if "environment" in top:
        raise reader.wrong(top["environment"], "`environment:` is read by Pulumi only. Put the values under `config:`")
    config = top.get("config")
    if not isinstance(config, MappingNode):
        raise SettingsError(f"{file} has no `config:` mapping.")
    return _config(reader, config)


def project_settings(text: str) -> bool:
    """Whether a Pulumi.yaml sets configuration for all its stacks, which only Pulumi would see."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"Pulumi.yaml cannot be read: {error}") from error
    return isinstance(raw, dict) and bool(raw.get("config"))


def _root(text: str, file: str) -> MappingNode:
    try:
        roots = list(yaml.compose_all(text.removeprefix("\ufeff"), _Loader))
    except yaml.YAMLError as error:
        raise SettingsError(f"{file} {_unreadable(error, text)}") from error
    if len(roots) > 1:
        line = roots[1].start_mark.line + 1
        raise SettingsError(f"{file} line {line}: a second document begins here (`---`); Pulumi reads the first only.")
    if not roots or not isinstance(roots[0], MappingNode):
        raise SettingsError(f"{file} has no `config:` mapping.")
    return roots[0]


def _unreadable(error: yaml.YAMLError, text: str) -> str:
    """What is wrong, and in which line; never the line itself, which may hold a secret."""
    if "\0" in text:
        return "cannot be read: it is not in UTF-8. Save it as UTF-8."
    if isinstance(error, ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"line {line} cannot be read: it has the character {error.character:#06x}, which YAML does not allow."
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return f"cannot be read: {error}"
    lines = text.removeprefix("\ufeff").splitlines()
    if "\t" in re.match(r"\s*", lines[mark.line] if mark.line < len(lines) else "")[0]:  # type: ignore[index]
        return f"line {mark.line + 1} cannot be read: tab characters are not allowed for indentation, use spaces."
    return f"line {mark.line + 1} cannot be read: {getattr(error, 'problem', None) or 'this is not YAML'}."


def _config(reader: _Reader, config: MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, node in reader.pairs(config).items():
        name = _canonical(key)
        if name is None:
            raise reader.wrong(node, f"`{key}` is not a key; write <namespace>:<section>, e.g. {PROJECT}:idle")
        if name in found:
            raise reader.wrong(node, f"`{key}` is `{name}` once more; Pulumi would take one of the two")
        value = reader.value(node)
        found[name] = _as_text(value) if isinstance(node, ScalarNode) else value
    return found


def _canonical(key: str) -> str | None:
    """`idle` and `pilotlight:config:idle` are `pilotlight:idle`; None: Pulumi refuses such a key."""
    parts = key.split(":")
    if len(parts) == 1:
        return None if key.isdecimal() else f"{PROJECT}:{key}"
    if len(parts) == 3 and parts[1] == "config":
        return f"{parts[0]}:{parts[2]}"
    return key if len(parts) == 2 else None


def _as_text(value: Any) -> str:
    """A scalar beside its key, as Pulumi hands it to the program."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


class _Reader:
    """Nodes to values; knows the file for its messages."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[Node] = []  # nodes that are being read: an alias of one of them contains itself

    def wrong(self, node: Node, what: str) -> SettingsError:
        """The message with file and line."""
        return SettingsError(f"{self._file} line {node.start_mark.line + 1}: {what}.")

    def value(self, node: Node) -> Any:
        """The value that Pulumi has for a node below a section."""
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        if any(node is outer for outer in self._open):
            raise self.wrong(node, "this value contains itself")
        self._open.append(node)
        if isinstance(node, SequenceNode):
            found: Any = [self.value(item) for item in node.value]
        else:
            found = {key: self._named(key, inner) for key, inner in self.pairs(node).items()}
        self._open.pop()
        return found

    def _named(self, key: str, node: Node) -> Any:
        """A value below its key; of a secret, which no message shows, only text is read alike by everybody."""
        if isinstance(node, ScalarNode) and flags.is_secret(key) and node.tag == _UNCLEAR:
            raise self.wrong(
                node, f"not every reader of YAML takes the value of `{key}` (not shown) for text; {_QUOTE}"
            )
        return self.value(node)

    def _scalar(self, node: ScalarNode) -> Any:
        kind, text = node.tag.removeprefix(_TAG), str(node.value)
        if kind == "str":
            return text
        if kind == "null" and re.fullmatch(r"~|null|Null|NULL|", text):
            return None
        if kind == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        if kind == "int" and re.fullmatch(r"[-+]?[0-9]+", text):
            return int(text)
        if re.fullmatch(_NO_NUMBER, text):
            raise self.wrong(node, f"`{text}` is not allowed: write a number that is finite")
        if kind == "float" and node.tag != _UNCLEAR:
            return self._number(node, text)
        raise self.wrong(node, f"`{text}`: not every reader of YAML takes this for the same value; {_QUOTE}")

    def _number(self, node: ScalarNode, text: str) -> float | int:
        """As JSON has it, by which Pulumi hands sections over: 1.0 and 1e3 are whole."""
        try:
            number = float(text)
        except ValueError as error:
            raise self.wrong(node, f"`{text}` is not a number; {_QUOTE}") from error
        if abs(number) >= 2**53:
            raise self.wrong(node, f"`{text}` is too large a number")
        return int(number) if number.is_integer() else number

    def pairs(self, node: Node) -> dict[str, Node]:
        """A mapping's keys as text, with `<<` merged in; the same key twice is refused, as by Pulumi."""
        assert isinstance(node, MappingNode)
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, inner in node.value:
            if key.tag == f"{_TAG}merge":
                merged = self._merged(inner) | merged
                continue
            name = self._key(key)
            if name in own:
                raise self.wrong(key, f"`{name}` is there twice")
            own[name] = inner
        return merged | own

    def _key(self, key: Node) -> str:
        if not isinstance(key, ScalarNode) or key.tag not in (f"{_TAG}str", f"{_TAG}int"):
            raise self.wrong(key, f"the key `{getattr(key, 'value', '…')}` is not text; {_QUOTE}")
        return str(key.value)

    def _merged(self, node: Node) -> dict[str, Node]:
        """What `<<` brings: a mapping, or several of which the first wins."""
        if isinstance(node, SequenceNode):
            found: dict[str, Node] = {}
            for part in reversed(node.value):
                found |= self._merged(part)
            return found
        if not isinstance(node, MappingNode) or any(node is outer for outer in self._open):
            raise self.wrong(node, "`<<` takes a mapping, or a list of mappings")
        self._open.append(node)
        found = self.pairs(node)
        self._open.pop()
        return found
