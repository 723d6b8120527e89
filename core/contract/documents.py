"""The JSON that deploy time hands to run time, the stack's outputs, and the reaper's event and environment.

To hand a new value to a machine: add a field to the dataclass below, raise `SCHEMA_VERSION` if old readers would
misunderstand it, and fill it where the document is written.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self

from core.contract.intervals import DRAIN_EXTRA_S
from core.contract.network import RELAY_PORTS
from core.contract.shaping import Filter, ServiceShape
from core.errors import ContractError

SCHEMA_VERSION: Final = 1
# ---------------------------------------------------------------- the reaper's event (JSON object) and environment
EVENT_SCHEDULED_AT: Final = "scheduled_at"  # ISO 8601, UTC; EventBridge Scheduler fills it in
EVENT_UNIT: Final = "unit"  # the relay names the one unit that it wants looked at
REAPER_ENV_TABLE: Final = "TABLE"
REAPER_ENV_DEPLOYMENT: Final = "DEPLOYMENT_ID"  # of the control's stack: what TAG_CONTROL says on its machines
REAPER_ENV_TOPIC: Final = "ALERTS_TOPIC"  # the control's own, for what is no readable unit's
REAPER_ENV_PLAIN: Final = "PLAIN_INSTANCES"  # there, and "on", where plain instances are looked after
REAPER_HANDLER: Final = "runtime.reaper.lambda_handler.handler"
# ---------------------------------------------------------------- the notifier (Lambda): queues → webhooks
# Its parameter is a JSON text: {"key": hex, "webhooks": {"<queue's ARN>": {"url": "https://…", "format": "json"}}}
NOTIFIER_ENV_WEBHOOKS: Final = "WEBHOOKS_PARAMETER"  # name of the SSM parameter (SecureString)
NOTIFIER_HANDLER: Final = "runtime.notifier.handler"


# ---------------------------------------------------------------- stack outputs
class Outputs:
    """Names of the stack's outputs. All are plain JSON values; `remote/machines/inventory.py` reads them."""

    DEPLOYMENT_ID: Final = "deploymentId"
    REGION: Final = "region"
    UNIT: Final = "unit"
    TABLE: Final = "table"
    REAPER: Final = "reaperFunction"  # Lambda function name
    ALERTS_TOPIC: Final = "alertsTopicArn"
    WEBHOOK_KEY: Final = "webhookKey"  # a secret: what notifications are signed with; only where the stack has webhooks
    HOST_INSTANCE_ID: Final = "hostInstanceId"
    HOST_PRIVATE_IP: Final = "hostPrivateIp"  # stays the same over stop and start
    GATEWAY_INSTANCE_ID: Final = "gatewayInstanceId"  # "" where gateway is none
    GATEWAY_PRIVATE_IP: Final = "gatewayPrivateIp"
    GATEWAY_ADDRESS: Final = "gatewayAddress"  # Elastic IP; what callers and SSH use
    GATEWAY_VOLUME_ID: Final = "gatewayVolumeId"  # EBS volume with what outlives the gateway; "": on its root disk
    API_URL: Final = "apiUrl"  # "http://<address>:8000/v1", "https://<domain>:8000/v1"
    CHAT_URL: Final = "chatUrl"  # "http://<address>:3000", "https://<domain>:3000", "": no chat page
    WEBUI_PASSWORD: Final = "webuiPassword"  # a secret: the first account's, only where the stack file sets one
    WEBUI_OIDC_SECRET: Final = "webuiOidcClientSecret"  # a secret: single sign-on's, only where the stack has that
    SSH_USER: Final = "sshUser"
    SETTINGS_DIGEST: Final = "settingsDigest"  # `core.settings.digest` of the stack file that `pulumi up` applied
    CONTROL: Final = "control"  # ControlLink as JSON: what a stack reads that is to share this stack's control


# ---------------------------------------------------------------- documents
_AGAIN: Final = "Run `pulumi up` and `fab deploy` from the same checkout."
_NUMBERS: Final = (int, float)


def _fits(annotation: str, value: Any) -> bool:
    """A JSON value is what a field says; a number is finite. What is not known here is read by `_part`."""
    match annotation:
        case "str":
            return isinstance(value, str)
        case "bool":
            return isinstance(value, bool)
        case "int":
            return isinstance(value, int) and not isinstance(value, bool)
        case "float":
            return isinstance(value, _NUMBERS) and not isinstance(value, bool) and abs(value) < math.inf
        case "float | None":
            return value is None or _fits("float", value)
        case "int | None":
            return value is None or _fits("int", value)
        case "Mapping[str, str]":
            return isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())
        case "tuple[str, ...]":
            return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    return True


@dataclass(frozen=True)
class Document:
    """A JSON document with a `schema_version`. Unknown keys are refused, missing ones named."""

    schema_version: int

    def to_json(self) -> str:
        """The document as JSON with sorted keys, so that equal documents are equal bytes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read a document; ContractError says which key is wrong."""
        try:
            raw = json.loads(text)
        except ValueError as error:
            raise ContractError(f"{cls.__name__} is not JSON: {error}. Run `fab deploy` again.") from error
        return cls.from_dict(raw)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Build from a plain mapping; nested lists of documents' parts are built by `_part`."""
        if not isinstance(raw, Mapping):
            raise ContractError(f"{cls.__name__} is a JSON object, not {type(raw).__name__}.")
        version = raw.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ContractError(
                f"{cls.__name__} has schema_version {version!r}; this program reads {SCHEMA_VERSION}. {_AGAIN}"
            )
        built: Self = _built(cls, raw, cls.__name__)
        return built


def _built(kind: Any, raw: Any, where: str) -> Any:
    """A dataclass from a mapping. ContractError names what is unknown, missing or of another type, in parts too."""
    if not isinstance(raw, Mapping):
        raise ContractError(f"{where} is a JSON object, not {type(raw).__name__}.")
    fields = {f.name: f for f in dataclasses.fields(kind)}
    unknown = sorted(set(raw) - set(fields))
    missing = sorted(n for n, f in fields.items() if _is_needed(f) and n not in raw)
    if unknown or missing:
        raise ContractError(f"{where}: unknown keys {unknown}, missing keys {missing}. {_AGAIN}")
    if wrong := sorted(name for name, value in raw.items() if not _fits(str(fields[name].type), value)):
        told = ", ".join(f"{name} is {raw[name]!r:.60}, not {fields[name].type}" for name in wrong)
        raise ContractError(f"{where}: {told}. {_AGAIN}")
    return kind(**{name: _part(name, value, f"{where}.{name}") for name, value in raw.items()})


def _is_needed(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _part(name: str, value: Any, where: str) -> Any:
    """A field's value; the parts that are objects are built like their document."""
    kind = _PARTS.get(name)
    if kind is None:
        return tuple(value) if isinstance(value, list) else value
    if name in _OBJECTS:
        return None if value is None and name in _OPTIONAL else _built(kind, value, where)
    if not isinstance(value, list | tuple):
        raise ContractError(f"{where} is a list, not {type(value).__name__}.")
    return tuple(_built(kind, each, f"{where}[{n}]") for n, each in enumerate(value))


@dataclass(frozen=True)
class ControlLink(Document):
    """A Control, own or shared, as a stack's output says it: what stands in whose policies, and what its reaper may.

    `deployment_id` is the owner's; `instance_types` are all that the reaper may set, `kms_key_arns` all it may use.
    """

    stack: str
    deployment_id: str
    region: str
    table: str
    table_arn: str
    reaper: str
    reaper_arn: str
    instance_types: tuple[str, ...]
    kms_key_arns: tuple[str, ...]


@dataclass(frozen=True)
class EngineAddress:
    """Where one engine listens. `name` is vLLM's served model name, too. `context_tokens`: the longest that prompt and
    answer may be together; 0 where nobody needs it.
    """

    name: str
    address: str
    port: int
    context_tokens: int = 0


@dataclass(frozen=True)
class ServiceRoute:
    """What callers name as `model`, and the engine that answers it. With `shaping` every request goes by the relay."""

    name: str
    engine: str
    shaping: ServiceShape | None = None


@dataclass(frozen=True)
class Place:
    """Where leases and machines are, for `runtime.backends.open`. What a kind does not need is ""."""

    kind: str  # of host: ec2, ssh
    region: str = ""
    table: str = ""  # ssh: the file
    control: str = ""  # what the machines' tag `core.contract.tags.TAG_CONTROL` says: the reaper's alone; ssh: the unit
    reaper: str = ""  # the reaper's function: the relay's alone


@dataclass(frozen=True)
class Shape:
    """What costs in a stack. Disks in GiB, throughput in MiB/s; `gateway_type` "" where there is none."""

    region: str
    host_type: str
    host_disk_gib: int
    host_disk_mibps: int
    gateway_type: str
    gateway_disk_gib: int


@dataclass(frozen=True)
class HostConfig(Document):
    """agent.json on the host. Engines' addresses are the host's own (127.0.0.1).

    `stays_on`: a stop ends the engines, and the machine stays on.
    """

    stack: str
    unit: str
    place: Place
    instance_id: str
    engines: tuple[EngineAddress, ...]
    max_silence_s: float
    stays_on: bool = False


@dataclass(frozen=True)
class RelayUnit:
    """One unit behind a gateway. Engines' addresses are those that the gateway reaches.

    `shape`: what of the stack costs money, for the dashboard; None: it shows no money.
    """

    unit: str
    place: Place
    instance_id: str  # the host's
    engines: tuple[EngineAddress, ...]
    services: tuple[ServiceRoute, ...]
    start_timeout_s: float
    shape: Shape | None = None


@dataclass(frozen=True)
class ApiKey:
    """An API key of the gateway's, known by its hash. Times are seconds since 1970.

    A name has two records while a key that was rotated with `--grace` still works: the last one is the name's own, and
    the limits are by name. `rpm` and `tokens_per_day` None: no limit. `expires` None: it does not.
    """

    name: str
    sha256: str  # upper-case hex, as HAProxy computes it
    created: float
    quiet: bool = False  # asks without waking anything
    rpm: int | None = None  # requests a minute
    tokens_per_day: int | None = None
    expires: float | None = None
    operator: bool = False  # may log in to the dashboard, and wake, pin and stop there


_PARTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "engines": EngineAddress,
        "services": ServiceRoute,
        "place": Place,
        "units": RelayUnit,
        "shape": Shape,
        "keys": ApiKey,
        "shaping": ServiceShape,
        "input_filter": Filter,
        "output_check": Filter,
    }
)
_OBJECTS: Final = frozenset({"place", "shape", "shaping"})  # the parts that are one object, not a list of them
_OPTIONAL: Final = frozenset({"shape", "shaping"})


@dataclass(frozen=True)
class ApiKeys(Document):
    """keys.json on the gateway: what `core.keys` decides; HAProxy's map is derived from it."""

    keys: tuple[ApiKey, ...] = ()

    def named(self, name: str) -> ApiKey | None:
        """The name's own record, the last one; None where no key has the name."""
        return next((key for key in reversed(self.keys) if key.name == name), None)


@dataclass(frozen=True)
class RelayConfig(Document):
    """relay.json on the gateway. `wakes` is false where the relay runs on the host itself (gateway: none).
    `chat_url`: where the chat page is, "" without one.

    Names of units, engines and services are unique over the gateway: callers name only a service, and HAProxy has one
    map of routes. `queue_max` is the gateway's, over all of its units; one of several has half of it. Each of the two
    relays has half of that (`places`).
    """

    stack: str
    units: tuple[RelayUnit, ...]
    queue_timeout_s: float
    queue_max: int
    wakes: bool = True
    chat_url: str = ""

    def __post_init__(self) -> None:
        """ContractError where a name does not say which unit is meant."""
        if not self.units:
            raise ContractError("RelayConfig: units is empty. Run `fab deploy` again.")
        names = {
            "unit": [u.unit for u in self.units],
            "engine": [e.name for e in self.engines],
            "service": [s.name for s in self.services],
        }
        for what, found in names.items():
            if twice := sorted({name for name in found if found.count(name) > 1}):
                raise ContractError(f"RelayConfig: more than one {what} is called {', '.join(twice)}.")
        for unit in self.units:
            engines = {e.name for e in unit.engines}
            if wrong := sorted(s.name for s in unit.services if s.engine not in engines):
                raise ContractError(f"RelayConfig: {unit.unit} has no engine for its services {', '.join(wrong)}.")

    @property
    def engines(self) -> tuple[EngineAddress, ...]:
        """Of all units."""
        return tuple(e for unit in self.units for e in unit.engines)

    @property
    def services(self) -> tuple[ServiceRoute, ...]:
        """Of all units."""
        return tuple(s for unit in self.units for s in unit.services)

    @property
    def places(self) -> int:
        """How many callers may wait at one relay: HAProxy sends each of them its share of those who come."""
        return math.ceil(self.queue_max / len(RELAY_PORTS))

    @property
    def drain_s(self) -> float:
        """A relay that is to end waits at most this long for the callers that it has: nobody queues for longer."""
        return max(self.queue_timeout_s, *(unit.start_timeout_s for unit in self.units)) + DRAIN_EXTRA_S

    def one(self, name: str = "") -> RelayUnit:
        """The unit of this name; without a name the first. ContractError names those that there are."""
        found = next((u for u in self.units if name in ("", u.unit)), None)
        if found is None:
            raise ContractError(f"This gateway has no unit {name!r}, only {', '.join(u.unit for u in self.units)}.")
        return found


@dataclass(frozen=True)
class CertificateConfig(Document):
    """certificate.json on the gateway: the name, where it must point, and the ACME server's directory.

    `email` is what the certificate authority is given, "" for nothing.
    """

    domain: str
    address: str
    server: str
    email: str = ""


@dataclass(frozen=True)
class ReaperConfig(Document):
    """reaper.json, where a timer runs the reaper instead of a Lambda, whose environment says the same."""

    place: Place
    topic: str = ""  # hears of what is no readable unit's
    plain_instances: bool = False


@dataclass(frozen=True)
class UnitSettings(Document):
    """The `settings` item's body: what reaper and relay need to know of one unit. Written by `pulumi up` only.

    Durations in seconds, money in US dollars. `schedule_on`/`schedule_off` are cron expressions ("0 9 * * mon-fri");
    both empty means no schedule. `max_lease_s`, `hard_cap_s` 0 means off. `skipped_types`: those on which the
    engines would not load, each with the reason; the ladder leaves them out.
    """

    stack: str
    unit: str
    instance_id: str
    region: str
    profile: str
    stop_after_s: float | None  # None: never stopped for being idle
    schedule_on: str
    schedule_off: str
    time_zone: str
    max_lease_s: float
    max_silence_s: float
    hard_cap_s: float
    start_timeout_s: float
    instance_types: tuple[str, ...]
    monthly_budget_usd: float | None
    alerts_topic_arn: str
    skipped_types: Mapping[str, str] = field(default_factory=dict)
    engine_timeout_s: float = 600.0
    daily_budget_usd: float | None = None

    @property
    def budgeted(self) -> bool:
        """There is a limit to what the host's hours may cost."""
        return self.monthly_budget_usd is not None or self.daily_budget_usd is not None
