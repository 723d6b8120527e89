"""The lease from a machine's command line, for `fab` over SSH: `python -m runtime.lease_client --config FILE VERB …`.

Prints one JSON object (`events`: one a line) and exits 0; a failure is `{"error": …}` and exit code 1, a `wait` that
was not met exit code 3. FILE is the machine's relay.json or agent.json. Runs with the machine's own role, so the host
may do less than the gateway. To add a verb: a function below and a line in `_parser`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from core import lease as protocol
from core.contract.documents import HostConfig, RelayConfig, RelayUnit
from core.contract.intervals import INHIBITOR_S, WAKE_REQUEST_EXTRA_S
from core.contract.network import RELAY_HEALTHS
from core.contract.paths import RELAY_CONFIG
from core.errors import ContractError, PilotlightError
from core.lease import Lease, Outcome, State
from runtime import backends
from runtime.backends.leases import LeaseStore, StoreUnavailable, create
from runtime.backends.power import Power, PowerRefused, PowerUnanswered
from runtime.operations import Operations, existing, nonce, plain, shown

POLL_S: Final = 0.5
RELAY_S: Final = 2.0  # the relay of this machine answers within this, or not at all
NOT_MET: Final = 3


class Cli:
    """The verbs, over a store and (where the role allows it) power."""

    def __init__(self, config: HostConfig | RelayUnit, store: LeaseStore, power: Power) -> None:
        self._config, self._store, self._power = config, store, power
        self._operations = Operations(config.unit, config.instance_id, store, power)

    def show(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """The lease, the table's time, and with --machine what EC2 says."""
        reading = self._store.read(self._config.unit)
        answer: dict[str, Any] = shown(reading.lease, reading.now)
        if arguments.settings:
            settings = self._store.settings(self._config.unit)
            answer["settings"] = None if settings is None else dataclasses.asdict(settings)
        if arguments.history:
            since = reading.now - arguments.history
            answer["events"] = [plain(e) for e in self._store.events(self._config.unit, since=since)]
        if arguments.machine:
            answer["machine"] = dataclasses.asdict(self._power.describe(self._config.instance_id))
        if arguments.gateway:
            answer["redis"] = _redis()
        return answer

    def create(self, _: argparse.Namespace) -> dict[str, Any]:
        """The lease where there is none; NEW again where `pulumi up` replaced the machine; else unchanged."""
        unit, machine = self._config.unit, self._config.instance_id
        reading = self._store.read(unit)
        if reading.lease is None:
            made = create(self._store, unit, machine, by="deploy", now=reading.now, nonce=nonce())
            if made is not None:
                return shown(made, reading.now) | {"changed": True}

        def outcome(lease: Lease, now: float) -> Outcome:
            return protocol.new_machine(lease, instance_id=machine, by="deploy", now=now, nonce=nonce())

        return self._operations.change(existing(outcome))

    def inhibit(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Nothing stops the host for --for seconds; the same --who again renews."""
        who, why = arguments.who, arguments.why

        def outcome(lease: Lease, now: float) -> Outcome:
            until = now + arguments.seconds
            return protocol.inhibit(lease, who=who, why=why, now=now, until=until, nonce=nonce())

        return self._operations.change(existing(outcome))

    def release(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """--who is done."""
        return self._operations.change(
            existing(lambda lease, now: protocol.release(lease, who=arguments.who, now=now, nonce=nonce()))
        )

    def request_wake(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Somebody wants the host; with --start it is started from here where the lease allows it."""
        return self._operations.wake(arguments.by, arguments.why, seconds=arguments.seconds, start=arguments.start)

    def pin(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """The host is to be on until a time; with --start it is started from here where it is off."""

        def until(now: float) -> float:
            return float(arguments.until if arguments.seconds is None else now + arguments.seconds)

        return self._operations.pin(arguments.who, arguments.why, until=until, start=arguments.start)

    def unpin(self, _: argparse.Namespace) -> dict[str, Any]:
        """The pin is over."""
        return self._operations.unpin()

    def override_budget(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Somebody pays over the budget for a while."""
        return self._operations.override_budget(arguments.who, arguments.why, arguments.seconds)

    def end_override(self, _: argparse.Namespace) -> dict[str, Any]:
        """Nobody pays over the budget any more."""
        return self._operations.end_override()

    def drop_wake_request(self, _: argparse.Namespace) -> dict[str, Any]:
        """The wake request is deleted."""
        return self._operations.change(existing(lambda lease, _: protocol.drop_wake_request(lease, nonce=nonce())))

    def force_stop(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Stop without a check: requests in the engines are cut, and who still waits is not served."""

        def outcome(lease: Lease, now: float) -> Outcome:
            return protocol.force(lease, by=arguments.by, now=now, nonce=nonce(), reason=arguments.reason, forget=True)

        return self._operations.change(existing(outcome))

    def drain(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Ask the host to check and stop now, as the reaper does when it is idle long enough. Ends a pin first."""
        return self._operations.drain(arguments.by, arguments.reason)

    def wait(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """Until the lease is in one of --until, at most --timeout seconds; `met` says whether."""
        end = time.monotonic() + arguments.timeout
        while True:
            reading = self._store.read(self._config.unit)
            met = reading.lease is not None and reading.lease.state in arguments.until
            if met or time.monotonic() >= end:
                return shown(reading.lease, reading.now) | {"met": met}
            time.sleep(POLL_S)

    def events(self, arguments: argparse.Namespace) -> list[dict[str, Any]]:
        """The history from --since (table time, s), oldest first."""
        return [plain(e) for e in self._store.events(self._config.unit, since=arguments.since)]

    def history(self, arguments: argparse.Namespace) -> list[dict[str, Any]]:
        """The history of the last --for seconds by the table's clock, oldest first."""
        since = self._store.read(self._config.unit).now - arguments.seconds
        return [plain(e) for e in self._store.events(self._config.unit, since=since)]

    def shutdown_report(self, arguments: argparse.Namespace) -> dict[str, Any]:
        """What the host said before its last stop, or before the one --back stops earlier; `words` None: nothing."""
        kept = self._store.reports(self._config.unit)
        words = kept[arguments.back] if 0 <= arguments.back < len(kept) else None
        return {"kept": len(kept), "words": None if words is None else dataclasses.asdict(words)}


def _state(text: str) -> State:
    try:
        return State(text.upper())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}; known are {', '.join(State)}") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m runtime.lease_client", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", default=RELAY_CONFIG, help="relay.json or agent.json (default: %(default)s)")
    parser.add_argument("--unit", default="", help="one of those that FILE names (default: its first)")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for add in (_add_reading, _add_inhibitors, _add_wants, _add_stops, _add_history):
        add(verbs)
    return parser


def _add_reading(verbs: Any) -> None:
    show = verbs.add_parser("show", help="the lease as it is")
    show.add_argument("--machine", action="store_true", help="and what EC2 says of the machine")
    show.add_argument("--settings", action="store_true", help="and what the reaper goes by")
    show.add_argument("--history", type=float, default=0.0, help="and the events of the last so many seconds")
    show.add_argument("--gateway", action="store_true", help="and what the relay here says of its Redis")
    wait = verbs.add_parser("wait", help="until the lease is in a state")
    wait.add_argument("--until", type=_state, nargs="+", required=True)
    wait.add_argument("--timeout", type=float, default=600.0, help="seconds (default: %(default)s)")


def _add_inhibitors(verbs: Any) -> None:
    verbs.add_parser("create", help="make the lease, or renew it for a replaced machine")
    inhibit = verbs.add_parser("inhibit", help="nothing stops the host for a while")
    inhibit.add_argument("--who", required=True)
    inhibit.add_argument("--why", required=True)
    inhibit.add_argument(
        "--for", dest="seconds", type=float, default=INHIBITOR_S, help="seconds (default: %(default)s)"
    )
    release = verbs.add_parser("release", help="end an inhibitor")
    release.add_argument("--who", required=True)


def _add_wants(verbs: Any) -> None:
    wake_request = verbs.add_parser("request-wake", help="somebody wants the host")
    wake_request.add_argument("--by", required=True)
    wake_request.add_argument("--why", default="", help="what they used, e.g. `fab wake`")
    wake_request.add_argument(
        "--for", dest="seconds", type=float, default=WAKE_REQUEST_EXTRA_S, help="seconds (default: %(default)s)"
    )
    wake_request.add_argument("--start", action="store_true", help="and start it from here")
    pin = verbs.add_parser("pin", help="on until a time, whether anybody asks or not")
    pin.add_argument("--who", required=True)
    pin.add_argument("--why", default="")
    when = pin.add_mutually_exclusive_group(required=True)
    when.add_argument("--until", type=float, help="table time, seconds since 1970")
    when.add_argument("--for", dest="seconds", type=float, help="seconds")
    pin.add_argument("--start", action="store_true", help="and start it from here where it is off")
    verbs.add_parser("unpin", help="end the pin")
    pay = verbs.add_parser("override-budget", help="pay over the budget for a while")
    pay.add_argument("--who", required=True)
    pay.add_argument("--why", default="")
    pay.add_argument("--for", dest="seconds", type=float, required=True, help="seconds")
    verbs.add_parser("end-override", help="nobody pays over the budget any more")
    verbs.add_parser("drop-wake-request", help="delete the wake request")


def _add_stops(verbs: Any) -> None:
    for name, text in (("drain", "check, and stop if idle"), ("force-stop", "stop without a check")):
        stop = verbs.add_parser(name, help=text)
        stop.add_argument("--by", default="operator")
        stop.add_argument("--reason", required=True)


def _add_history(verbs: Any) -> None:
    """The verbs that read what was."""
    events = verbs.add_parser("events", help="the history, one event a line")
    events.add_argument("--since", type=float, default=0.0, help="table time, seconds since 1970")
    history = verbs.add_parser("history", help="the same for the last seconds")
    history.add_argument("--for", dest="seconds", type=float, default=86400.0, help="seconds (default: %(default)s)")
    words = verbs.add_parser("shutdown-report", help="why the host went off, and its journals' last lines")
    words.add_argument("--back", type=int, default=0, help="so many stops earlier (default: the last one)")


def read_config(path: str) -> HostConfig | RelayConfig:
    """The machine's document, whichever of the two it is."""
    try:
        text = Path(path).read_text()
    except OSError as error:
        raise ContractError(f"Cannot read {path}: {error.strerror}. Run `fab deploy`.") from error
    return RelayConfig.from_json(text) if '"queue_max"' in text else HostConfig.from_json(text)


def main(argv: list[str] | None = None, *, cli: Cli | None = None) -> int:
    """Run one verb. Returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        chosen = cli or _real(one_unit(read_config(arguments.config), arguments.unit))
        answer = getattr(chosen, arguments.verb.replace("-", "_"))(arguments)
    except (PilotlightError, StoreUnavailable, PowerRefused, PowerUnanswered) as error:
        _print({"error": str(error)})
        return 1
    for line in answer if isinstance(answer, list) else [answer]:
        _print(line)
    return NOT_MET if isinstance(answer, dict) and answer.get("met") is False else 0


def _redis() -> str:
    """What the relays on this machine say of their Redis: "ok", or why it is down; "" where no relay answers."""
    told = [said for url in RELAY_HEALTHS if (said := _redis_by(url))]
    return next((said for said in told if said != "ok"), "ok" if told else "")


def _redis_by(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=RELAY_S) as answer:
            told = json.load(answer)
    except (OSError, ValueError):
        return ""  # a relay that is down is seen in other ways, and is no reason to say nothing of the lease
    return str(told.get("redis", ""))


def one_unit(config: HostConfig | RelayConfig, name: str = "") -> HostConfig | RelayUnit:
    """The unit of this name, or the first; ContractError where the machine has no such unit."""
    if isinstance(config, RelayConfig):
        return config.one(name)
    if name not in ("", config.unit):
        raise ContractError(f"This machine has no unit {name!r}, only {config.unit}.")
    return config


def _real(config: HostConfig | RelayUnit) -> Cli:
    backend = backends.open(config.place)
    return Cli(config, backend.leases, backend.power)


def _print(answer: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
