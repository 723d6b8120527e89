"""`fab doctor`: everything that can be known about a stack, each thing a line that passes, warns or fails with its fix.

Nothing is changed and nothing is woken, but on request (`wake`). What cannot be looked at is a failing line of its own,
and hides nothing else. The lines are made in `remote/checks/`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from core.contract.documents import Outputs
from core.errors import DeployError, PilotlightError, SettingsError
from core.settings import Ec2Host, service_routes
from remote import stack_files
from remote.checks import Area, Check, Verdict, cloud, drift, failed, front_door, gpu, machine, passed, service
from remote.items.keys import FILES
from remote.items.keys import read as read_keys
from remote.machines import inventory
from remote.machines.inventory import Inventory
from remote.machines.lease_client import Inhibitor, LeaseClient
from remote.machines.transport import Machine
from remote.progress import Progress
from remote.stack_files import NotMade, StackFile
from remote.verbs import deploy, power, status, wanted
from remote.verbs.lease import Front
from remote.verbs.proof import Proof
from remote.verbs.status import Status
from remote.verbs.version import version

ANSWER_S: Final = 60.0  # an engine that is awake answers one token within this
Ask = Callable[[], Iterable[Check]]


@dataclass(frozen=True)
class Examination:
    """All lines, in the order of their areas."""

    checks: tuple[Check, ...]

    def count(self, verdict: Verdict) -> int:
        """How many ended so."""
        return sum(check.verdict is verdict for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """For `--json` (docs/json.md)."""
        counts = {name: self.count(verdict) for name, verdict in _COUNTED.items()}
        return {**counts, "checks": [check.as_dict() for check in self.checks]}

    def lines(self) -> Iterator[str]:
        """For people: a line a check, its fix below it, and the counts last."""
        width = max((len(check.name) for check in self.checks), default=0)
        for check in self.checks:
            first, *rest = check.said.splitlines() or [""]
            yield f"{check.verdict:<4}  {check.area:<10}  {check.name:<{width}}  {first}"
            yield from (f"      {line}" for line in rest)
            if check.fix:
                yield f"      fix: {check.fix}"
        yield ", ".join(f"{self.count(verdict)} {name}" for name, verdict in _COUNTED.items())


_COUNTED: Final = {"failures": Verdict.FAIL, "warnings": Verdict.WARN, "passed": Verdict.PASS}


def examine(stack: str, progress: Progress, *, identity: str = "", wake: bool = False) -> Examination:
    """Look at everything. DeployError: there is no such stack."""
    try:
        file = stack_files.find(stack)
    except (SettingsError, NotMade) as error:
        return Examination((failed(Area.STACK, "stack file", str(error), "Correct what it names."),))
    read = passed(Area.STACK, "stack file", f"{file.project}/stacks/Pulumi.{stack}.yaml is valid")
    versions = cloud.versions(cloud.pulumi_version(file), version().words)
    found = [read, versions, *Doctor(file, progress, identity).run(wake=wake)]
    order = list(Area)
    return Examination(tuple(sorted(found, key=lambda check: order.index(check.area))))


class Doctor:
    """One run of `fab doctor`, of a stack whose file is valid."""

    def __init__(self, file: StackFile, progress: Progress, identity: str = "") -> None:
        self._file, self._progress, self._identity = file, progress, identity
        self._stack = file.name

    def run(self, *, wake: bool) -> list[Check]:
        """All lines, in no order."""
        with ThreadPoolExecutor(2) as pool:
            previewed = pool.submit(self._guarded, Area.CLOUD, "preview", self._cloud)
            try:
                found = inventory.load(self._stack, identity=self._identity)
            except PilotlightError as error:
                fix = f"`pulumi up -s {self._stack}` makes what is missing."
                return [failed(Area.STACK, "outputs", str(error), fix), *previewed.result()]
            door = pool.submit(self._guarded, Area.FRONT_DOOR, "API", lambda: self._front_door(found))
            machines = self._machines(found, wake=wake)
            return [self._applied(found), *previewed.result(), *machines, *door.result()]

    @staticmethod
    def _guarded(
        area: Area, name: str, ask: Ask, fix: str = "Mend what it names, then `fab doctor` again."
    ) -> list[Check]:
        """The lines; what could not be looked at is one that fails."""
        try:
            return list(ask())
        except PilotlightError as error:
            return [failed(area, name, str(error), fix)]

    # ------------------------------------------------------------ from this computer
    def _cloud(self) -> Iterator[Check]:
        self._progress.say("asks Pulumi and the cloud (a preview; nothing is changed)")
        aws = isinstance(self._file.settings.host, Ec2Host)
        yield from cloud.checks(cloud.preview(self._file), self._stack, aws=aws)

    def _applied(self, found: Inventory) -> Check:
        try:
            deploy.require_applied(found)
        except DeployError as error:
            return failed(Area.STACK, "applied", str(error), f"`pulumi up -s {self._stack}`, then `fab deploy`.")
        return passed(Area.STACK, "applied", "`pulumi up` has applied the stack file's settings")

    def _front_door(self, found: Inventory) -> Iterator[Check]:
        name, address = found.settings.access.domain, found.outputs[Outputs.GATEWAY_ADDRESS]
        if name:
            yield front_door.domain(name, address, front_door.addresses(name))
            shown = front_door.certificate(name, address)
            yield from front_door.valid(shown, name, self._stack, time.time())
        yield front_door.api(front_door.ask(f"{found.api_url}/models"), found.api_url, self._stack)
        chat_url = found.outputs.get(Outputs.CHAT_URL, "")
        if chat_url and found.settings.chat_on == "gateway":  # one on the host may be asleep, and its page says so
            yield front_door.chat(front_door.ask(chat_url), chat_url, self._stack)

    # ------------------------------------------------------------ on machines
    def _machines(self, found: Inventory, *, wake: bool) -> list[Check]:
        gateway = Machine(found.gateway) if found.gateway else None
        host = Machine(found.host, gateway)
        front = gateway or host
        area = Area.GATEWAY if gateway else Area.HOST
        try:
            self._progress.say(f"looks at the {front.role}")
            reached = self._guarded(area, "SSH", lambda: _reach(front, area))
            if any(check.verdict is Verdict.FAIL for check in reached):
                return reached
            at = Front(found, LeaseClient(front))
            items = wanted.gateway(found) if gateway else wanted.host(found)
            items += wanted.chat(found, front.role)
            first = self._guarded(area, "facts", lambda: self._front(found, front, area, items))
            rest = self._guarded(Area.SERVICE, "lease", lambda: self._service(at, front, host, wake=wake))
            return [*reached, *first, *rest]
        finally:
            host.close()
            front.close()

    def _drift(self, found: Inventory, where: Machine, seen: machine.Look) -> Iterator[Check]:
        """Of one machine, what its stack file says and `pulumi up` does not apply to it."""
        settings, accepted = found.settings, machine.authorized_keys(where.where.user)
        host, gateway = settings.host, settings.gateway if seen.area is Area.GATEWAY else None
        if not isinstance(host, Ec2Host):
            return  # disk and keys of one's own machine are one's own business
        if not seen.examined.container:  # whose disk is this computer's
            wanted = gateway.disk_gib if gateway else host.disk_gib
            yield from drift.disk(seen.area, seen.examined.disks.get("/"), wanted, self._stack)
        yield drift.ssh_key(seen.area, seen.facts.texts.get(accepted, ""), host.ssh_public_key)

    def _on_host(self, found: Inventory, host: Machine, seen: machine.Look) -> Iterator[Check]:
        yield from machine.checks(seen, self._stack)
        yield from self._drift(found, host, seen)
        if any(engine.device == "gpu" for engine in found.settings.engines.values()):
            self._progress.say("launches a kernel on the GPU")
            yield from gpu.checks(*gpu.look(host), self._stack)

    def _front(self, found: Inventory, front: Machine, area: Area, items: Sequence[Any]) -> Iterator[Check]:
        seen = machine.look(front, area, items)
        if area is Area.HOST:
            yield from self._on_host(found, front, seen)
        else:
            yield from machine.checks(seen, self._stack)
            yield from self._drift(found, front, seen)
        if FILES.file in seen.facts.texts:
            yield from service.api_keys(read_keys(seen.facts), seen.examined.now, self._stack)

    def _service(self, at: Front, front: Machine, host: Machine, *, wake: bool) -> Iterator[Check]:
        """The lease, and the host; with `wake` it is on, and each service gives one real answer."""
        if not wake:
            yield from self._seen(at, host)
            return
        with Inhibitor(at.client, "fab doctor", self._progress.say) as inhibitor:
            power.wake(at, self._progress)
            inhibitor.take()
            yield from self._seen(at, host)
            yield from self._guarded(Area.FRONT_DOOR, "answer", lambda: self._answers(at, front, host))

    def _seen(self, at: Front, host: Machine) -> Iterator[Check]:
        seen = status.status(at)
        yield from service.lease(seen)
        yield from drift.machine(at.inventory.settings, seen.machine)
        if at.inventory.gateway is not None:  # else the host is the front, which was looked at
            yield from self._host(at.inventory, host, seen)

    def _host(self, found: Inventory, host: Machine, seen: Status) -> list[Check]:
        if why := service.off(seen):
            words = f"{why}: nothing on it was looked at; `fab doctor -s {self._stack} --wake` wakes it and looks"
            return [passed(Area.HOST, "power", words)]
        self._progress.say("looks at the host")
        reached = self._guarded(Area.HOST, "SSH", lambda: _reach(host, Area.HOST))
        if any(check.verdict is Verdict.FAIL for check in reached):
            return reached
        items = [*wanted.host(found), *wanted.chat(found, host.role)]
        looked = self._guarded(
            Area.HOST, "facts", lambda: self._on_host(found, host, machine.look(host, Area.HOST, items))
        )
        return [*reached, *looked]

    def _answers(self, at: Front, front: Machine, host: Machine) -> Iterator[Check]:
        routes = {each.name: each.shaping is not None for each in service_routes(at.inventory.settings)}
        proof = Proof(host, front, at.client, tuple(at.inventory.settings.engines), routes, ANSWER_S, self._progress)
        proof.answers()
        yield passed(Area.FRONT_DOOR, "answer", f"every service answered a real completion: {', '.join(routes)}")


def _reach(where: Machine, area: Area) -> Iterator[Check]:
    where.connect()
    yield passed(area, "SSH", f"{where.where.address} accepts our key, and shows the host key that it always had")
