"""Proof that a deployment serves: the lease is RUNNING and every service answers one token through the front door.

While it waits it watches the engines' units, so that a failed one is told with its journal at once.
"""

from __future__ import annotations

import json
import shlex
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core.codes import ErrorCode
from core.contract import dialects
from core.contract.network import API_LOCAL_PORT, CHECK_KEY, WEBUI_TASK_HEADER
from core.contract.paths import AGENT_UNIT, ENGINE_UNIT, HAPROXY_SOCKET, KEYS_MAP
from core.errors import DeployError
from core.lease import State
from remote.machines.facts import Query, UnitFact
from remote.machines.lease_client import Answer, LeaseClient
from remote.machines.transport import Machine
from remote.progress import Progress

ASK: Final = Path(__file__).parents[1] / "scripts" / "ask.py"
WATCH_S: Final = 2.0
RESTARTS_MAX: Final = 2  # an engine that systemd restarted more often during this wait will not come up
JOURNAL_LINES: Final = 30
REFUSED: Final = "400 "


def question(service: str, shaped: bool) -> tuple[str, dict[str, Any], dict[str, str]]:
    """(path, body, headers) that show whether a service answers.

    A plain one is asked to complete, which models without a chat template can. A shaped one answers chats alone: a
    background call, so that neither its template nor its schema is in the way of one token (docs/services.md).
    """
    body = {"model": service, "max_tokens": 1, "temperature": 0}
    if not shaped:
        return dialects.COMPLETIONS, {**body, "prompt": "Hello"}, {}
    chat = {**body, "messages": [{"role": "user", "content": "Hello"}]}
    return dialects.CHAT, chat, {WEBUI_TASK_HEADER: CHECK_KEY}


@dataclass(frozen=True)
class Proof:
    """What to watch and where. `front` is the machine with HAProxy, `client` reads the lease."""

    host: Machine
    front: Machine
    client: LeaseClient
    engines: Sequence[str]
    services: Mapping[str, bool]  # name → whether it is shaped
    timeout_s: float
    progress: Progress

    def until_running(self) -> Answer:
        """Wait for RUNNING; returns the lease. DeployError with the cause where it does not come."""
        before = self._restarts(self._units())
        waiting: Future[Answer] = Future()
        # a thread of its own that nobody joins: a failed unit is told at once, not when the waiting ends
        threading.Thread(target=self._wait, args=(waiting,), daemon=True).start()
        with self.progress.during("host     engines start; the agent proves them with one real answer"):
            self._watch(waiting, before)
        answer = waiting.result()
        if answer.state is not State.RUNNING:
            reason = answer.lease.reason if answer.lease else ""
            raise DeployError(
                f"The host did not get ready: its lease is {answer.state} ({reason}). "
                "`fab logs -s STACK` shows what the engine and the agent said."
            )
        return answer

    def _wait(self, waiting: Future[Answer]) -> None:
        wait = ("wait", "--until", "RUNNING", "FAILED", "--timeout", str(self.timeout_s))
        try:
            waiting.set_result(self.client.call(*wait, timeout_s=self.timeout_s + 30))
        except Exception as error:  # noqa: BLE001
            # whatever it is, the one who waits for the future gets it
            waiting.set_exception(error)

    def _watch(self, waiting: Future[Answer], before: Mapping[str, int]) -> None:
        while not waiting.done():
            self.check(before)
            time.sleep(WATCH_S)

    def check(self, before: Mapping[str, int]) -> None:
        """DeployError with the journal's last lines for a unit that failed or keeps restarting."""
        for name, unit in self._units().items():
            again = unit.restarts - before.get(name, 0)
            if unit.active == "failed" or again > RESTARTS_MAX:
                how = "failed" if unit.active == "failed" else f"ended and was restarted {again} times"
                raise DeployError(
                    f"host: {name} {how}. Its last start said:\n{self._journal(name)}\n"
                    "Mend the engine's settings in the stack file (pilotlight:engines), then run `fab deploy` again; "
                    "`fab logs` shows more."
                )

    def _units(self) -> Mapping[str, UnitFact]:
        names = tuple(ENGINE_UNIT.format(name=n) for n in self.engines)
        return self.host.facts(Query(units=(*names, AGENT_UNIT))).units

    @staticmethod
    def _restarts(units: Mapping[str, UnitFact]) -> dict[str, int]:
        return {name: unit.restarts for name, unit in units.items()}

    def _journal(self, unit: str) -> str:
        """The last lines of the last start: what it printed, and what systemd says of it."""
        script = (
            f"i=$(systemctl show -P InvocationID {shlex.quote(unit)}); journalctl -n {JOURNAL_LINES} --no-pager -o cat "
            '_SYSTEMD_INVOCATION_ID="$i" + INVOCATION_ID="$i"'
        )
        return self.host.run(script).out.rstrip()

    def answers(self) -> None:
        """Every service answers one token through the front door; else DeployError with the last answers."""
        before = self._restarts(self._units())
        deadline = time.monotonic() + self.timeout_s
        with self.progress.during("gateway  asks every service for one token"):
            while True:
                wrong = {name: said for name, said in self._ask().items() if said}
                if not wrong:
                    return
                self.check(before)
                refused = any(said.startswith(REFUSED) for said in wrong.values())  # the same again would be, too
                if refused or time.monotonic() > deadline:
                    text = "\n".join(f"{name}: {said}" for name, said in wrong.items())
                    raise DeployError(f"Not every service answers through the gateway:\n{text}")
                time.sleep(WATCH_S)

    def _ask(self) -> dict[str, str]:
        requests = json.dumps([question(name, shaped) for name, shaped in self.services.items()])
        command = shlex.join([HAPROXY_SOCKET, KEYS_MAP, CHECK_KEY, str(API_LOCAL_PORT), requests])
        timeout_s = 40.0 * len(self.services) + 10
        out = self.front.must(
            f"python3 - {command}",
            stdin=ASK.read_bytes(),
            timeout_s=timeout_s,
            failure="the services could not be asked",
        )
        said: dict[str, str] = json.loads(out)
        # a filter that refuses the word has done its work; the engine behind it is proved already (`until_running`)
        return {name: "" if ErrorCode.INPUT_REFUSED in words else words for name, words in said.items()}
