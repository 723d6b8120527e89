"""`fab keys.*`: thin, as in `remote/tasks.py`."""

from __future__ import annotations

from typing import Final

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from remote.tasks import IDENTITY, JSON, STACK, console, print_json
from remote.verbs import verb_called

NAME: Final = {"name": "whose key it is: letters, digits, `.`, `_` and `-`"}


@task(
    positional=["name"],
    help=NAME
    | STACK
    | IDENTITY
    | JSON
    | {
        "quiet": "it asks without waking anything",
        "operator": "it may wake, pin and stop on the dashboard",
        "rpm": "requests a minute that it may send (default: no limit)",
        "tokens-per-day": "tokens that it may use in a day (default: no limit)",
        "expires": "until when it works: 30d, or 2027-01-31 18:00 on the stack's clock (default: no end)",
    },
)
@verb_called("keys.add")
def add(
    _: Context,
    name: str,
    *,
    stack: str = "",
    identity: str = "",
    quiet: bool = False,
    operator: bool = False,
    rpm: str = "",
    tokens_per_day: str = "",
    expires: str = "",
    json: bool = False,
) -> None:
    """Make an API key and print it, this once; wakes nothing."""
    from remote.verbs import keys

    limits = {"rpm": rpm, "tokens_per_day": tokens_per_day, "expires": expires}
    asked = keys.wanted(name, quiet=quiet, operator=operator, **limits)
    at = keys.door(stack, identity)
    made = keys.add(at, asked)
    if json:
        print_json("keys.add", at.stack, made.as_dict(at.zone))
    else:
        print("\n".join(keys.words(made, at)))


@task(name="list", help=STACK | IDENTITY | JSON)
@verb_called("keys.list")
def list_(_: Context, stack: str = "", identity: str = "", json: bool = False) -> None:
    """List the API keys: limits, last use, requests, tokens."""
    from remote.verbs import keys

    at = keys.door(stack, identity)
    found = keys.listed(at)
    if json:
        print_json("keys.list", at.stack, found.as_dict(at.zone))
        return
    if not found.rows:
        print(f"There is no key yet. `fab keys.add NAME -s {at.stack}` makes one.")
        return
    console().print(keys.table(found.rows, at.zone))
    if found.problem:
        print(found.problem)


@task(positional=["name"], help=NAME | STACK | IDENTITY | JSON)
@verb_called("keys.revoke")
def revoke(_: Context, name: str, *, stack: str = "", identity: str = "", json: bool = False) -> None:
    """End an API key now; streams that run may finish."""
    from remote.verbs import keys

    at = keys.door(stack, identity)
    live = keys.revoke(at, name)
    if json:
        print_json("keys.revoke", at.stack, {"name": name, "live": live})
    else:
        print(f"The key {name} is revoked." + ("" if live else f" {keys.not_live(at)}"))


@task(
    positional=["name"],
    help=NAME | STACK | IDENTITY | JSON | {"grace": "the old one works so much longer, e.g. 1h (default: not at all)"},
)
@verb_called("keys.rotate")
def rotate(_: Context, name: str, *, stack: str = "", identity: str = "", grace: str = "", json: bool = False) -> None:
    """Print a new secret for a key; the old one stops at once."""
    from core.times import durations
    from remote.verbs import keys

    grace_s = durations.positive(grace) if grace else 0.0
    at = keys.door(stack, identity)
    made = keys.rotate(at, name, grace_s=grace_s)
    if json:
        print_json("keys.rotate", at.stack, made.as_dict(at.zone))
    else:
        print("\n".join(keys.words(made, at)))


namespace = Collection("keys", add, list_, revoke, rotate)
