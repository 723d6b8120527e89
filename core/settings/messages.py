"""pydantic's findings in our words: path, value, what is allowed, and a suggestion where one is close.

No message shows a secret. `_shown` is the one rule: of a key whose name says secret nothing (`flags.is_secret`), of
what stands under `notify` no URL, and of the flags and the chat page no value that is not known to be harmless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from core.settings import checks, flags, hosts, notify
from core.settings.suggest import closest

PREFIX: Final = "pilotlight:"
# As a whole, where they are no section: a secret may stand anywhere in them
_CLOSED: Final = ("webui", "oidc", "flags")
_NOT_SHOWN: Final = "the value (not shown)"
_LONGEST: Final = 60  # of a value that is shown; a pasted key would fill the screen
_HINTS: Final = {
    "model_type": "must be a section with keys of its own",
    "mapping_type": "must be a section with names of its own",
    "dict_type": "must be a section with names of its own",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number, without a unit",
    "float_type": "must be a number, without a unit",
    "bool_type": "must be true or false",
    "flag_type": "must be text, a number, true or false",
    "tuple_type": "must be a list, e.g. [a, b]",
}


def lines(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line a finding, in the order of the file."""
    return list(dict.fromkeys(_line(found, model) for found in error.errors(include_url=False)))


def path(loc: Sequence[int | str]) -> str:
    """`pilotlight:idle.stopAfter`, `pilotlight:access.cidrs[1]`; the region is `aws:region`."""
    if loc and loc[0] == "region":
        return "aws:region"
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{_bare(part)}" for part in loc if part != "[key]")
    return PREFIX + text.lstrip(".")


def _bare(part: str) -> str:
    """A key for a message; a URL that stands where a key should is a value, and may be a secret."""
    return notify.HIDDEN if "://" in part else flags.bare(part)


def _line(found: ErrorDetails, model: type[BaseModel]) -> str:
    if found["type"] == "union_tag_invalid":  # the one union is that of the hosts
        return _no_kind(found)
    kind_of_host, found = _without_kind(found)
    if found["loc"][2:3] == ("flags",) and len(found["loc"]) > 4:  # one finding for each type that a flag may have
        found = {**found, "loc": found["loc"][:4], "type": "flag_type"}
    where, kind, value = path(found["loc"]), found["type"], found["input"]
    context: Mapping[str, Any] = found.get("ctx", {})
    if kind == "extra_forbidden":
        known = _keys(kind_of_host or model, found["loc"][1 if kind_of_host else 0 : -1])
        hint = closest(found["loc"][-1], known)
        return f"{where} is not a setting{hint}; allowed here: {', '.join(sorted(known))}"
    if kind == "missing":
        return f"{where} is not set, and has no default"
    return f"{where}: {_shown(found['loc'], value)} {_allowed(kind, value, context, found['msg'])}"


def _no_kind(found: ErrorDetails) -> str:
    """A kind of host that there is not."""
    kind, allowed = found["input"]["kind"], ", ".join(hosts.KINDS)
    why = "is not in this release" if kind in hosts.LATER else "is not allowed"
    return f"{path((*found['loc'], 'kind'))}: {show(kind)} {why}; allowed: {allowed}{closest(kind, hosts.KINDS)}"


def _without_kind(found: ErrorDetails) -> tuple[type[BaseModel] | None, ErrorDetails]:
    """pydantic puts the kind of host into the path of what it finds there; the file has no such level."""
    loc = found["loc"]
    if loc[:1] != ("host",) or loc[1:2] == () or loc[1] not in hosts.BY_KIND:
        return None, found
    return hosts.BY_KIND[str(loc[1])], {**found, "loc": (loc[0], *loc[2:])}


def _shown(loc: Sequence[int | str], value: Any) -> str:
    """The value for a message; of a secret no character."""
    names = [part for part in loc if isinstance(part, str)]
    if any(flags.is_secret(name) for name in (names[2:] if names[:1] == ["engines"] else names)):
        return _NOT_SHOWN
    if names[:1] == ["notify"]:
        return show(value) if names[1:2] == ["email"] and _is_no_url(value) else notify.veiled(value)
    if names[-1:] and names[-1] in _CLOSED and not isinstance(value, Mapping):
        return _NOT_SHOWN
    return show(_without_secrets(value))


def _is_no_url(value: Any) -> bool:
    return isinstance(value, str) and not set(value) & set("/:\\?=")


def _without_secrets(value: Any) -> Any:
    """The value with `…` for each secret in it."""
    if isinstance(value, Mapping):
        return {flags.bare(str(k)): "…" if flags.is_secret(str(k)) else _without_secrets(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_secrets(part) for part in value]
    return "…" if flags.holds_secret(value) else value


def _allowed(kind: str, value: Any, context: Mapping[str, Any], message: str) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", context["expected"])
        return f"is not allowed; allowed: {context['expected'].replace(chr(39), '')}{closest(value, words)}"
    if kind == "string_pattern_mismatch":
        return f"has a wrong form; allowed: {checks.FORMS[context['pattern']]}"
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        return message.replace("Input should be", "must be")
    if kind in {"too_short", "too_long"}:
        return f"has {len(value)} entries; {_count(context)}"
    if kind in {"int_type", "float_type"} and isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return f"must be a {'whole ' if kind == 'int_type' else ''}number; take the quotes away"
    return _HINTS.get(kind, message)


def _count(context: Mapping[str, Any]) -> str:
    least = context.get("min_length")
    return f"at least {least} is needed" if least is not None else f"at most {context['max_length']} are allowed"


def _keys(model: type[BaseModel], loc: Sequence[int | str]) -> set[str]:
    """The keys that are allowed at a place; follows sections, and mappings by name."""
    here: Any = model
    for part in loc:
        field = next((f for n, f in here.model_fields.items() if part in (f.alias, n)), None)
        if field is not None:
            here = _section(field.annotation) or here
    return {f.alias or n for n, f in here.model_fields.items() if not f.exclude}


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = (_section(part) for part in getattr(annotation, "__args__", ()))
    return next((part for part in inside if part is not None), None)


def show(value: Any) -> str:
    """A value as the file would have it, shortened; never the body of a private key."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    if "PRIVATE KEY" in text:
        return '"-----BEGIN …"'
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
