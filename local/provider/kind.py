"""What a resource kind is to the server: create, read, update, delete by boto3."""

# ruff: noqa: ARG003 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local.provider.aws import Aws
from local.provider.behaviour import TABLE
from local.provider.properties import Difference, Props

Values = dict[str, Any]


class Kind:
    """One resource type. Subclasses name the `token` and make the API calls; `behaviour.TABLE` has its properties."""

    token: ClassVar[str]
    name_property: ClassVar[str] = ""  # drawn as <logical name>-<7 hex> where the program gives none
    computed: ClassVar[tuple[str, ...]] = ()  # outputs that no input names; unknown until created
    gone: ClassVar[tuple[str, ...]] = ()  # error codes that mean "there is no such resource"

    def __init__(self, aws: Aws) -> None:
        """A kind is made for each call; all state is in the cloud."""
        self.aws = aws

    @classmethod
    def props(cls) -> Props:
        """The rows of the behaviour table."""
        return TABLE[cls.token]

    @classmethod
    def also_replaces(cls, old: Mapping[str, Any], new: Mapping[str, Any]) -> set[str]:
        """Names of changed properties that replace only in this combination of old and new inputs."""
        return set()

    def create(self, want: Values) -> str:
        """Make the resource and return its id; what can fail afterwards belongs in `finish`."""
        raise NotImplementedError(self.token)

    def finish(self, ident: str, want: Values) -> None:
        """Everything else that a new resource needs. A failure here is a partial one: the id is kept in the state."""

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """All properties, inputs and outputs, as the cloud has them. `hint` (old state) only helps to find it."""
        raise NotImplementedError(self.token)

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """Bring a resource from `old` to `new` inputs in place; `changes` is never empty."""
        raise NotImplementedError(self.token)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """Remove the resource; one that is gone already is no error."""
        raise NotImplementedError(self.token)

    def read(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """`look`, with None for a resource that has vanished."""
        try:
            return self.look(ident, hint)
        except ClientError as error:
            if error.response["Error"]["Code"] in self.gone:
                return None
            raise

    def remove(self, ident: str, state: Mapping[str, Any]) -> None:
        """`delete`, content with a resource that has vanished."""
        try:
            self.delete(ident, state)
        except ClientError as error:
            if error.response["Error"]["Code"] not in self.gone:
                raise


def changed(changes: Iterable[Difference]) -> set[str]:
    """Top-level names of the properties that changed."""
    return {c.path[0] for c in changes}


def given(**arguments: Any) -> dict[str, Any]:
    """The arguments that are not None, for calls where absent and null differ."""
    return {name: value for name, value in arguments.items() if value is not None}


def tag_list(tags: Mapping[str, str] | None, key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """{"a": "b"} → [{"Key": "a", "Value": "b"}]."""
    return [{key: k, value: v} for k, v in sorted((tags or {}).items())]


def tag_map(tags: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """The other way round, without AWS's own tags."""
    return {t[key]: t[value] for t in tags or () if not t[key].startswith("aws:")}


def tag_changes(old: Values, new: Values, name: str = "tags") -> tuple[dict[str, str], list[str]]:
    """What to put and which keys to remove, to get from the old inputs' tags to the new ones'."""
    before, after = old.get(name) or {}, new.get(name) or {}
    return {k: v for k, v in after.items() if before.get(k) != v}, sorted(set(before) - set(after))
