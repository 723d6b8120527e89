"""`fab bench`: a bounded load on a deployed service from this computer, through the front door, as callers have it.

It asks with a key of its own, which lives for the time of the bench. A host that is off is woken only on request.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.table import Table

from core import keys as rules
from core.contract import dialects
from core.contract.documents import ApiKey, ApiKeys
from core.errors import DeployError, SettingsError
from core.keys import Change, KeyState
from core.lease import State
from core.settings import service_routes
from core.settings.suggest import closest
from remote import callers
from remote.callers import MOST_CALLERS, Load, Question
from remote.machines import inventory
from remote.machines.inventory import Inventory
from remote.machines.lease_client import LeaseClient
from remote.machines.transport import Machine
from remote.progress import Progress
from remote.services import keys
from remote.services.keys import Key
from remote.verbs import power
from remote.verbs.lease import Front

PARTS: Final = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
TTFT: Final = ("ttft_p50_ms", "ttft_p95_ms", "ttft_p99_ms")
INTER_TOKEN: Final = ("inter_token_p50_ms", "inter_token_p95_ms", "inter_token_p99_ms")
WITHIN_S: Final = 60.0  # of each load: no request begins later
OURS: Final = re.compile(r"bench-[0-9a-f]{8}")  # names of a bench's keys
KEY_S: Final = 3600.0  # the bench's own key, should nobody be there to revoke it
WORDS_MAX, TOKENS_MAX, REQUESTS_MAX = 20000, 4096, 50


@dataclass(frozen=True)
class Asked:
    """What the user asked for. `service` "": the first of the stack; `each`: requests of each caller."""

    callers: tuple[int, ...]
    each: int
    words: int
    tokens: int
    service: str = ""
    wake: bool = False


def asked(*, service: str, concurrency: str, requests: str, words: str, tokens: str, wake: bool) -> Asked:
    """From the flags' text. SettingsError names the flag, what it got and what is allowed."""
    levels = tuple(_whole("concurrency", part, MOST_CALLERS) for part in concurrency.split(","))
    if len(levels) > 8:
        raise SettingsError(f"--concurrency {concurrency}: 8 numbers at most.")
    return Asked(
        tuple(sorted(set(levels))),
        _whole("requests", requests, REQUESTS_MAX),
        _whole("words", words, WORDS_MAX),
        _whole("tokens", tokens, TOKENS_MAX),
        service,
        wake,
    )


def _whole(flag: str, text: str, most: int) -> int:
    text = text.strip()
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= number <= most:
        raise SettingsError(f'--{flag} "{text[:40]}" is not a whole number from 1 to {most}.')
    return number


@dataclass(frozen=True)
class Benched:
    """The loads, the lightest first. `stopped`: why there are no more of them."""

    service: str
    asked: Asked
    loads: tuple[Load, ...]
    stopped: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For `--json` (docs/json.md)."""
        return {
            "service": self.service,
            "words": self.asked.words,
            "tokens": self.asked.tokens,
            "stopped": self.stopped or None,
            "loads": [_record(load) for load in self.loads],
        }


def _record(load: Load) -> dict[str, Any]:
    return {
        "concurrency": load.callers,
        "answers": len(load.seen),
        "failed": len(load.failures),
        "took_s": round(load.took_s, 2),
        "tokens_s": round(load.tokens_s, 1),
        "prompt_tokens": round(load.mean("tokens_in"), 1),
        "answer_tokens": round(load.mean("tokens_out"), 1),
        **{name: _rounded(load.first_ms(part)) for name, part in zip(TTFT, PARTS.values(), strict=True)},
        **{name: _rounded(load.gap_ms(part)) for name, part in zip(INTER_TOKEN, PARTS.values(), strict=True)},
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def bench(stack: str, wanted: Asked, progress: Progress, *, identity: str = "") -> Benched:
    """Load the service. DeployError: it is off, or does not answer. SettingsError: there is no such service."""
    found = inventory.load(stack, identity=identity)
    name, shaped = _service(found, wanted.service)
    front = Machine(found.gateway or found.host)
    front.connect()
    at = Front(found, LeaseClient(front))
    _awake(at, wanted, progress)
    with _key(front, progress) as key:
        question = _question(at.inventory.api_url, name, shaped, wanted, key)
        progress.say(f"{name}: one request to begin with")
        callers.warm(question)
        return _loads(name, question, wanted, progress)


def _loads(name: str, question: Question, wanted: Asked, progress: Progress) -> Benched:
    loads: list[Load] = []
    first = 1
    for count in wanted.callers:
        progress.say(f"{name}: {count} at once, {wanted.each} requests each")
        load = callers.run(question, count, count * wanted.each, WITHIN_S, first=first)
        loads.append(load)
        first += count * wanted.each
        if load.failures:
            return Benched(name, wanted, tuple(loads), f"with {count} at once a request failed: {load.failures[0]}")
    return Benched(name, wanted, tuple(loads))


def _service(of: Inventory, name: str) -> tuple[str, bool]:
    """Its name, and whether it is shaped."""
    found = {route.name: route.shaping is not None for route in service_routes(of.settings)}
    chosen = name or next(iter(found))
    if chosen not in found:
        there = ", ".join(found)
        raise SettingsError(f'--service "{name}" is none of {of.stack}\'s{closest(name, found)}; there are: {there}.')
    return chosen, found[chosen]


def _awake(at: Front, wanted: Asked, progress: Progress) -> None:
    seen = at.client.show()
    if seen.state is State.RUNNING:
        return
    if not wanted.wake:
        state = seen.state or "not deployed"
        raise DeployError(f"The host is {state}, and a bench would wake it. Add `--wake` if that is meant.")
    power.wake(at, progress)


@contextmanager
def _key(front: Machine, progress: Progress) -> Iterator[str]:
    """A key that lives for the time of the bench, and ends by itself where nobody revokes it."""
    there = keys.Keys(front)
    key = keys.make(f"bench-{secrets.token_hex(4)}")
    there.change(lambda found, now: _added(found, key, now))
    try:
        yield key.secret
    finally:
        try:
            there.change(lambda found, _: rules.revoke(found, key.name))
        except DeployError as error:  # the figures are worth more than the key, which ends by itself
            progress.say(f"the key {key.name} was not revoked and ends within {KEY_S / 60:.0f} min: {error}")


def _added(there: ApiKeys, key: Key, now: float) -> Change:
    """The key, in the place of those of benches that nobody was left to revoke."""
    new = rules.add(there, ApiKey(key.name, key.hash, now, expires=now + KEY_S), now).new
    ended = (each for each in there.keys if OURS.fullmatch(each.name))
    return Change(tuple(k.sha256 for k in ended if rules.state(there, k, now) is KeyState.EXPIRED), new)


def _question(url: str, service: str, shaped: bool, wanted: Asked, key: str) -> Question:
    body: dict[str, Any] = {"model": service, "max_tokens": wanted.tokens, "temperature": 0}
    if shaped:  # which answers chats alone, and ends where it likes
        return Question(url, dialects.CHAT, body, key, wanted.words, chat=True)
    # vLLM's own: an answer of the same length each time
    body |= {"min_tokens": wanted.tokens, "ignore_eos": True}
    return Question(url, dialects.COMPLETIONS, body, key, wanted.words)


# ---------------------------------------------------------------- for people
def table(found: Benched) -> Table:
    """A row a load."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    heads = (
        "at once",
        "answers",
        "tokens/s",
        *(f"TTFT {p} ms" for p in PARTS),
        *(f"inter-token {p} ms" for p in PARTS),
    )
    for head in heads:
        shown.add_column(head, justify="right")
    for load in found.loads:
        firsts = [_cell(load.first_ms(part)) for part in PARTS.values()]
        gaps = [_cell(load.gap_ms(part)) for part in PARTS.values()]
        shown.add_row(str(load.callers), str(len(load.seen)), f"{load.tokens_s:.0f}", *firsts, *gaps)
    return shown


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def picture(found: Benched, path: Path) -> tuple[Path, ...]:
    """Time to first token and between tokens by callers, as PNG and SVG. DeployError: it cannot be written."""
    from remote import plots

    at = [load.callers for load in found.loads]
    series = [(f"TTFT {name}", [load.first_ms(PARTS[name]) for load in found.loads]) for name in ("p50", "p95")]
    series += [(f"inter-token {name}", [load.gap_ms(PARTS[name]) for load in found.loads]) for name in ("p50", "p95")]

    def paint(axes: Any) -> None:
        for number, (label, values) in enumerate(series):
            pairs = [(x, y) for x, y in zip(at, values, strict=True) if y]
            axes.plot([x for x, _ in pairs], [y for _, y in pairs], label=label, **plots.line(number))
        axes.set_yscale("log")
        axes.set_xticks(at, [str(x) for x in at])

    rates = ", ".join(f"{load.callers}: {load.tokens_s:.0f}" for load in found.loads)
    return plots.draw(
        path,
        paint,
        title=f"{found.service}: {found.asked.words} words in, {found.asked.tokens} tokens out",
        x="requests at once",
        y="ms",
        note=f"tokens/s by requests at once: {rates}",
    )
