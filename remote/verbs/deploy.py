"""`fab deploy`: facts of both machines at once, plans, only the difference, under an inhibitor, and proof at the end.

The order: gateway and host work at the same time. A host that has been deployed before is touched only under an
inhibitor; on a first deployment nothing can stop it before its agent starts, so only the agent waits for the inhibitor,
which needs the gateway's part (the lease is written over there). Where the host is off or does not answer and the
gateway's lease client is not as wanted, the gateway's part goes first, and the lease is asked after it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Final

from core.contract.documents import ApiKeys, Outputs
from core.contract.paths import AGENT_UNIT, LEASE_CLIENT_APP, RELAY_CONFIG, RELAY_VENV
from core.errors import DeployError, PilotlightError
from core.lease import State
from core.settings import digest, service_routes
from remote import diff, engines_fit, plan
from remote.apply import apply
from remote.items import Item
from remote.items.files import File, Tree
from remote.items.keys import read as read_keys
from remote.items.venvs import Venv
from remote.machines.facts import Facts, Query
from remote.machines.inventory import Inventory
from remote.machines.lease_client import Answer, Inhibitor, LeaseClient
from remote.machines.transport import Machine, Unreachable
from remote.plan import Step
from remote.progress import Progress
from remote.services import keys, sign_on, webui
from remote.verbs import wanted
from remote.verbs.deploy_report import Options, Report
from remote.verbs.proof import Proof
from remote.verbs.wake import DOWN, NotStarted, reach, wake

BOOT_S: Final = 90.0  # a machine that `pulumi up` just made, or that was just started, has so long to answer
KNOWN_S: Final = 5.0
OFF: Final = (*DOWN, State.STARTING)
FIRST_START_S: Final = 900.0  # a first start compiles byte code and graphs


@dataclass(frozen=True)
class Side:
    """One machine with what it should have, what it has, and the difference."""

    machine: Machine
    items: Sequence[Item]
    facts: Facts
    steps: tuple[Step, ...]
    chat: tuple[Step, ...] = ()  # those of the chat page, which nothing else waits for

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """In the order in which they are made."""
        return (*self.steps, *self.chat)


class Deployment:
    """One run of `fab deploy`."""

    def __init__(self, inventory: Inventory, options: Options, progress: Progress) -> None:
        self.inventory, self.options, self.progress = inventory, options, progress
        self.gateway = Machine(inventory.gateway) if inventory.gateway else None
        self.host = Machine(inventory.host, self.gateway)
        self.front = self.gateway or self.host
        self.client = LeaseClient(self.front)
        self.inhibitor = Inhibitor(self.client, "fab deploy", self.progress.say)
        self._holding = threading.Lock()
        self.report = Report(inventory.stack, inventory.api_url, chat_url=inventory.outputs.get(Outputs.CHAT_URL, ""))
        self.account: webui.Account | None = None

    def run(self) -> Report:
        """Deploy, or with --plan only show.

        Raises:
            DeployError: with the machine, the thing and the next command.
            SettingsError: the engines do not fit the host's GPUs.
        """
        engines_fit.check(self.inventory.settings)
        try:
            with self.inhibitor:
                self._run()
        finally:
            self.host.close()
            if self.gateway:
                self.gateway.close()
        self.report.took_s = round(self.progress.seconds, 2)
        return self.report

    def _run(self) -> None:
        require_applied(self.inventory)
        with ThreadPoolExecutor(3) as pool:
            front = pool.submit(self._look, self.front, self._front_items(), self._patience_s())
            lease = pool.submit(self._lease, front)
            back = pool.submit(self._look_at_host, lease.result) if self.gateway else front
            front_side, seen, host_side = front.result(), lease.result(), back.result()
        if host_side is None and self._gateway_goes_first(front_side, seen):
            front_side, seen, host_side = self._gateway_first(front_side)
        if host_side is None and self.options.plan:
            return self._gateway_alone(front_side, seen)
        host_side = host_side or self._woken(seen)
        front_side, host_side = self._with_secrets(front_side, host_side)
        sides = [front_side, host_side] if self.gateway else [host_side]
        self.report.changes += _changes(sides)
        if self.options.plan:
            return self._show(sides)
        changed = bool(self.report.changes)
        if changed:
            self._change(front_side, host_side)
        self._key(front_side)
        self._prove(seen, changed=changed)
        return None

    # ------------------------------------------------------------ looking
    def _front_items(self) -> list[Item]:
        return wanted.gateway(self.inventory) if self.gateway else wanted.host(self.inventory)

    def _patience_s(self) -> float:
        """A machine that nobody has met yet may still be booting; one that we know should answer at once."""
        return KNOWN_S if self.front.known else BOOT_S

    def _look(self, machine: Machine, items: Sequence[Item], patience_s: float) -> Side:
        machine.connect(
            patience_s, lambda: self.progress.say(f"{machine.role:<8} waits for SSH (up to {patience_s:.0f} s)")
        )
        chat = wanted.chat(self.inventory, machine.role)
        asked = Query.union([plan.query([*items, *chat]), webui.QUERY, Query(units=(AGENT_UNIT,))])
        found = machine.facts(asked)
        if machine is self.front and not self.options.plan and self._mount(found):
            found = machine.facts(asked)
        return Side(machine, [*items, *chat], found, plan.plan(items, found), plan.plan(chat, found))

    def _mount(self, found: Facts) -> bool:
        """The gateway's data volume is mounted after this; whether anything was done for it."""
        steps = plan.plan(wanted.data(self.inventory), found)
        apply(self.front, steps, found, self.progress)
        self.report.changes += [f"{self.front.role}: {step.text}" for step in steps]
        return bool(steps)

    def _with_secrets(self, front: Side, back: Side) -> tuple[Side, Side]:
        """The sides with what makes the chat page's key and first account, where these are missing."""
        page, where = self.inventory.page, self.inventory.settings.chat_on
        on = front if where == "gateway" else back
        if page is None:
            return front, back
        client_secret, needed = self._client_secret(), webui.secrets_needed(front.facts, on.facts)
        if not needed and not webui.sign_on_differs(page, on.facts, client_secret):
            return front, back
        has_password = Outputs.WEBUI_PASSWORD in self.inventory.outputs and not self.options.plan
        password = self.inventory.secret(Outputs.WEBUI_PASSWORD) if has_password else ""
        why = webui.STRANGER if needed else webui.OTHER_SECRET
        self._tell_redirect()
        made = webui.make_secrets(page, on.facts, password, client_secret or "", why)
        self.account = made.account
        front = replace(front, chat=(*front.chat, *made.on_front)) if where == "host" else front
        added = made.on_page if where == "host" else (*made.on_front, *made.on_page)
        on = replace(on, chat=webui.before_unit(on.chat, on.items, added))
        return (on, back) if where == "gateway" else (front, on)

    def _tell_redirect(self) -> None:
        if url := sign_on.redirect_url(self.inventory.settings):
            self.report.redirect_url = url
            self.progress.say(
                f"Chat page: the provider of single sign-on sends people back to {url}; register it there"
            )

    def _client_secret(self) -> str | None:
        """Single sign-on's secret, "" without; None where it is not to be read. DeployError: `up` did not give it."""
        if self.inventory.settings.webui.oidc is None:
            return ""
        if Outputs.WEBUI_OIDC_SECRET not in self.inventory.outputs:
            raise DeployError(
                f"The stack `{self.inventory.stack}` has no output {Outputs.WEBUI_OIDC_SECRET}, which is "
                "pilotlight:webui.oidc.clientSecret as `pulumi up` hands it over. Run "
                f"`pulumi up -s {self.inventory.stack}`, then deploy again."
            )
        return None if self.options.plan else self.inventory.secret(Outputs.WEBUI_OIDC_SECRET)

    def _lease(self, front: Future[Side]) -> Answer | None:
        """The lease as the gateway sees it; None where it cannot tell before its part is applied."""
        self.front.connect(self._patience_s())
        if self.front.run(f"test -x {RELAY_VENV}/bin/python && test -e {RELAY_CONFIG}").code != 0:
            return None
        try:
            return self.client.show()
        except DeployError:
            if _lease_ready(front.result()):
                raise
            return None  # the gateway's part is being renewed; what it says counts after that

    def _look_at_host(self, lease: Callable[[], Answer | None]) -> Side | None:
        """The host's side, or None where it is off, or does not answer and nobody can tell whether it is off."""
        self.front.connect(self._patience_s())
        items = wanted.host(self.inventory)
        try:
            return self._look(self.host, items, 0.0)
        except Unreachable:
            seen = lease()
            if seen and not _off(seen):  # deployed before, and it should be up
                raise
            if seen or self.host.known:
                return None
        try:
            return self._look(self.host, items, BOOT_S)
        except Unreachable:
            return None

    def _gateway_goes_first(self, front: Side, seen: Answer | None) -> bool:
        """Of a host that is off or does not answer: the lease client that this needs comes with the gateway's part."""
        if self.options.plan:
            return False
        return seen is None or not _lease_ready(front)

    def _gateway_first(self, front: Side) -> tuple[Side, Answer, Side | None]:
        """Apply the gateway's part; then its side, the lease and the host's side (None: it is off) as they are now."""
        self.progress.say("host     is off or does not answer: the gateway's part, with the lease client, goes first")
        self.report.changes += _changes([replace(front, chat=())])
        apply(front.machine, front.steps, front.facts, self.progress)
        seen = self.client.show()
        return self._look(front.machine, self._front_items(), 0.0), seen, self._look_at_host(lambda: seen)

    def _gateway_alone(self, front: Side, seen: Answer | None) -> None:
        """The host is off and stays off, or does not answer: a plan shows the gateway's part."""
        self._say_off(seen)
        self.report.host_read = False
        self.report.lease = str(seen.state) if seen else ""
        if self.inventory.settings.chat_on == "gateway":
            front, _ = self._with_secrets(front, front)  # the page's secrets are between it and the gateway
        self.report.changes = _changes([front])
        self._show([front])
        if seen:
            self.progress.say("host     would be woken first; what it would change is known only then")

    def _say_off(self, seen: Answer | None) -> None:
        reason = seen.lease.reason if seen and seen.lease else ""
        off = (
            f"is off ({seen.state}: {reason})" if seen else "does not answer; the gateway cannot tell yet if it is off"
        )
        self.progress.say(f"host     {off}")

    def _woken(self, seen: Answer | None) -> Side:
        """Wake the host and look at it."""
        self._say_off(seen)
        self._inhibit()
        self._up(lambda: reach(self.host, self.client))
        return self._look(self.host, wanted.host(self.inventory), 0.0)

    def _show(self, sides: Sequence[Side]) -> None:
        """Each step, and what it would change in files; what is in them is asked for now."""
        for side in sides:
            asked = diff.query(side.all_steps)
            found = side.machine.facts(asked) if asked != Query() else Facts()
            for step in side.all_steps:
                self.progress.say(f"{side.machine.role:<8} would change {step.text}")
                if lines := diff.lines(step, side.facts, found):
                    self.progress.print("\n".join(lines))
                    self.report.diffs.append({"machine": side.machine.role, "what": step.item.label, "lines": lines})

    # ------------------------------------------------------------ changing
    def _inhibit(self) -> None:
        """The hold stands after this, and the host is up: one that went off meanwhile is woken again."""
        with self._holding:
            if self.inhibitor.taken:
                return
            self.client.call("create")
            if self.inhibitor.take().state not in DOWN:
                return
            with self.progress.during("host     wakes"):
                self._up(self._wake)

    def _wake(self) -> None:
        wake(self.client, "fab deploy", self.progress)
        self.host.close()
        reach(self.host, self.client)

    @staticmethod
    def _up(ask: Callable[[], None]) -> None:
        """The host is up and answers after `ask`. DeployError: it was refused, with the cloud's words."""
        try:
            ask()
        except NotStarted as error:
            raise DeployError(
                f"{error} Nothing was changed on it. Run `fab deploy` again later; `fab status` shows what is tried "
                "meanwhile."
            ) from error

    def _change(self, front: Side, back: Side) -> None:
        first = AGENT_UNIT not in back.facts.units or back.facts.units[AGENT_UNIT].load != "loaded"
        if _lease_ready(front):
            self._inhibit()
        if self.gateway is None:
            apply(self.host, back.all_steps, back.facts, self.progress, before_agent=self._inhibit)
            return
        self._tell_account()
        with ThreadPoolExecutor(3) as pool:
            gateway = pool.submit(apply, front.machine, front.steps, front.facts, self.progress)
            chat = pool.submit(self._change_chat, front, gateway)
            host = pool.submit(self._change_host, back, gateway, first)
            try:
                wait((gateway, chat, host))
            except KeyboardInterrupt:
                self._hang_up()
                raise
        _raise_failures(gateway, host, chat)

    def _hang_up(self) -> None:
        """The threads end now and not with their steps, which may pull an image: what they use is closed. A fresh
        connection releases the inhibitor.
        """
        self.host.close()
        self.front.close()
        self.gateway = self.front = Machine(self.front.where)
        self.inhibitor.through(LeaseClient(self.front))
        try:
            self.front.connect()
        except Unreachable as error:  # the inhibitor says that it was not released, and when it ends
            self.progress.say(str(error))

    def _change_chat(self, front: Side, gateway: Future[None]) -> None:
        gateway.result()  # the page's key is given to the HAProxy that runs
        apply(front.machine, front.chat, front.facts, self.progress)

    def _tell_account(self) -> None:
        """Before it is made: what follows may fail, and the password is nowhere else but on the machine."""
        if self.account is None:
            return
        self.report.admin_email = self.account.email
        if not self.account.password:
            self.progress.say(f"Chat page: the first account is {self.account.email}, with the stack's own password")
        elif self.options.password_file:
            keys.write(self.account.password, self.options.password_file)
            self.report.admin_password_file = str(self.options.password_file)
            self.progress.say(
                f"Chat page: the first account is {self.account.email}, its password in {self.options.password_file}"
            )
        else:
            self.report.admin_password = self.account.password
            self.progress.say(
                f"Chat page: the first account is {self.account.email}, its password, shown this once: "
                f"{self.account.password}"
            )

    def _change_host(self, back: Side, gateway: Future[None], first: bool) -> None:
        def inhibited() -> None:
            gateway.result()  # the lease is written over there
            self._inhibit()

        if not first:
            inhibited()
        apply(self.host, back.all_steps, back.facts, self.progress, before_agent=inhibited)

    def _key(self, front: Side) -> None:
        """A key for people where they have none, or where the named file holds none that works."""
        if not self.report.changes and not self._needs_key(read_keys(front.facts)):
            return
        there = keys.Keys(front.machine)
        # read again: this also tells a HAProxy that was reloaded meanwhile what other people changed during that
        if not self._needs_key(there.read().keys):
            return
        key = there.add_next()
        self.report.changes.append(f"{front.machine.role}: API key {key.name}: new")
        if self.options.key_file:
            keys.write(key.secret, self.options.key_file)
            self.report.key_file = str(self.options.key_file)
        else:
            self.report.api_key = key.secret
            self.progress.say(f"API key {key.name}, shown this once: {key.secret}")

    def _needs_key(self, there: ApiKeys) -> bool:
        return keys.needed(there, self.options.key_file, time.time())

    # ------------------------------------------------------------ proving
    def _prove(self, seen: Answer | None, *, changed: bool) -> None:
        if not changed and seen and seen.state is State.RUNNING:
            self.report.lease = "RUNNING"
            return
        self._inhibit()
        proof = Proof(
            host=self.host,
            front=self.front,
            client=self.client,
            engines=tuple(self.inventory.settings.engines),
            services={s.name: s.shaping is not None for s in service_routes(self.inventory.settings)},
            timeout_s=max(FIRST_START_S, self.inventory.settings.idle.start_timeout),
            progress=self.progress,
        )
        self.report.lease = str(proof.until_running().state)
        proof.answers()


def require_applied(inventory: Inventory) -> None:
    """DeployError where the stack file says something for `pulumi up` that it has not applied: machines and settings
    would not fit together.
    """
    if inventory.outputs.get(Outputs.SETTINGS_DIGEST) == digest(inventory.settings):
        return
    name, embedded = inventory.stack, inventory.settings.cloud == "embedded"
    up = f"fab cloud.pulumi --stack {name} --args 'up --yes'" if embedded else f"pulumi up -s {name}"
    raise DeployError(
        f"The stack file is newer than the stack `{name}`: run `{up}`, then `fab deploy` again. Nothing was changed. "
        "docs/settings.md says which settings `pulumi up` applies."
    )


def _raise_failures(*work: Future[None]) -> None:
    """Raise what went wrong; where several things did, one DeployError tells all of them."""
    failures = list(dict.fromkeys(failure for each in work if (failure := each.exception())))
    if len(failures) > 1 and all(isinstance(failure, PilotlightError) for failure in failures):
        raise DeployError("\n".join(map(str, failures))) from failures[0]
    for failure in failures:
        raise failure


def _changes(sides: Sequence[Side]) -> list[str]:
    """Every step in words, with its machine."""
    return [f"{side.machine.role}: {step.text}" for side in sides for step in side.all_steps]


def _off(seen: Answer | None) -> bool:
    return seen is not None and (seen.state in OFF or seen.machine.state in ("stopped", "stopping"))


def _lease_ready(front: Side) -> bool:
    """The gateway's lease client is as wanted already: the lease can be written before anything changes."""
    return not any(
        isinstance(step.item, File | Tree | Venv) and step.item.path in (LEASE_CLIENT_APP, RELAY_VENV, RELAY_CONFIG)
        for step in front.steps
    )
