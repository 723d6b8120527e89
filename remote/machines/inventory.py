"""The inventory: a stack's machines and what they should serve, from Pulumi's outputs and the stack file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from core import settings
from core.contract.documents import (
    SCHEMA_VERSION,
    EngineAddress,
    HostConfig,
    Outputs,
    Place,
    ReaperConfig,
    RelayConfig,
    RelayUnit,
    ServiceRoute,
    Shape,
    UnitSettings,
)
from core.contract.paths import LEASES_FILE
from core.engines.serve import EngineSpec
from core.errors import DeployError
from core.money.prices import PriceUnknown
from core.settings import StackSettings, shape
from remote import paths, stack_files
from remote.machines.transport import Address
from remote.services import webui
from remote.services.webui import Page
from remote.stack_files import NotMade, StackFile

OUTPUTS_TIMEOUT_S: Final = 60
LOOPBACK: Final = "127.0.0.1"


def _no_secret(name: str) -> str:
    raise DeployError(f"The output {name} cannot be read here.")


@dataclass(frozen=True)
class OwnMachine:
    """What only a machine of one's own is given: the reaper's documents."""

    reaper: ReaperConfig
    settings: UnitSettings


@dataclass(frozen=True)
class Inventory:
    """All that deploying needs to know. `gateway` is None where HAProxy and relay run on the host."""

    stack: str
    settings: StackSettings
    outputs: Mapping[str, str]
    host: Address
    gateway: Address | None
    secret: Callable[[str], str] = field(default=_no_secret, repr=False)  # a secret output's value, by its name

    @property
    def api_url(self) -> str:
        """Where callers find the API."""
        return self.outputs[Outputs.API_URL]

    @property
    def unit(self) -> str:
        """The lease's pk."""
        return self.outputs[Outputs.UNIT]

    @property
    def volume_id(self) -> str:
        """The EBS volume with what outlives the gateway; "": that is on a root disk."""
        return self.outputs.get(Outputs.GATEWAY_VOLUME_ID, "") if self.gateway else ""

    @property
    def page(self) -> Page | None:
        """The chat page, or None where the stack has none (it needs a gateway)."""
        return webui.page(self.settings, self.outputs) if self.gateway else None

    def specs(self) -> tuple[EngineSpec, ...]:
        """The engines, each with the names of its services too: callers' `model` reaches vLLM unchanged."""
        bind = "0.0.0.0" if self.gateway else LOOPBACK  # only the gateway reaches it (security group)
        return tuple(
            EngineSpec(
                name=name,
                port=self.settings.engine_port(name),
                names=self._served(name),
                model=engine.model,
                max_model_len=engine.max_model_len,
                device=engine.device,
                dtype=settings.dtype(self.settings, name),
                quantization=engine.quantization,
                flags=tuple(engine.flags.items()),
                where=f"{settings.stack_file(self.stack)}: pilotlight:engines.{name}.model",
                bind=bind,
                profile=engine.profile,
                gpus=engine.gpus,
            )
            for name, engine in self.settings.engines.items()
        )

    def _served(self, engine: str) -> tuple[str, ...]:
        """The names that vLLM takes as `model`. It answers with the first, whichever was asked for (`model_name` in
        vllm/entrypoints/openai/models/serving.py, 0.32.0): the service's, or with several the engine's own.

        Only our code in the way of each answer could say more, and no code of ours touches awake traffic.
        """
        services = [s for s, v in self.settings.services.items() if v.engine == engine]
        return tuple(dict.fromkeys((*services, engine) if len(services) == 1 else (engine, *services)))

    def engines(self, address: str) -> tuple[EngineAddress, ...]:
        """The engines at `address`: the host's private IP for the gateway, loopback on the host itself."""
        named = self.settings.engines.items()
        return tuple(EngineAddress(n, address, self.settings.engine_port(n), e.max_model_len) for n, e in named)

    def services(self) -> tuple[ServiceRoute, ...]:
        """What callers name, and who answers."""
        return settings.service_routes(self.settings)

    def host_config(self) -> HostConfig:
        """agent.json."""
        return HostConfig(
            schema_version=SCHEMA_VERSION,
            stack=self.stack,
            unit=self.unit,
            place=self._place(),
            instance_id=self.outputs[Outputs.HOST_INSTANCE_ID],
            engines=self.engines(LOOPBACK),
            max_silence_s=self.settings.idle.max_silence,
            stays_on=self.settings.own_machine,
        )

    @property
    def own_machine(self) -> OwnMachine | None:
        """What a machine of one's own is given beside; None for another kind."""
        if not self.settings.own_machine:
            return None
        unit = settings.unit_settings(
            self.settings, instance_id=self.outputs[Outputs.HOST_INSTANCE_ID], alerts_topic_arn=""
        )
        return OwnMachine(ReaperConfig(SCHEMA_VERSION, self._place()), unit)

    @property
    def callers(self) -> tuple[str, ...] | None:
        """Whose connections HAProxy itself lets in; None where a security group does."""
        return self.settings.access.cidrs if self.settings.own_machine else None

    def relay_config(self) -> RelayConfig:
        """relay.json."""
        address = self.outputs[Outputs.HOST_PRIVATE_IP] if self.gateway else LOOPBACK
        unit = RelayUnit(
            self.unit,
            self._place(reaper=self.outputs.get(Outputs.REAPER, "")),
            self.outputs[Outputs.HOST_INSTANCE_ID],
            self.engines(address),
            self.services(),
            self.settings.idle.start_timeout,
            self._shape(),
        )
        return RelayConfig(
            schema_version=SCHEMA_VERSION,
            stack=self.stack,
            units=(unit,),
            queue_timeout_s=self.settings.queue_timeout,
            queue_max=self.settings.queue_max,
            wakes=self.gateway is not None or self.settings.own_machine,
            chat_url=self.outputs.get(Outputs.CHAT_URL, ""),
        )

    def _place(self, reaper: str = "") -> Place:
        kind = self.settings.host.kind
        if self.settings.own_machine:
            return Place(kind, table=LEASES_FILE, control=self.unit)
        return Place(kind, self.outputs[Outputs.REGION], self.outputs[Outputs.TABLE], reaper=reaper)

    def _shape(self) -> Shape | None:
        try:
            return shape(self.settings)
        except PriceUnknown:
            return None


def load(stack: str, *, identity: str = "") -> Inventory:
    """The inventory of a stack; `identity` is a private key file that wins over all others.

    Raises:
        DeployError: unknown stack, no outputs, no Pulumi, no such key; each with the next command.
    """
    file = stack_files.find(stack)
    key = str(paths.typed(identity)) if identity else file.ssh_key
    if key and not Path(key).is_file():
        raise DeployError(f"There is no private key {key}. Give one that is there: `--identity FILE`.")
    return replace(build(file, outputs(file), key), secret=partial(_secret, file))


def build(file: StackFile, found: Mapping[str, str], key: str) -> Inventory:
    """The inventory from settings and outputs. Pure."""
    own_machine = file.settings.own_machine
    needed = _NEEDED if own_machine else (*_NEEDED, *_NEEDED_OF_AWS)
    if not any(found.get(name) for name in needed):
        raise _not_made(file)
    missing = [name for name in needed if not found.get(name)]
    if missing:
        raise DeployError(
            f"The stack `{file.name}` has no outputs {', '.join(missing)}. Make its machines first: `{_up(file)}`."
        )
    user = found[Outputs.SSH_USER]
    gateway_id = found.get(Outputs.GATEWAY_INSTANCE_ID, "")
    front = found[Outputs.GATEWAY_ADDRESS]
    own = file.settings.cloud != "embedded"
    gateway = Address("gateway", gateway_id, front, user, key, file.pins, own, file.name) if gateway_id else None
    reach = found[Outputs.HOST_PRIVATE_IP] if gateway else front
    host = Address(
        "host", found[Outputs.HOST_INSTANCE_ID], reach, user, key, file.pins, own, file.name, theirs=own_machine
    )
    return Inventory(file.name, file.settings, found, host, gateway)


_NEEDED: Final = (
    Outputs.UNIT,
    Outputs.HOST_INSTANCE_ID,
    Outputs.GATEWAY_ADDRESS,
    Outputs.API_URL,
    Outputs.SSH_USER,
)
_NEEDED_OF_AWS: Final = (Outputs.REGION, Outputs.TABLE, Outputs.REAPER, Outputs.HOST_PRIVATE_IP)


def outputs(file: StackFile) -> dict[str, str]:
    """`pulumi stack output --json`, in the stack's own environment."""
    said = _pulumi_output(file, "--json")
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in json.loads(said).items()}


def _secret(file: StackFile, name: str) -> str:
    """One output in the clear."""
    return str(json.loads(_pulumi_output(file, "--json", "--show-secrets"))[name])


def _pulumi_output(file: StackFile, *options: str) -> str:
    program = shutil.which("pulumi", path=file.environment.get("PATH"))
    if program is None:
        raise DeployError(
            "`pulumi` is not on PATH, and the stack's outputs come from it. `make setup` brings it and says where."
        )
    command = [program, "stack", "output", *options, "--non-interactive", "-s", file.name]
    environment = dict(file.environment) | {"PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        done = subprocess.run(
            command,
            cwd=file.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=OUTPUTS_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise DeployError(
            f"`{' '.join(command)}` did not answer within {OUTPUTS_TIMEOUT_S} s in {file.project}."
        ) from error
    if done.returncode != 0:
        raise _no_outputs(file, done.stderr.strip() or done.stdout.strip())
    return done.stdout


def _not_made(file: StackFile) -> NotMade:
    return NotMade(f"The stack `{file.name}` has not been made yet. Run `{_up(file)}`.")


def _no_outputs(file: StackFile, said: str) -> DeployError:
    if "no stack named" in said:
        return _not_made(file)
    last = "\n".join(said.splitlines()[-5:])
    advice = next((what for pattern, what in _ADVICE if re.search(pattern, said)), "")
    return DeployError(f"Pulumi did not tell the outputs of `{file.name}`:\n{last}" + (f"\n{advice}" if advice else ""))


PASSPHRASE_FILE: Final = "PULUMI_CONFIG_PASSPHRASE_FILE"
_ADVICE: Final = (  # the first whose pattern is in Pulumi's words
    (
        "passphrase must be set",
        "The stack's secrets are encrypted with the passphrase of `pulumi stack init`. Put it into a file that only "
        f"you read, and say where it is: `export {PASSPHRASE_FILE}=FILE`, then run the command again.",
    ),
    (
        f"unable to read {PASSPHRASE_FILE}",
        f"{PASSPHRASE_FILE} names a file that cannot be read. `export {PASSPHRASE_FILE}=FILE` names another.",
    ),
    (
        "incorrect passphrase",
        f"It is not the passphrase of this stack's `pulumi stack init`. `export {PASSPHRASE_FILE}=FILE` names the file "
        "with the right one; PULUMI_CONFIG_PASSPHRASE, where it is set, wins.",
    ),
    (
        "PULUMI_ACCESS_TOKEN|pulumi login|not logged in",
        "Say where the stack's state is: `pulumi login`, `pulumi login --local`, or `pulumi login s3://BUCKET`.",
    ),
)


def _up(file: StackFile) -> str:
    return "make demo" if file.settings.cloud == "embedded" else f"pulumi up -s {file.name}"
