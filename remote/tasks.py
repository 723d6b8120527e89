"""The verbs: `fab deploy`, `fab status`, …. Each is thin: arguments in, one call, lines out.

A new verb: a function with `@task` and `@verb`, a one-line docstring (it is `fab --list`'s), its name in `namespace`.
`identity` stands second, so that `-i` means the same everywhere. What `--json` prints goes through `print_json`, and a
line into docs/json.md. What a verb needs is imported inside it, so that `fab --list` stays quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from remote import paths
from remote.progress import Progress
from remote.verbs import verb

STACK: Final = {"stack": "the stack's name, as in stacks/Pulumi.NAME.yaml"}
IDENTITY: Final = {
    "identity": "private key file for SSH, e.g. ~/.ssh/pilotlight (default: your agent's keys and ~/.ssh/id_*)"
}
JSON: Final = {"json": "print one JSON object last (docs/json.md); progress goes to standard error"}


def print_json(verb: str, stack: str | None, data: Mapping[str, Any]) -> None:
    """What `--json` prints."""
    from remote.verbs.envelope import envelope

    print(envelope(verb, stack, data), flush=True)


@task(
    help={"stack": "the stack's name, as in stacks/Pulumi.NAME.yaml, or several with commas between, at the same time"}
    | IDENTITY
    | JSON
    | {
        "plan": "show what would change, files as diffs with secrets masked, and change nothing; exit code 0: nothing "
        "would, 2: something would, 3: the host is off, and its part is unknown",
        "key-file": "keep a working API key in this file (mode 600); one is made where it holds none",
        "password-file": "write the password of the chat page's first account into this file (mode 600)",
    }
)
@verb
def deploy(
    _: Context,
    *,
    stack: str = "",
    identity: str = "",
    plan: bool = False,
    key_file: str = "",
    password_file: str = "",
    json: bool = False,
) -> None:
    """Bring a stack's machines to the wanted state, and prove it."""
    from remote.machines import inventory
    from remote.verbs import deploy_many
    from remote.verbs.deploy import Deployment
    from remote.verbs.deploy_report import Options

    options = Options(plan, _path(key_file), _path(password_file))
    if len(stacks := deploy_many.names(stack)) > 1:
        _deploy_many(stacks, deploy_many.words(options, identity=identity, as_json=json), as_json=json)
        return
    progress = Progress(quiet=json)
    report = Deployment(inventory.load(stack, identity=identity), options, progress).run()
    progress.say(report.summary(options))
    if json:
        print_json("deploy", stack, report.as_dict())
    if code := report.exit_code(options):
        sys.exit(code)


def _deploy_many(stacks: list[str], options: list[str], *, as_json: bool) -> None:
    from remote.verbs import deploy_many

    progress = Progress(quiet=as_json)
    found = deploy_many.deploy(stacks, options, progress.print)
    progress.print("\n".join(deploy_many.summary(found)))
    if as_json:
        print_json("deploy", None, {"stacks": [each.as_dict() for each in found]})
    if code := deploy_many.exit_code(found):
        sys.exit(code)


def _path(text: str) -> Path | None:
    return paths.typed(text) if text else None


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {"wake": "turn the host on, look at it too, and ask every service for one real answer (costs a start)"}
)
@verb
def doctor(_: Context, stack: str = "", identity: str = "", wake: bool = False, json: bool = False) -> None:
    """Check everything, each line with its fix; wakes nothing."""
    from remote.checks import Verdict
    from remote.verbs import doctor as verbs_doctor

    found = verbs_doctor.examine(stack, Progress(quiet=True), identity=identity, wake=wake)
    if json:
        print_json("doctor", stack, found.as_dict())
    else:
        print("\n".join(found.lines()))
    if found.count(Verdict.FAIL):
        sys.exit(1)


WATCH_S: Final = 2.0
WIDE: Final = 160  # characters
STACKS: Final = {"stack": "one stack, or several with commas between (default: all)"}


@task(help=STACKS | IDENTITY | JSON | {"watch": "again every 2 s, until Ctrl-C"})
@verb
def status(_: Context, stack: str = "", identity: str = "", json: bool = False, watch: bool = False) -> None:
    """Say what hosts do and why, when they stop, and what they cost."""
    import time

    from remote.verbs import status as verbs_status

    names = [name.strip() for name in stack.split(",") if name.strip()]
    fronts = verbs_status.fronts(names, identity)
    while True:
        found = verbs_status.statuses(fronts)
        if json:
            print_json("status", None, {"stacks": [verbs_status.as_dict(one) for one in found]})
        else:
            console(clear=watch).print(verbs_status.Listing(found))
        if not watch:
            break
        time.sleep(WATCH_S)
    if any(isinstance(one, verbs_status.Unknown) and one.begun for one in found):
        sys.exit(1)


def console(*, clear: bool = False, least: int = 0) -> Any:
    """Rich's, for tables. What people named or wrote is shown as it is: `[/x]` and `:x:` are no marks of ours.

    `least`: columns that a table needs with whole figures. A narrower terminal breaks its lines; Rich would cut them.
    """
    from rich.console import Console

    class Plain(Console):
        """A reader that has left is `remote/output.py`'s business."""

        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  # Console calls this where it handles the error

    width = None if sys.stdout.isatty() else WIDE  # into a file or a pipe: rows stay rows
    console = Plain(soft_wrap=False, highlight=False, markup=False, emoji=False, width=width)
    if console.width < least:
        console.size = (least, console.height)  # both: a dumb terminal has Rich's width else
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
    _: Context, stack: str = "", identity: str = "", for_: str = "24h", offline: bool = False, json: bool = False
) -> None:
    """Say what the policy will do if nobody asks; changes nothing."""
    from core.times import durations
    from remote.verbs import explain as verbs_explain

    for_s = durations.positive(for_, verbs_explain.LONGEST_S)
    explained = verbs_explain.explain(stack, for_s=for_s, identity=identity, offline=offline)
    if json:
        print_json("explain", stack, explained.as_dict())
    else:
        print("\n".join(verbs_explain.lines(explained)))


@task(
    help=STACK | IDENTITY | JSON | {"since": "how far back, e.g. 24h, 7d", "limit": "only so many of the last (0: all)"}
)
@verb
def history(
    _: Context, stack: str = "", identity: str = "", since: str = "24h", limit: str = "0", json: bool = False
) -> None:
    """List what happened to the host, who asked for it and why."""
    from core.times import durations
    from remote.verbs import flags
    from remote.verbs import history as verbs_history
    from remote.verbs.lease import front

    most, since_s = flags.whole("limit", limit), durations.positive(since)
    at = front(stack, identity)
    events = verbs_history.history(at, since_s=since_s, limit=most)
    if json:
        print_json("history", stack, {"events": [verbs_history.as_dict(event, at.zone) for event in events]})
    elif events:
        console().print(verbs_history.table(events, at.zone))
    else:
        print(f"Nothing happened to {stack} in the last {since}.")


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "until": "a time of the stack's clock: 18:00, 2026-11-24 18:00",
        "for": "or how long: 2h",
        "why": "the reason",
        "yes": "do not ask about a pin that is longer than 24 h",
    }
)
@verb
def pin(
    _: Context,
    *,
    stack: str = "",
    identity: str = "",
    until: str = "",
    for_: str = "",
    why: str = "",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Keep the host on until a time; starts it where it is off."""
    from core.errors import DeployError
    from core.times import moments
    from remote.verbs import pin as verbs_pin
    from remote.verbs.lease import front

    verbs_pin.check(until, for_)
    at = front(stack, identity)
    pinned = verbs_pin.pin(at, until=until, lasts=for_, why=why, confirm=_confirm(yes=yes))
    if not pinned.changed:
        raise DeployError(f"Not pinned: {pinned.note}.")
    if json:
        print_json("pin", stack, pinned.as_dict(at))
        return
    note = f" ({pinned.note})" if pinned.note else ""
    end = pinned.lease.pin_until or pinned.now
    show = moments.with_year if end - pinned.now > verbs_pin.ASK_ABOVE_S else moments.show
    print(f"Pinned until {show(end, at.zone)} ({at.zone}); the host is {pinned.lease.state}{note}.")


def _confirm(*, yes: bool) -> Callable[[Any], bool]:
    """Asks the person at the terminal; without one only `--yes` will do."""
    from core.errors import DeployError

    def ask(plan: Any) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise DeployError(f"Not pinned {plan.words}. That is longer than 24 h: add `--yes` if it is meant.")
        print(f"Pin {plan.words}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    return ask


@task(help=STACK | IDENTITY | JSON)
@verb
def unpin(_: Context, stack: str = "", identity: str = "", json: bool = False) -> None:
    """End the pin; the host stops when it is idle, as always."""
    from remote.verbs import pin as verbs_pin
    from remote.verbs.lease import front

    at = front(stack, identity)
    unpinned = verbs_pin.unpin(at)
    if json:
        print_json("unpin", stack, unpinned.as_dict(at))
    elif unpinned.changed:
        print(f"The pin is over; the host is {unpinned.lease.state}.")
    else:
        print(f"Nothing to do: {unpinned.note}.")


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "no-wait": "only order the start",
        "timeout": "wait so long at most, e.g. 5m (default: idle.startTimeout and a minute); the start goes on",
    }
)
@verb
def wake(
    _: Context, stack: str = "", identity: str = "", no_wait: bool = False, timeout: str = "", json: bool = False
) -> None:
    """Turn the host on and wait until it answers."""
    from core.errors import SettingsError
    from core.times import durations
    from remote.verbs import power as verbs_power
    from remote.verbs.lease import front

    if no_wait and timeout:
        raise SettingsError("--no-wait and --timeout: one of the two.")
    timeout_s = durations.positive(timeout) if timeout else None
    progress = Progress(quiet=json)
    at = front(stack, identity)
    done = verbs_power.wake(at, progress, wait=not no_wait, timeout_s=timeout_s)
    progress.say(f"{done.lease.state}: {done.lease.reason}. {at.inventory.api_url}")
    if json:
        print_json("wake", stack, done.as_dict(at))


@task(help=STACK | IDENTITY | JSON | {"force": "without a check: requests in the engines are cut"})
@verb
def stop(_: Context, stack: str = "", identity: str = "", force: bool = False, json: bool = False) -> None:
    """Turn the host off; it stays on while anybody is served."""
    from remote.verbs import power as verbs_power
    from remote.verbs.lease import front

    progress = Progress(quiet=json)
    at = front(stack, identity)
    done = verbs_power.stop(at, progress, force=force)
    progress.say(f"{done.lease.state}: {done.lease.reason}")
    if json:
        print_json("stop", stack, done.as_dict(at))


@task(help=STACK | IDENTITY | {"gateway": "the gateway instead of the host", "command": "run this instead of a shell"})
@verb
def ssh(_: Context, stack: str = "", identity: str = "", gateway: bool = False, command: str = "") -> None:
    """Open a shell on the host, awake and inhibited meanwhile."""
    from remote.machines import inventory
    from remote.verbs import ssh as shell

    sys.exit(shell.open_shell(inventory.load(stack, identity=identity), gateway=gateway, command=command))


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "lines": "how many of the last lines of each machine",
        "since": "no older ones than this, e.g. 10m, 2h",
        "engine": "of this engine alone",
        "follow": "go on until Ctrl-C, over stops and starts of the host; wakes nothing",
        "last": "what the host said before it went off last, though it is on",
        "back": "and before the stop so many stops earlier",
    }
)
@verb
def logs(
    _: Context,
    *,
    stack: str = "",
    identity: str = "",
    last: bool = False,  # before `lines`: the first of both takes -l, and `lines` gets -n, as journalctl's
    lines: str = "50",
    since: str = "",
    engine: str = "",
    follow: bool = False,
    back: str = "0",
    json: bool = False,
) -> None:
    """Show the journals; of a host that is off, its shutdown report."""
    from core.errors import SettingsError
    from core.times import durations
    from remote.machines import following, inventory, journal
    from remote.verbs import flags
    from remote.verbs import logs as verbs_logs

    if follow and json:
        raise SettingsError("--follow and --json: one of the two.")
    since_s = durations.positive(since) if since else 0.0
    wanted, stops_back = journal.Wanted(flags.whole("lines", lines), since_s), flags.whole("back", back)
    found = inventory.load(stack, identity=identity)
    chosen = verbs_logs.engine_of(found, engine)
    if follow:
        following.follow(found, wanted, engine=chosen)
        return
    told = verbs_logs.logs(found, wanted, engine=chosen, last=last or stops_back > 0, back=stops_back)
    zone = found.settings.idle.time_zone
    if json:
        print_json("logs", stack, told.as_dict(zone))
    else:
        print("\n".join(verbs_logs.text(told, zone)))
    if told.nothing:
        sys.exit(1)


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {
        "service": "which (default: the stack's first)",
        "concurrency": "requests at once, one load each: 1,4,16 (the default); 64 at most",
        "requests": "how many each caller sends, one after the other (default: 4, at most 50; none begins after 60 s)",
        "words": "length of the prompts (default: 200)",
        "tokens": "length of the answers (default: 128)",
        "picture": "write a plot to this path, without an ending: PNG and SVG",
        "wake": "turn the host on for it where it is off",
    }
)
@verb
def bench(
    _: Context,
    *,
    stack: str = "",
    identity: str = "",
    service: str = "",
    concurrency: str = "1,4,16",
    requests: str = "4",
    words: str = "200",
    tokens: str = "128",
    picture: str = "",
    wake: bool = False,
    json: bool = False,
) -> None:
    """Load the service for a while: tokens/s, TTFT, inter-token."""
    from core.errors import DeployError
    from remote.verbs import bench as verbs_bench

    flags = {"service": service, "concurrency": concurrency, "requests": requests, "words": words, "tokens": tokens}
    asked = verbs_bench.asked(**flags, wake=wake)
    path = paths.picture(picture) if picture else None
    found = verbs_bench.bench(stack, asked, Progress(quiet=True), identity=identity)
    files = verbs_bench.picture(found, path) if path else ()
    if json:
        print_json("bench", stack, found.as_dict() | {"pictures": [str(file) for file in files]})
    else:
        console().print(verbs_bench.table(found))
        print("\n".join(f"picture: {file}" for file in files))
    if found.stopped:
        raise DeployError(f"The bench stopped: {found.stopped}")


@task(help=STACK | IDENTITY | JSON)
@verb
def url(_: Context, stack: str = "", identity: str = "", json: bool = False) -> None:
    """Print where the API and the chat page are."""
    from remote.machines import inventory
    from remote.verbs import url as verbs_url

    found = verbs_url.urls(inventory.load(stack, identity=identity))
    if json:
        print_json("url", stack, found.as_dict())
    else:
        print("\n".join(verbs_url.lines(found)))


@task(name="open", help=STACK | IDENTITY)
@verb
def open_(_: Context, stack: str = "", identity: str = "") -> None:
    """Open the chat page in this computer's browser."""
    from remote.machines import inventory
    from remote.verbs import url as verbs_url

    print(verbs_url.open_page(verbs_url.urls(inventory.load(stack, identity=identity))))


@task(help=JSON)
@verb
def version(_: Context, json: bool = False) -> None:
    """Print this checkout's version."""
    from remote.verbs import version as verbs_version

    found = verbs_version.version()
    if json:
        print_json("version", None, {"version": found.number, "commit": found.commit or None})
    else:
        print(found.words)


@task(
    positional=["model"],
    help=JSON
    | {
        "model": "a Hugging Face id, or a folder with its config.json",
        "context": "tokens of the longest request (default: what memory and model allow)",
        "dtype": "float16, bfloat16 or float32 (default: the model's)",
        "quantization": "vLLM's method, e.g. fp8, which quantizes while it loads (default: the checkpoint's)",
        "kv-cache-dtype": "fp8 halves the KV cache, from compute capability 8.9 on",
        "region": "whose prices",
        "from-hub": "ask the hub, though the model is in the table of usual ones",
        "lock": "note what was read in stacks/models.lock.json, by which `pulumi preview` checks that the model fits",
    },
)
@verb
def size(
    _: Context,
    model: str,
    *,
    context: str = "",
    dtype: str = "auto",
    quantization: str = "",
    kv_cache_dtype: str = "auto",
    region: str = "us-east-1",
    from_hub: bool = False,
    lock: bool = False,
    json: bool = False,
) -> None:
    """Say which GPUs a model fits, and with how much context."""
    from core.engines.sizing.fit import Wish
    from remote import model_files
    from remote.verbs import flags
    from remote.verbs import size as verbs_size

    longest = flags.positive("context", context)
    wish = Wish(longest, dtype=dtype, quantization=quantization or None, kv_dtype=kv_cache_dtype)
    read = model_files.find(model, hub=from_hub)
    found = verbs_size.size(read.model, wish, region)
    if lock:
        Progress(quiet=json).say(verbs_size.lock(model, read))
    if json:
        print_json("size", None, found.as_dict())
    else:
        console(least=verbs_size.LEAST).print(verbs_size.Listing(found))


namespace = Collection(
    *(bench, deploy, doctor, status, wake, stop, pin, unpin, explain, history, ssh, logs, url, size, version),
    **{"open": open_},
)
