"""What strangers agree on: ports, names, tags, paths, intervals, and the JSON that deploy time hands to run time.

Reaper, agent, relay, components and remote meet here and in the lease. A number or a name that two of them
need stands here once. To hand a new value to a machine: add a field to the dataclass below, raise
`SCHEMA_VERSION` if old readers would misunderstand it, and fill it where the document is written.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from core import versions
from core.errors import ContractError

SCHEMA_VERSION: Final = 1

# ---------------------------------------------------------------- ports
API_PORT: Final = 8000  # callers → HAProxy, OpenAI-compatible API
CHAT_PORT: Final = 3000  # callers → HAProxy, chat page
SSH_PORT: Final = 22
ENGINE_PORT_FIRST: Final = 8100  # engines on the host: first, first+1, … in the order of the stack file
ENGINE_PORT_LAST: Final = 8115
RELAY_PORT: Final = 9100  # on the gateway's loopback: HAProxy → relay
INNER_PORT: Final = 9101  # on the gateway's loopback: relay → HAProxy → engine, never back to the relay
HAPROXY_METRICS_PORT: Final = 9105  # on the gateway's loopback
WEBUI_PORT: Final = 3001  # HAProxy → Open WebUI: on the gateway's loopback, or on the host for the gateway alone

# ---------------------------------------------------------------- tags (keys) on every AWS resource
TAG_STACK: Final = "pilotlight:stack"
TAG_DEPLOYMENT: Final = "pilotlight:deployment"  # the deployment id; the relay's start is conditioned on it
TAG_ROLE: Final = "pilotlight:role"  # host | gateway | control | …
TAG_UNIT: Final = "pilotlight:unit"  # value is the lease's pk
TAG_AUTO_STOP: Final = "pilotlight:auto-stop"  # "30m" | "off"; read live by the reaper
TAG_SCHEDULE: Final = "pilotlight:schedule"
TAG_MAX_LEASE: Final = "pilotlight:max-lease"
TAG_CONTROL: Final = "pilotlight:control"  # whose reaper may start and stop it: the deployment id of a Control's stack

# ---------------------------------------------------------------- the table
TABLE_PK: Final = "pk"  # "<stack>/<unit>"
TABLE_SK: Final = "sk"
SK_LEASE: Final = "lease"
SK_SETTINGS: Final = "settings"
PK_UNITS: Final = "units"  # the directory: sk is the unit, body its settings once more; one Query reads a whole fleet
SETTINGS_BODY: Final = "body"  # attribute (S): UnitSettings as JSON


LAST_EPOCH: Final = 10**12 - 1  # what `sk_event` has digits for


def sk_event(epoch: int) -> str:
    """Sort key of the event that the transition to `epoch` wrote; zero-padded so that it sorts by number."""
    return f"event#{epoch:012d}"


SK_PAST: Final = "past"  # what the reaper has counted of the unit's events (core/past.py)
SK_WORDS: Final = "words#"  # prefix: the host's last words; a ring, so that a unit keeps those of its last stops
WORDS_KEPT: Final = 8


def sk_words(epoch: int) -> str:
    """Sort key of the last words of the stop at `epoch`; they take the place of some older ones."""
    return f"{SK_WORDS}{epoch % WORDS_KEPT}"


def guest_topic(control_id: str, deployment_id: str = "*") -> str:
    """Name of the alerts topic of a stack that shares a control: its reaper may publish to all that begin so.

    By name, since Publish knows no condition on a topic's tags (service authorization reference of Amazon SNS).
    """
    return f"pilotlight-{control_id}-{deployment_id}"


def unit_name(stack: str) -> str:
    """The lease's pk for a stack's one host."""
    return f"{stack}/host"


# ---------------------------------------------------------------- the reaper's event (JSON object) and environment
EVENT_SCHEDULED_AT: Final = "scheduled_at"  # ISO 8601, UTC; EventBridge Scheduler fills it in
EVENT_UNIT: Final = "unit"  # the relay names the one unit that it wants looked at
REAPER_ENV_TABLE: Final = "TABLE"
REAPER_ENV_DEPLOYMENT: Final = "DEPLOYMENT_ID"  # of the control's stack: what TAG_CONTROL says on its machines
REAPER_ENV_TOPIC: Final = "ALERTS_TOPIC"  # the control's own, for what is no readable unit's
REAPER_ENV_PLAIN: Final = "PLAIN_INSTANCES"  # there, and "on", where plain instances are looked after
REAPER_HANDLER: Final = "runtime.reaper.handler"

# ---------------------------------------------------------------- the notifier (Lambda): queues → webhooks
# Its parameter is a JSON text: {"key": hex, "webhooks": {"<queue's ARN>": {"url": "https://…", "format": "json"}}}
NOTIFIER_ENV_WEBHOOKS: Final = "WEBHOOKS_PARAMETER"  # name of the SSM parameter (SecureString)
NOTIFIER_HANDLER: Final = "runtime.notifier.handler"


# ---------------------------------------------------------------- stack outputs (remote/inventory.py reads them)
class Outputs:
    """Names of the stack's outputs. All are plain JSON values."""

    DEPLOYMENT_ID: Final = "deploymentId"
    REGION: Final = "region"
    UNIT: Final = "unit"
    TABLE: Final = "table"
    REAPER: Final = "reaperFunction"  # Lambda function name
    ALERTS_TOPIC: Final = "alertsTopicArn"
    WEBHOOK_KEY: Final = "webhookKey"  # a secret: what notices are signed with; only where the stack has webhooks
    HOST_INSTANCE_ID: Final = "hostInstanceId"
    HOST_PRIVATE_IP: Final = "hostPrivateIp"  # stays the same over stop and start
    GATEWAY_INSTANCE_ID: Final = "gatewayInstanceId"  # "" where gateway is none
    GATEWAY_PRIVATE_IP: Final = "gatewayPrivateIp"
    GATEWAY_ADDRESS: Final = "gatewayAddress"  # Elastic IP; what callers and SSH use
    API_URL: Final = "apiUrl"  # "http://<address>:8000/v1"
    CHAT_URL: Final = "chatUrl"  # "http://<address>:3000", or "" without a chat page
    WEBUI_PASSWORD: Final = "webuiPassword"  # a secret: the first account's, only where the stack file sets one
    SSH_USER: Final = "sshUser"
    CONTROL: Final = "control"  # ControlLink as JSON: what a stack reads that is to share this stack's control


# ---------------------------------------------------------------- paths on machines
ETC: Final = "/etc/pilotlight"
AGENT_CONFIG: Final = f"{ETC}/agent.json"  # HostConfig
RELAY_CONFIG: Final = f"{ETC}/relay.json"  # RelayConfig
KEYS_MAP: Final = f"{ETC}/keys.map"  # "<SHA-256, upper-case hex> <name>" a line
APP_DIR: Final = "/opt/pilotlight/app"  # core/ and runtime/, by rsync; PYTHONPATH of agent and relay
AGENT_VENV: Final = "/opt/pilotlight/agent"
RELAY_VENV: Final = "/opt/pilotlight/relay"
ENGINE_VENV: Final = "/opt/pilotlight/engine"
MODELS_DIR: Final = "/var/lib/pilotlight/models"
RUN_DIR: Final = "/run/pilotlight"  # tmpfs
TABLE_SEEN_FILE: Final = f"{RUN_DIR}/table-seen"  # the agent touches it whenever the table answered; the dead-man reads
BOOT_ID_FILE: Final = f"{RUN_DIR}/boot-id"  # drawn once a boot (containers share the kernel's own boot id)
LAST_WORDS_FILE: Final = "/var/lib/pilotlight/last-words.json"  # survives a boot: which one, and whether it said them
ROUTES_MAP: Final = f"{ETC}/routes.map"  # on disk every route says "relay"
HAPROXY_SOCKET: Final = "/run/haproxy/admin.sock"
ENGINE_UNIT: Final = "pilotlight-engine@{name}.service"
AGENT_UNIT: Final = "pilotlight-agent.service"
DEAD_MAN_UNIT: Final = "pilotlight-dead-man.service"
RELAY_UNIT: Final = "pilotlight-relay.service"
ENGINE_USER: Final = "pilotlight-engine"
# Set in a machine's environment where package caches are shared with the computer (the embedded cloud does)
CACHE_ENV: Final = "PILOTLIGHT_CACHE"

# ---------------------------------------------------------------- the chat page (Open WebUI)
WEBUI_TASK_HEADER: Final = "X-OWUI-Task"  # on each call of the page: a background call's kind, "" for a person's chat
WEBUI_TASKS_OF_PEOPLE: Final = ("moa_response_generation",)  # "merge responses": a person's click
WEBUI_CHAT_HEADER: Final = "X-OWUI-Chat"  # the chat's id: whoever sends it is shown status lines
WEBUI_HEALTH: Final = "/health"  # the path at which it says that it is well
WEBUI_CONTAINER: Final = "pilotlight-webui"
WEBUI_IMAGE: Final = f"ghcr.io/open-webui/open-webui:v{versions.OPEN_WEBUI}"
ARCHIVES: Final = "containers"  # below a machine's shared cache (CACHE_ENV): images as archives, for want of a registry


REGISTRY_ANSWERS: Final = (
    200,
    401,
)  # statuses of GET /v2/: it lets us in, or asks for a log-in (OCI distribution spec)


def image_registry(image: str) -> str:
    """The registry that an image's name means: `ghcr.io` in ghcr.io/a/b:v1; Docker Hub's where it names none."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "registry-1.docker.io"


def image_archive(image: str) -> str:
    """File name of an image's archive (`docker save`) below ARCHIVES."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", image) + ".tar"


# ---------------------------------------------------------------- HAProxy names
BACKEND_RELAY: Final = "relay"  # value in routes.map that means: the relay takes it


def backend_engine(engine: str) -> str:
    """HAProxy's backend for an engine; also the value in routes.map that opens the route."""
    return f"engine_{engine}"


# ---------------------------------------------------------------- the front door's limits (ADR 17)
API_CONNECTIONS_MAX: Final = 4000  # of callers; HAProxy holds the other frontends' connections apart
INNER_CONNECTIONS_MAX: Final = 4000  # relay → engines: as many as callers, so that none of them waits for another
CHAT_CONNECTIONS_MAX: Final = 1000  # of browsers
CHAT_SOURCE_CONNECTIONS_MAX: Final = 500  # of one address
METRICS_CONNECTIONS_MAX: Final = 100
SOURCE_CONNECTIONS_MAX: Final = 2000  # of one address; an office behind NAT is one
STRANGER_CONNECTIONS_MAX: Final = 200  # of one address from which no valid key came within an hour
KEY_REQUESTS_MAX: Final = 1500  # in flight, waiting ones too; under a source's, so that the answer is a 429
QUEUE_LIMIT: Final = 1000  # of gateway.queueMax: one key may fill the queue and still be answered
URL_BYTES_MAX: Final = 8000
HEADERS_BYTES_MAX: Final = 64 * 2**10  # names and values together
HEADERS_MAX: Final = 100
BODY_BYTES_MAX: Final = 32 * 2**20
CHUNKED_BYTES_MAX: Final = 16 * 2**10  # a longer body without Content-Length goes by way of the relay
CHAT_BODY_BYTES_MAX: Final = 64 * 2**20  # of a file that somebody uploads; Open WebUI takes it in before it asks who
UPLOAD_S: Final = 120.0  # a body that is read by the relay has arrived within this

# ---------------------------------------------------------------- intervals, seconds
LEASE_READ_RUNNING_S: Final = 2.0  # relay while RUNNING; agent always
LEASE_READ_OTHERWISE_S: Final = 0.5  # relay in every other state
LEASE_READ_GAP_S: Final = 0.05  # and between any two reads of the relay, however many ask
LEASE_READ_WAITING_S: Final = 0.2  # relay in STARTING while callers wait
DESCRIBE_S: Final = 1.0  # relay asks EC2 about the machine at most this often
WISH_RENEW_S: Final = 60.0  # a wish is renewed while callers wait once it has lost this much of its life
CAPACITY_GRACE_S: Final = 90.0  # callers wait this long for the reaper's ladder after EC2 had no capacity
SSE_COMMENT_S: Final = 5.0  # a held stream gets a comment this often
HEARTBEAT_S: Final = 10.0
SILENT_AFTER_S: Final = 180.0
FENCE_WAIT_S: Final = 10.0  # the agent waits this long for the fence, then looks all the same
LOOK_WAIT_S: Final = 30.0  # door shut, not quiet within this: veto
DRAIN_TIMEOUT_S: Final = 180.0  # the reaper gives up on a drain
REPEAT_ORDER_S: Final = 60.0  # a start order is repeated after this
START_ATTEMPTS: Final = 3
STOP_BACKSTOP_AFTER_S: Final = 60.0  # STOPPING and still up: the reaper sends StopInstances
START_ORDER_LIFE_S: Final = 30.0  # a start order, with the retries of runtime/aws.py, cannot land later than this
STOP_ORDER_LIFE_S: Final = 10.0  # a stop order sent with a 5 s time-out and no retries cannot land later than this
ORDER_MARGIN_S: Final = 5.0
STOPPED_TWICE_S: Final = 30.0  # EC2 says `stopped` twice, this far apart, before an unexpected stop is believed
YOUNG_ORDER_S: Final = 90.0
SKEW_ALERT_S: Final = 5.0
NEW_ALERT_S: Final = 1800.0
HOLD_S: Final = 900.0
LATE_EVENT_S: Final = 90.0  # the reaper ignores a scheduled event older than this
WISH_EXTRA_S: Final = 600.0  # wishTtl = holdFor + this
RETRY_AFTER_S: Final = 60
LOOK_GAP_S: Final = 0.5  # between the two readings of a look
AGENT_TICK_S: Final = 0.1  # the agent's loop while a lease is STARTING or DRAINING


# ---------------------------------------------------------------- documents
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
        case "tuple[str, ...]":
            return isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
    return True


@dataclass(frozen=True)
class Document:
    """A JSON document with a `schema_version`. Unknown keys are refused, missing ones named.

    Keys in `RETIRED` were written by older checkouts and are passed over.
    """

    RETIRED: ClassVar[frozenset[str]] = frozenset()

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
                f"{cls.__name__} has schema_version {version!r}; this program reads {SCHEMA_VERSION}. "
                "Run `pulumi up` and `fab deploy` from the same checkout."
            )
        fields = {f.name: f for f in dataclasses.fields(cls)}
        raw = {name: value for name, value in raw.items() if name not in cls.RETIRED}
        unknown = sorted(set(raw) - set(fields))
        needed = {n for n, f in fields.items() if f.default is dataclasses.MISSING}
        missing = sorted(needed - set(raw))
        if unknown or missing:
            raise ContractError(f"{cls.__name__}: unknown keys {unknown}, missing keys {missing}.")
        if wrong := sorted(name for name, value in raw.items() if not _fits(str(fields[name].type), value)):
            told = ", ".join(f"{name} is {raw[name]!r:.60}, not {fields[name].type}" for name in wrong)
            raise ContractError(f"{cls.__name__}: {told}.")
        return cls(**{name: cls._part(name, value) for name, value in raw.items()})

    @classmethod
    def _part(cls, name: str, value: Any) -> Any:
        if name == "engines":
            return tuple(EngineAddress(**e) for e in value)
        if name == "services":
            return tuple(ServiceRoute(**s) for s in value)
        return tuple(value) if isinstance(value, list) else value


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
    """Where one engine listens. `model` is vLLM's served model name (the engine's name)."""

    name: str
    address: str
    port: int


@dataclass(frozen=True)
class ServiceRoute:
    """What callers name as `model`, and the engine that answers it."""

    name: str
    engine: str


@dataclass(frozen=True)
class HostConfig(Document):
    """agent.json on the host. Engines' addresses are the host's own (127.0.0.1)."""

    stack: str
    unit: str
    region: str
    table: str
    instance_id: str
    engines: tuple[EngineAddress, ...]
    max_silence_s: float


@dataclass(frozen=True)
class RelayConfig(Document):
    """relay.json on the gateway. `wakes` is false where the relay runs on the host itself (gateway: none)."""

    stack: str
    unit: str
    region: str
    table: str
    instance_id: str  # the host's
    reaper_function: str
    engines: tuple[EngineAddress, ...]
    services: tuple[ServiceRoute, ...]
    hold_for_s: float
    queue_max: int
    start_timeout_s: float
    wakes: bool = True


@dataclass(frozen=True)
class UnitSettings(Document):
    """The `settings` item's body: what reaper and relay need to know of one unit. Written by `pulumi up` only.

    Durations in seconds, money in US dollars. `schedule_on`/`schedule_off` are cron expressions ("0 9 * * mon-fri");
    both empty means no schedule. `max_lease_s`, `hard_cap_s` 0 means off. Without `needs_gpu` (engines on the CPU only)
    the ladder does not look at GPU memory.
    """

    RETIRED: ClassVar[frozenset[str]] = frozenset({"deployment_id", "hold_for_s"})

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
    needs_gpu: bool = True
    engine_timeout_s: float = 600.0
