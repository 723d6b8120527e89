"""From a stack file's parsed `config:` mapping to StackSettings, or one SettingsError with everything that is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from core.capacity import gateway_memory, instance_types
from core.contract import network
from core.errors import SettingsError
from core.settings import access, flags, keys, messages, notify, own_machine, services, sign_on
from core.settings.checks import KEY_FILE, KEYGEN
from core.settings.hosts import Ec2Host, SshHost
from core.settings.model import Control, StackSettings
from core.settings.services import Service

_PREFIX: Final = messages.PREFIX
_STACK: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")
_SHOWN: Final = 40  # characters of a wrong name


def stack_file(stack: str) -> str:
    """The file that a stack's settings stand in, from the checkout's root."""
    return f"stacks/Pulumi.{stack}.yaml"


def check_name(stack: str) -> None:
    """SettingsError: no stack can have this name."""
    if not _STACK.fullmatch(stack):
        shown = stack if stack.isprintable() else repr(stack)[1:-1]
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
        raise SettingsError(f"Stack `{shown}`: a name is a-z, 0-9 and -, begins with a letter, and is at most 31 long.")


def load(
    mapping: Mapping[str, Any],
    stack: str,
    *,
    to_deploy: bool = True,
    secret_keys: Collection[str] = (),
    file: str = "",
) -> StackSettings:
    """The settings of one stack.

    Args:
        mapping: the file's `config:` mapping, `{"pilotlight:host": {…}, "aws:region": "…"}`; values as
            remote/stack_yaml.py gives them, or as JSON text (which is how Pulumi hands them to a program).
        stack: the stack's name.
        to_deploy: False accepts a file without what must be set before a deployment (key, who may call), for who
            only wants to know what the file says.
        secret_keys: keys with an encrypted value in them, where Pulumi has already put the plain one in its place.
        file: the file that was read, for messages; default: the stack's in the checkout.

    Raises:
        SettingsError: one message with every wrong value: file, path, value, what is allowed.
    """
    check_name(stack)
    where = file or stack_file(stack)
    ours = {k.removeprefix(_PREFIX): _said(v) for k, v in mapping.items() if k.startswith(_PREFIX)}
    if problems := [*keys.problems(mapping), *_encrypted(ours, secret_keys, stack)]:
        raise _wrong(where, problems)
    raw = {k: None if v == "" else v for k, v in ours.items() if not notify.is_sealed(v)}  # "": Pulumi's null
    if region := mapping.get("aws:region"):
        raw["region"] = region
    settings = own_machine.settle(_valid(where, raw | {"stack": stack}))
    problems = _together(settings, to_deploy=to_deploy)
    if to_deploy and f"{_PREFIX}webui" not in secret_keys:
        problems += _plain_secrets(settings)
    if problems:
        raise _wrong(where, problems)
    if settings.services:
        return settings
    return settings.model_copy(update={"services": {name: Service(engine=name) for name in settings.engines}})


def _valid(where: str, raw: Mapping[str, Any]) -> StackSettings:
    try:
        return StackSettings.model_validate(raw)
    except ValidationError as error:
        raise _wrong(where, messages.lines(error, StackSettings)) from error


_WEBUI_SECRETS: Final = ("adminPassword", "oidc.clientSecret")  # keys of `webui` that may be encrypted
_MAY_BE_ENCRYPTED: Final = ("notify", "webui")  # their own checks know encrypted values, and say what they become


def _said(value: Any) -> Any:
    """A section as Pulumi hands it over, JSON text, becomes what it says. Text inside a section stays text: a flag's
    value may be JSON itself.
    """
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value  # text that only begins like JSON: the section's own check names it


def _encrypted(ours: Mapping[str, Any], secret_keys: Collection[str], stack: str) -> Iterator[str]:
    """Pulumi would apply a value that `fab` cannot read: a line for each."""
    names = {key.removeprefix(_PREFIX) for key in secret_keys if key.startswith(_PREFIX)}
    places = [path for key, value in ours.items() for path in _sealed(value, key)]
    for path in places or [f"{name}.adminPassword" if name == "webui" else name for name in sorted(names)]:
        if not _may_be_encrypted(path):
            yield (
                f"{_PREFIX}{path} is encrypted, and `fab` could not read it; only {_PREFIX}notify, "
                f"{' and '.join(f'{_PREFIX}webui.{key}' for key in _WEBUI_SECRETS)} may be. {_instead(path, stack)}"
            )


def _instead(path: str, stack: str) -> str:
    """What to do about a value that may not be encrypted; nobody is told to write a secret in plain text."""
    if flags.is_secret(path):
        return "Take it away: a secret has no other place in a stack file"
    return f"Write the value itself: `pulumi config set -s {stack} --plaintext --path '{_PREFIX}{path}' VALUE`"


def _may_be_encrypted(path: str) -> bool:
    """Of the chat page only its secrets: the rest of it `fab` needs to read. (In a program Pulumi names keys only.)"""
    section, _, rest = path.partition(".")
    return re.split(r"[\[]", section)[0] in _MAY_BE_ENCRYPTED and (section != "webui" or rest in _WEBUI_SECRETS)


def _sealed(value: Any, path: str) -> Iterator[str]:
    if notify.is_sealed(value):
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _sealed(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _sealed(inner, f"{path}[{index}]")


def _wrong(file: str, problems: list[str]) -> SettingsError:
    if len(problems) == 1:
        return SettingsError(f"{file}: {problems[0]}")
    names = [line.split(maxsplit=1)[0].rstrip(":").removeprefix(_PREFIX) for line in problems]
    return SettingsError("\n  ".join([f"{file}: {len(problems)} settings need your attention:", *problems]), names)


def _together(settings: StackSettings, *, to_deploy: bool) -> list[str]:
    """What only several settings together can tell."""
    contexts = {name: engine.max_model_len for name, engine in settings.engines.items()}
    found = services.problems(settings.services, settings.templates, contexts)
    problems = [f"{_PREFIX}services.{path}: {sentence}" for path, sentence in found]
    if isinstance(settings.host, SshHost):
        return problems + list(own_machine.problems(settings))
    zone = settings.host.zone
    if zone != "auto" and not zone.startswith(settings.region):
        problems.append(f'{_PREFIX}host.zone: "{zone}" is not in aws:region {settings.region}')
    problems += [*_control(settings), *_chat(settings), *_gateway_room(settings), *_data_volume(settings)]
    problems += access.problems(settings.access, has_gateway=settings.gateway is not None)
    problems += _sign_on(settings)
    return problems + (_on_aws(settings, settings.host) if to_deploy and settings.cloud == "aws" else [])


def _chat(settings: StackSettings) -> list[str]:
    """The page is reached through the gateway, which is also what wakes the host for it."""
    if settings.chat_on is None or settings.gateway is not None:
        return []
    return [
        f"{_PREFIX}webui.host: {messages.show(settings.webui.host)} needs a gateway: without one nothing answers on "
        f"port {network.CHAT_PORT} while the host is off. Take away `{_PREFIX}gateway: none`, or set none here"
    ]


def _gateway_room(settings: StackSettings) -> Iterator[str]:
    """The gateway's memory, for all that runs there."""
    if settings.gateway is None:
        return
    page_mib = settings.webui.memory_mib if settings.chat_on == "gateway" else 0
    if said := gateway_memory.too_small(settings.gateway.instance_type, page_mib):
        less = f". A lower {_PREFIX}webui.memoryMiB, or {_PREFIX}webui: none, needs less" if page_mib else ""
        yield f"{_PREFIX}gateway.instanceType: {said}{less}"


def _data_volume(settings: StackSettings) -> Iterator[str]:
    """The gateway finds it by its id."""
    gateway = settings.gateway
    if gateway is None or not gateway.data_gib or instance_types.is_nitro(gateway.instance_type):
        return
    yield (
        f"{_PREFIX}gateway.instanceType: {gateway.instance_type} is older than EC2's Nitro system, and its data volume "
        f"would not be found there. Take e.g. t3.small, or set {_PREFIX}gateway.dataGiB: 0"
    )


def _sign_on(settings: StackSettings) -> Iterator[str]:
    webui = settings.webui
    if webui.oidc is not None:
        has_page, domain = settings.chat_on is not None, settings.access.domain
        yield from sign_on.problems(webui.oidc, has_page=has_page, domain=domain, sign_up=webui.sign_up)


def _on_aws(settings: StackSettings, host: Ec2Host) -> list[str]:
    """What only a stack on AWS must set, or cannot have."""
    return _to_set(settings, host) + [
        f"{_PREFIX}notify.webhooks[{index}].url: {notify.veiled(webhook.url)} is http, which works in the embedded "
        "cloud only: on AWS the notifier is outside your network. Use https"
        for index, webhook in enumerate(settings.notify.webhooks)
        if notify.is_http(webhook.url)
    ]


def _plain_secrets(settings: StackSettings) -> Iterator[str]:
    """A stack file is in version control; the embedded cloud's is nobody's but this computer's."""
    if settings.cloud != "aws":
        return
    oidc = settings.webui.oidc
    values = (settings.webui.admin_password, oidc.client_secret if oidc else None)
    for name, value in zip(_WEBUI_SECRETS, values, strict=True):
        path = f"{_PREFIX}webui.{name}"
        if value is not None:
            yield (
                f"{path} stands in the file in plain text. Take it away, and choose another: "
                f"`pulumi config set -s {settings.stack} --secret --path '{path}'` asks for it and encrypts it"
            )


def _control(settings: StackSettings) -> list[str]:
    """A stack that uses another's control has none of its own to set up."""
    control = settings.control
    if control.stack is None:
        return []
    if control.stack == settings.stack:
        return [f"{_PREFIX}control.stack: names this stack itself; leave it out for a control of its own"]
    idle = sorted(
        field.alias or name
        for name, field in Control.model_fields.items()
        if name in control.model_fields_set and name != "stack"
    )
    owner = stack_file(control.stack.rpartition("/")[2])
    return [
        f"{_PREFIX}control.{key} has no effect here: the control is that of stack `{control.stack}`; "
        f"take it away, or set it in {owner}"
        for key in idle
    ]


def _to_set(settings: StackSettings, host: Ec2Host) -> list[str]:
    """What has no default on AWS, because any default would be wrong or dangerous; each with its command."""
    command = f"pulumi config set -s {settings.stack} --path"
    problems = []
    if host.ssh_public_key is None:
        problems.append(
            f"{_PREFIX}host.sshPublicKey is not set. Make a key pair: `{KEYGEN}`, then "
            f'`{command} {_PREFIX}host.sshPublicKey "$(cat {KEY_FILE}.pub)"`; '
            f"`ssh-add {KEY_FILE}`, or `--identity {KEY_FILE}` on each `fab` command, lets SSH use it"
        )
    for key, who, value in (
        ("cidrs", "who may call the service", settings.access.cidrs),
        ("sshCidrs", "who may log in by SSH", settings.access.ssh_cidrs),
    ):
        if not value:
            problems.append(
                f"{_PREFIX}access.{key} is not set: {who}. "
                f"E.g. your own address: `{command} '{_PREFIX}access.{key}[0]' YOUR.ADDRESS/32`"
            )
    return problems
