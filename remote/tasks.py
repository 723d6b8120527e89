"""The verbs: `fab deploy`, `fab status`, …. Each is thin: arguments in, one call, lines out.

A new verb: a function with `@task` and `@verb`, a one-line docstring (it is `fab --list`'s), its name in `namespace`.
What a verb needs is imported inside it, so that `fab --list` stays quick.
"""

from __future__ import annotations

import json as json_module
import sys
from pathlib import Path
from typing import Any, Final

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from remote.progress import Progress
from remote.verbs import verb

STACK: Final = {"stack": "the stack's name, as in stacks/Pulumi.NAME.yaml"}
IDENTITY: Final = {
    "identity": "private key file for SSH, e.g. ~/.ssh/pilotlight (default: your agent's keys and ~/.ssh/id_*)"
}
JSON: Final = {"json": "print one JSON object last; progress goes to standard error"}


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "dry-run": "show what would change, and change nothing",
        "key-file": "keep a working API key in this file (mode 600); one is made where it holds none",
        "new-key": "make one more API key and print it",
        "password-file": "write the password of the chat page's first account into this file (mode 600)",
    }
)
@verb
def deploy(
    _: Context,
    *,
    stack: str = "",
    dry_run: bool = False,
    key_file: str = "",
    new_key: bool = False,
    password_file: str = "",
    identity: str = "",
    json: bool = False,
) -> None:
    """Bring a stack's machines to the wanted state, prove that they answer; a second run changes nothing."""
    from remote.machines import inventory
    from remote.verbs.deploy import Deployment, Options

    progress = Progress(quiet=json)
    options = Options(dry_run, new_key, _path(key_file), _path(password_file))
    report = Deployment(inventory.load(stack, identity=identity), options, progress).run()
    addresses = f"API {report.api_url}" + (f", chat page {report.chat_url}" if report.chat_url else "")
    progress.say(_summary(report.changes, report.lease, addresses, dry_run=dry_run))
    if json:
        print(json_module.dumps(report.as_dict()))


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None


def _summary(changes: list[str], lease: str, addresses: str, *, dry_run: bool) -> str:
    if dry_run:
        return f"{len(changes)} changes would be made; nothing was." if changes else "Nothing would change."
    if not changes:
        return f"Nothing to change: host and gateway are as wanted, the host is {lease}. {addresses}"
    return f"Deployed: {len(changes)} changes, the host is {lease}. {addresses}"


WATCH_S: Final = 2.0
WIDE: Final = 160  # characters
STACKS: Final = {"stack": "one stack, or several with commas between (default: all)"}


@task(help=STACKS | IDENTITY | JSON | {"watch": "again every 2 s, until Ctrl-C"})
@verb
def status(_: Context, stack: str = "", identity: str = "", json: bool = False, watch: bool = False) -> None:
    """Say what hosts do and why: state, reason, idle time, when they stop, cost today, last wake."""
    import time

    from remote.verbs import status as verbs_status

    names = [name.strip() for name in stack.split(",") if name.strip()]
    fronts = verbs_status.fronts(names, identity)
    while True:
        records = verbs_status.statuses(fronts)
        if json:
            print(json_module.dumps(records[0] if len(names) == 1 else {"stacks": records}), flush=True)
        else:
            _console(clear=watch).print(verbs_status.table(records))
        if not watch:
            return
        time.sleep(WATCH_S)


def _console(*, clear: bool = False) -> Any:
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE  # into a file or a pipe: rows stay rows
    console = Console(soft_wrap=False, highlight=False, width=width)
    if clear:
        console.clear()
    return console


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {"for": "how far to look, e.g. 24h, 7d", "offline": "by the stack file alone, as if the host were off"}
)
@verb
def explain(
    _: Context, stack: str = "", for_: str = "24h", offline: bool = False, identity: str = "", json: bool = False
) -> None:
    """Say what the policy would decide now and in each minute to come, and change nothing."""
    from core import durations
    from remote.verbs import explain as verbs_explain

    explained = verbs_explain.explain(stack, for_s=durations.parse(for_), identity=identity, offline=offline)
    print(json_module.dumps(explained.as_dict()) if json else "\n".join(verbs_explain.lines(explained)))


@task(help=STACK | IDENTITY | JSON | {"since": "how far back, e.g. 24h, 7d"})
@verb
def history(_: Context, stack: str = "", since: str = "24h", identity: str = "", json: bool = False) -> None:
    """List what happened to the host: from, to, by whom and why."""
    from core import durations
    from remote.verbs import history as verbs_history
    from remote.verbs.lease import front

    at = front(stack, identity)
    events = verbs_history.history(at, since_s=durations.parse(since))
    if json:
        print(json_module.dumps(events))
    elif events:
        _console().print(verbs_history.table(events, at.zone))
    else:
        print(f"Nothing happened to {stack} in the last {since}.")


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {"until": "a time of the stack's clock: 18:00, 2026-11-24 18:00", "for": "or how long: 2h", "why": "the reason"}
)
@verb
def pin(
    _: Context,
    *,
    stack: str = "",
    until: str = "",
    for_: str = "",
    why: str = "",
    identity: str = "",
    json: bool = False,
) -> None:
    """Keep the host on until a time, whether anybody asks or not; starts it where it is off."""
    from core import moments
    from core.errors import DeployError
    from remote.verbs import pin as verbs_pin
    from remote.verbs.lease import front

    at = front(stack, identity)
    lease = verbs_pin.pin(at, until=until, lasts=for_, why=why)
    if not lease["changed"]:
        raise DeployError(f"Not pinned: {lease['note']}.")
    note = f" ({lease['note']})" if lease.get("note") else ""
    until = f"{moments.show(lease['pin_until'], at.zone)} ({at.zone})"
    print(json_module.dumps(lease) if json else f"Pinned until {until}; the host is {lease['state']}{note}.")


@task(help=STACK | IDENTITY | JSON)
@verb
def unpin(_: Context, stack: str = "", identity: str = "", json: bool = False) -> None:
    """End the pin; the host stops when it is idle, as always."""
    from remote.verbs import pin as verbs_pin
    from remote.verbs.lease import front

    lease = verbs_pin.unpin(front(stack, identity))
    if json:
        print(json_module.dumps(lease))
    elif lease["changed"]:
        print(f"The pin is over; the host is {lease['state']}.")
    else:
        print(f"Nothing to do: {lease['note']}.")


@task(help=STACK | IDENTITY | JSON)
@verb
def wake(_: Context, stack: str = "", identity: str = "", json: bool = False) -> None:
    """Turn the host on and wait until it answers."""
    from remote.verbs import power as verbs_power
    from remote.verbs.lease import front

    progress = Progress(quiet=json)
    lease = verbs_power.wake(front(stack, identity), progress)
    progress.say(f"RUNNING: {lease['reason']}. {lease['api_url']}")
    if json:
        print(json_module.dumps(lease))


@task(help=STACK | IDENTITY | JSON | {"force": "without a check: requests in the engines are cut"})
@verb
def stop(_: Context, stack: str = "", force: bool = False, identity: str = "", json: bool = False) -> None:
    """Turn the host off: it checks, and stays on while anybody is served."""
    from remote.verbs import power as verbs_power
    from remote.verbs.lease import front

    progress = Progress(quiet=json)
    lease = verbs_power.stop(front(stack, identity), progress, force=force)
    progress.say(f"{lease['state']}: {lease['reason']}")
    if json:
        print(json_module.dumps(lease))


@task(help=STACK | IDENTITY | {"gateway": "the gateway instead of the host", "command": "run this instead of a shell"})
@verb
def ssh(_: Context, stack: str = "", gateway: bool = False, command: str = "", identity: str = "") -> None:
    """Open a shell on the host, awake and inhibited as long as it lasts."""
    from remote.machines import inventory
    from remote.verbs import ssh as shell

    sys.exit(shell.open_shell(inventory.load(stack, identity=identity), gateway=gateway, command=command))


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "lines": "how many of the last lines",
        "follow": "go on until Ctrl-C",
        "last": "what the host said before it went off last, though it is on",
        "back": "and before the stop so many stops earlier",
    }
)
@verb
def logs(
    _: Context,
    *,
    stack: str = "",
    lines: int = 50,
    follow: bool = False,
    last: bool = False,
    back: int = 0,
    identity: str = "",
    json: bool = False,
) -> None:
    """Show what engine, agent, relay and HAProxy said last; of a host that is off: why, and its shutdown report."""
    from remote.machines import inventory, journal
    from remote.verbs import logs as verbs_logs

    found = inventory.load(stack, identity=identity)
    if follow:
        journal.follow(found, lines=lines)
        return
    record = verbs_logs.logs(found, lines=lines, last=last or back > 0, back=back)
    zone = found.settings.idle.time_zone
    print(json_module.dumps(record) if json else "\n".join(verbs_logs.text(record, zone)))


namespace = Collection(deploy, status, wake, stop, pin, unpin, explain, history, ssh, logs)
