"""`fab cloud.*`: the embedded cloud's verbs. The cloud's name is `PILOTLIGHT_CLOUD` (default `pilotlight`).

A verb is a function of `local/cloud/`; here it gets a name, and its errors become a plain line. What a verb needs is
imported by the verb: `fab deploy` loads this file too and shall not wait for Docker's and AWS's libraries.
"""

from __future__ import annotations

import functools
import json as json_
import shlex
import sys
from collections.abc import Callable
from typing import Any

from invoke.collection import Collection
from invoke.tasks import task

from core.errors import PilotlightError
from local import folders


def _plain_errors(verb: Callable[..., None]) -> Callable[..., None]:
    """A user's error is one message on standard error and exit code 1."""

    @functools.wraps(verb)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            verb(*args, **kwargs)
        except PilotlightError as error:
            print(error, file=sys.stderr)
            sys.exit(1)

    return wrapped


@task
@_plain_errors
def up(_context: Any) -> None:
    """Bring the embedded cloud up (again: says that it is up)."""
    from local.cloud import client

    cloud = client.up()
    print(f"AWS_ENDPOINT_URL={cloud.endpoint}  machines in {cloud.subnet}  state in {cloud.state}")
    print("Next: fab cloud.pulumi --stack demo --args up; fab cloud.status; fab cloud.down")


@task
@_plain_errors
def down(_context: Any) -> None:
    """Take the embedded cloud away: machines, network, processes, stacks. Caches stay."""
    from local.cloud import client

    removed = client.down()
    name = folders.cloud_name()
    if not removed:
        print(f"Cloud `{name}` was not up; nothing to take away.")
        return
    print(
        f"Cloud `{name}` is gone: {removed.processes} processes, {removed.containers} machines, "
        f"{removed.networks} networks, {removed.volumes} volumes."
    )


@task(help={"json": "one JSON object instead of a table"})
@_plain_errors
def status(_context: Any, json: bool = False) -> None:
    """Say whether the embedded cloud is up, and what is in it."""
    from local.cloud import client, lifecycle

    found = lifecycle.running(folders.cloud_name())
    if found is None:
        print(json_.dumps({"name": folders.cloud_name(), "up": False}) if json else _down_text())
        return
    report = {"up": True, **client.Cloud(**found).status()}
    if json:
        print(json_.dumps(report))
    else:
        _show(report)


@task(help={"action": "ec2:StartInstances, dynamodb:*, stopping …", "clear": "take all faults away"})
@_plain_errors
def fault(
    _context: Any,
    *,
    action: str = "",
    error: str = "ServiceUnavailable",
    count: int = 0,
    seconds: float = 0.0,
    delay: float = 0.0,
    instance_type: str = "*",
    clear: bool = False,
) -> None:
    """Make calls fail: --action ec2:StartInstances --error InsufficientInstanceCapacity [--count N | --seconds S]."""
    from local.cloud.client import Cloud

    cloud = Cloud.load()
    if clear:
        cloud.clear_faults()
    if action:
        limits = {"count": count} if count else ({"seconds": seconds} if seconds else {})
        cloud.fault(action, error=error, delay_s=delay, instance_type=instance_type, **limits)
    print(json_.dumps(cloud.status()["faults"], indent=1))


@task(
    help={
        "stack": "rendered anew from the checkout, and made where missing",
        "args": "what pulumi gets, e.g. --args 'up --yes'",
    }
)
@_plain_errors
def pulumi(_context: Any, args: str = "stack ls", stack: str = "", template: str = "") -> None:
    """Run pulumi on the embedded cloud: --stack demo --args 'up --yes'."""
    from local.cloud import pulumi as cloud_pulumi

    code = cloud_pulumi.run(shlex.split(args), stack, template)
    if code:
        sys.exit(code)


def _down_text() -> str:
    name = folders.cloud_name()
    if folders.state(name).exists():
        return f"Cloud `{name}` was killed (or a reboot). `fab cloud.up` builds it anew, `fab cloud.down` removes it."
    return f"Cloud `{name}` is not up. Run `fab cloud.up`."


def _show(report: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    console.print(f"Cloud [bold]{report['name']}[/] is up at {report['endpoint']}")
    if not report["provider"]["running"] or report["provider"]["note"]:
        console.print(f"Pulumi: {report['provider']['note'] or 'the provider is not running'}")
    columns = ("id", "name", "type", "state", "container", "private_ip", "public_ip")
    _table(console, "Machines", report["machines"], columns)
    _table(console, "Functions", report["lambdas"], ("name", "environments", "invocations", "errors"))
    _table(console, "Schedules", report["schedules"], ("name", "state", "expression"))
    _table(console, "Event sources", report["event_sources"], ("queue", "enabled", "received", "deleted", "left"))


def _table(console: Any, title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if not rows:
        return
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    console.print(table)


ns = Collection("cloud", up, down, status, fault, pulumi)
