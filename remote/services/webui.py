"""The chat page: Open WebUI in a container under systemd, on the gateway or on the host.

It is a caller like any other: it reaches the API through HAProxy with a key of its own, which is minted here, lies in a
file that only root reads, and is known to the gateway as a hash. Why a setting of Open WebUI's is as it is stands
beside it; to add one: `FIXED`, or `environment` where it follows from the stack file.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.contract.documents import ApiKey, Outputs
from core.contract.network import (
    API_LOCAL_PORT,
    CHAT_BODY_BYTES_MAX,
    CHAT_PORT,
    WEBUI_CHAT_HEADER,
    WEBUI_HEALTH,
    WEBUI_KEY,
    WEBUI_PORT,
    WEBUI_TASK_HEADER,
)
from core.contract.paths import DATA_UNIT, ETC, KEYS_FILE, WEBUI_CONTAINER, WEBUI_DATA
from core.settings import StackSettings
from remote import templates
from remote.items import STAMPS, Item
from remote.items.containers import ContainerUnit, DockerEngine, Image, NoUnit
from remote.items.files import File
from remote.items.keys import NoKey, OnlyKey
from remote.items.keys import read as read_keys
from remote.items.secrets import SecretLines
from remote.items.system import Packages, PortFree
from remote.items.units import Unit, digest_of
from remote.machines.facts import Facts, Query
from remote.plan import Step
from remote.services import keys, sign_on

UNIT: Final = "pilotlight-webui.service"
UNIT_DIR: Final = "/etc/systemd/system"
UNIT_FILE: Final = f"{UNIT_DIR}/{UNIT}"
HEALTH_TIMER: Final = "pilotlight-webui-health.timer"
HEALTH_SERVICE: Final = "pilotlight-webui-health.service"
DOCKER_UNIT: Final = "docker.service"
ENVIRONMENT_FILE: Final = f"{ETC}/webui.env"
SECRETS_FILE: Final = f"{ETC}/webui.secrets"
# The key's hash and, with single sign-on, its secret's: a deployment need not read them
KEY_STAMP: Final = f"{STAMPS}/webui.key"
PASSWORD: Final = "WEBUI_ADMIN_PASSWORD"
API_KEY: Final = "OPENAI_API_KEY"
SECRET_KEY: Final = "WEBUI_SECRET_KEY"
IMAGE_GIB: Final = 6.0  # of the official image, layers and unpacking; not measured here: no registry can be reached

# Open WebUI reads these at every start, since ENABLE_PERSISTENT_CONFIG is off: otherwise it keeps the values of its
# first start in its database and ignores later ones.
FIXED: Final = {
    "PORT": "8080",
    "HOST": "0.0.0.0",  # inside the container; it is published on one address only
    "ENV": "prod",
    "GLOBAL_LOG_LEVEL": "WARNING",  # a line for each health check otherwise
    "ENABLE_PERSISTENT_CONFIG": "false",
    "WEBUI_AUTH": "true",
    "ENABLE_OPENAI_API": "true",
    # its default looks for Ollama's own API, finds none, and lists no model
    "ENABLE_OLLAMA_API": "false",
    # nothing but our API: no look for updates, no models from a hub, no arena of models, no counting
    "OFFLINE_MODE": "true",
    "HF_HUB_OFFLINE": "1",
    "ENABLE_VERSION_UPDATE_CHECK": "false",
    "ENABLE_EVALUATION_ARENA_MODELS": "false",
    "ENABLE_COMMUNITY_SHARING": "false",
    "ENABLE_DIRECT_CONNECTIONS": "false",
    "ANONYMIZED_TELEMETRY": "false",
    "DO_NOT_TRACK": "true",
    "SCARF_NO_ANALYTICS": "true",
    # a file goes into the prompt as it is: no model for embeddings is loaded on a small machine
    "BYPASS_EMBEDDING_AND_RETRIEVAL": "true",
    "RAG_EMBEDDING_ENGINE": "openai",
    "RAG_FILE_MAX_SIZE": str(CHAT_BODY_BYTES_MAX // 2**20),  # MiB; HAProxy takes no more
    # calls that no person made: while somebody types, before a search, by a schedule (it would wake the host), after a
    # turn; and plug-ins, which are code that the page's server runs
    "ENABLE_AUTOCOMPLETE_GENERATION": "false",
    "ENABLE_SEARCH_QUERY_GENERATION": "false",
    "ENABLE_RETRIEVAL_QUERY_GENERATION": "false",
    "ENABLE_AUTOMATIONS": "false",
    "ENABLE_MEMORIES": "false",
    "ENABLE_CODE_INTERPRETER": "false",
    "ENABLE_PLUGINS": "false",
    # every account may use every service, and nobody reads another's conversations
    "BYPASS_MODEL_ACCESS_CONTROL": "true",
    "ENABLE_ADMIN_CHAT_ACCESS": "false",
    "ENABLE_PUBLIC_ACTIVE_USERS_COUNT": "false",
    # who asks, on each call: HAProxy believes it with the page's own key alone
    "ENABLE_FORWARD_USER_INFO_HEADERS": "true",
}
SECURE_COOKIES: Final = ("WEBUI_SESSION_COOKIE_SECURE", "WEBUI_AUTH_COOKIE_SECURE")
# The relay refuses background calls while the host is off, and tells a chat how long its host still takes.
CALL_HEADERS: Final = {WEBUI_TASK_HEADER: "{{TASK}}", WEBUI_CHAT_HEADER: "{{CHAT_ID}}"}


@dataclass(frozen=True)
class Page:
    """What the page is to be. `api_url` is where the container reaches the API, `address` where it listens."""

    api_url: str
    address: str
    models: tuple[str, ...]
    tools: bool
    settings: StackSettings
    room: str
    data_unit: str = ""  # mounts the volume that its data are on; "": they are on the root disk


@dataclass(frozen=True)
class Account:
    """The first account; `password` only where it was made by this deployment."""

    email: str
    password: str = field(default="", repr=False)


def page(settings: StackSettings, outputs: Mapping[str, str]) -> Page | None:
    """The page of a stack, or None where it has none."""
    if settings.chat_on is None:
        return None
    on_host = settings.chat_on == "host"
    api = outputs[Outputs.GATEWAY_PRIVATE_IP] if on_host else "host.docker.internal"
    return Page(
        api_url=f"http://{api}:{API_LOCAL_PORT}/v1",
        address=outputs[Outputs.HOST_PRIVATE_IP] if on_host else "127.0.0.1",
        models=tuple(settings.services),
        tools=all(_calls_tools(settings, service.engine) for service in settings.services.values()),
        settings=settings,
        room=f"Raise pilotlight:{'host' if on_host else 'gateway'}.diskGiB, then `pulumi up -s {settings.stack}`, and "
        "grow the file system (a reboot does)",
        data_unit=DATA_UNIT if outputs.get(Outputs.GATEWAY_VOLUME_ID) and not on_host else "",
    )


def _calls_tools(settings: StackSettings, engine: str) -> bool:
    return settings.engines[engine].flags.get("enable-auto-tool-choice") is True


def environment(page: Page) -> dict[str, str]:
    """What is no secret of the container's environment."""
    wanted = page.settings.webui
    config = {"enable": True, "model_ids": list(page.models), "headers": CALL_HEADERS}
    found = FIXED | {
        "OPENAI_API_BASE_URL": page.api_url,
        # model_ids: without them a list that cannot be had leaves no model to choose, and nothing could wake the host
        "OPENAI_API_CONFIGS": json.dumps({"0": config}, sort_keys=True),
        "DEFAULT_MODELS": page.models[0],
        "WEBUI_ADMIN_EMAIL": wanted.admin_email,
        # must be said: that the first account switches it off is kept in the database, which is not read
        "ENABLE_SIGNUP": str(wanted.sign_up).lower(),
        "DEFAULT_USER_ROLE": "user" if wanted.sign_up else "pending",
    }
    found |= sign_on.environment(page.settings)
    if domain := page.settings.access.domain:
        # the log-in's cookie is not sent without TLS
        found |= {"WEBUI_URL": f"https://{domain}:{CHAT_PORT}"} | dict.fromkeys(SECURE_COOKIES, "true")
    if wanted.documents == "off":
        found["USER_PERMISSIONS_CHAT_FILE_UPLOAD"] = "false"  # hides the button; HAProxy is who refuses
    if not page.tools:
        # each chat would send 25 kB of built-in tools, which vLLM refuses unless it was started for tool calls
        found["DEFAULT_MODEL_METADATA"] = json.dumps({"capabilities": {"builtin_tools": False}})
    return found


def items(page: Page, guard: str) -> list[Item]:
    """Docker, image, configuration and unit; the secrets come with `make_secrets`. `guard` is the metadata's unit."""
    wanted = page.settings.webui
    values = environment(page)
    text = "# Made by `fab deploy` from remote/services/webui.py: changes here are overwritten.\n"
    text += "".join(f"{name}={values[name]}\n" for name in sorted(values))
    file = File(ENVIRONMENT_FILE, text.encode(), mode=0o600)
    unit = File(UNIT_FILE, _unit(page, guard))
    health = f"http://{page.address}:{WEBUI_PORT}{WEBUI_HEALTH}"
    watch, timer = (
        File(f"{UNIT_DIR}/{name}", templates.render(f"{name}.j2", unit=UNIT, container=WEBUI_CONTAINER))
        for name in (HEALTH_SERVICE, HEALTH_TIMER)
    )
    running = Unit(UNIT, digest_of((file, unit)))
    return [
        Packages(("curl", "nftables")),
        PortFree(WEBUI_PORT, ("docker-proxy", "dockerd")),
        DockerEngine(),
        Unit(DOCKER_UNIT, "as the distribution has it", reload=True),
        Image(wanted.image, IMAGE_GIB, page.room),
        file,
        unit,
        ContainerUnit(running, WEBUI_CONTAINER, wanted.image, health, (ENVIRONMENT_FILE, UNIT_FILE), DATABASE),
        watch,
        timer,
        Unit(HEALTH_TIMER, digest_of((watch, timer))),
    ]


def absent(*, keys_here: bool) -> list[Item]:
    """What takes the page away from a machine where the stack no longer wants it; its key too, where keys are here."""
    gone: list[Item] = [
        NoUnit(HEALTH_TIMER, f"{UNIT_DIR}/{HEALTH_TIMER}"),
        NoUnit(UNIT, UNIT_FILE, f"; its data stay in {WEBUI_DATA}"),
    ]
    return [*gone, NoKey(WEBUI_KEY)] if keys_here else gone


def _unit(page: Page, guard: str) -> bytes:
    wanted = page.settings.webui
    return templates.render(
        "pilotlight-webui.service.j2",
        container=WEBUI_CONTAINER,
        guard=guard,
        data_unit=page.data_unit,
        environment=ENVIRONMENT_FILE,
        secrets=SECRETS_FILE,
        address=page.address,
        port=WEBUI_PORT,
        inside=FIXED["PORT"],
        health=WEBUI_HEALTH,
        data=WEBUI_DATA,
        memory_mib=wanted.memory_mib,
        cpus=f"{wanted.cpus:g}",
        image=wanted.image,
    )


DATABASE: Final = f"{WEBUI_DATA}/webui.db"
STRANGER: Final = "the gateway does not know its key"
OTHER_SECRET: Final = "single sign-on's secret changed"
QUERY: Final = Query(files=(SECRETS_FILE,), texts=(KEY_STAMP, KEYS_FILE), paths=(DATABASE,))


@dataclass(frozen=True)
class Secrets:
    """What this deployment adds: steps for the machine that the page runs on and for the one with the keys."""

    on_page: tuple[Step, ...] = ()
    on_front: tuple[Step, ...] = ()
    account: Account | None = None  # only where the page has had no account before


def secrets_needed(front: Facts, on: Facts) -> bool:
    """The page's secrets are missing, or the gateway does not know its key (any more)."""
    known, _ = _stamped(on)
    own = read_keys(front).named(WEBUI_KEY)
    return not known or SECRETS_FILE not in on.files or own is None or own.sha256 != known


def sign_on_differs(page: Page, on: Facts, client_secret: str | None) -> bool:
    """The page has another secret for single sign-on than the stack. None: the stack's was not read."""
    oidc, (_, there) = page.settings.webui.oidc, _stamped(on)
    if oidc is None or client_secret is None:
        return bool(there) != (oidc is not None)
    return there != sign_on.digest(oidc, client_secret)


def _stamped(on: Facts) -> tuple[str, str]:
    """The key's hash, and the digest of single sign-on's secret or ""."""
    key, _, client = on.texts.get(KEY_STAMP, "").strip().partition(" ")
    return key, client


def make_secrets(page: Page, on: Facts, password: str, client_secret: str = "", why: str = STRANGER) -> Secrets:
    """A key for the page and, where it has none, its secret key and first account. `password` "": one is made.
    `client_secret` is single sign-on's, "" without; `why` is said where there are secrets already.
    """
    key = keys.make(WEBUI_KEY)
    first = SECRETS_FILE not in on.files
    new = first and DATABASE not in on.paths
    given = password or (secrets.token_urlsafe(12) if first else "")
    values, mark = {API_KEY: key.secret, SECRET_KEY: secrets.token_urlsafe(32), PASSWORD: given}, key.hash
    if client_secret and (oidc := page.settings.webui.oidc):
        values[sign_on.CLIENT_SECRET] = client_secret
        mark += f" {sign_on.digest(oidc, client_secret)}"
    renewed = (API_KEY, sign_on.CLIENT_SECRET)
    lines = SecretLines(SECRETS_FILE, values, renewed, KEY_STAMP, mark, f"{STAMPS}/{UNIT}")
    return Secrets(
        on_page=(Step(lines, "missing" if first else why),),
        on_front=(Step(OnlyKey(ApiKey(WEBUI_KEY, key.hash, time.time())), "the chat page's"),),
        # accounts that are there stay as they are, whatever became of the file
        account=Account(page.settings.webui.admin_email, "" if password else given) if new else None,
    )


def before_unit(steps: Sequence[Step], items: Sequence[Item], added: Sequence[Step]) -> tuple[Step, ...]:
    """The machine's steps with `added` before the page's unit, which starts anew with them."""
    unit = next(item for item in items if isinstance(item, ContainerUnit))
    at = next((n for n, step in enumerate(steps) if step.item == unit), len(steps))
    own = steps[at] if at < len(steps) else Step(unit, "its secrets changed")
    return (*steps[:at], *added, own, *steps[at + 1 :])
