"""The control that a stack stands on: its own, or by `pilotlight:control.stack` that of another stack.

A stack says in its output `control` all that a guest of its control needs (`core.contract.documents.ControlLink`). A
guest reads it before anything is made, by the engine's own function behind StackReference: as a resource a reference to
a stack that is not there ends the program with the engine's words, and its values are not plain ones that can be
checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pulumi
from pulumi.runtime import invoke

from components.aws.control import Control
from components.aws.tags import Identity
from core.contract.documents import SCHEMA_VERSION, ControlLink, Outputs
from core.errors import ContractError, SettingsError
from core.settings import StackSettings, stack_file

READ: Final = "pulumi:pulumi:readStackOutputs"


def shared(settings: StackSettings) -> ControlLink | None:
    """The link to the other stack's control; None: the stack has its own. SettingsError where it cannot be used."""
    named = settings.control.stack
    if named is None:
        return None
    here = f"{pulumi.get_organization()}/{pulumi.get_project()}"
    name = named if "/" in named else f"{here}/{named}"
    if name == f"{here}/{settings.stack}":
        raise SettingsError(f"{_where(settings)}: names this stack itself; leave it out for a control of its own.")
    try:
        outputs = invoke(READ, {"name": name}).value["outputs"]
    except Exception as error:  # the SDK raises bare Exception for whatever the engine answers
        raise SettingsError(
            f"{_where(settings)}: Pulumi does not tell the outputs of `{name}` ({_last(error)}). "
            f"Make that stack first: `pulumi up -s {named}`."
        ) from error
    return check(outputs, settings)


def check(outputs: Mapping[str, Any], settings: StackSettings) -> ControlLink:
    """The link in another stack's outputs. SettingsError: there is none, or it does not fit this stack."""
    named = settings.control.stack
    text = outputs.get(Outputs.CONTROL)
    if not text:
        raise SettingsError(
            f"{_where(settings)}: stack `{named}` has no output `{Outputs.CONTROL}`: it was not made yet, or by an "
            f"older version. Run `pulumi up -s {named}` from this checkout first."
        )
    try:
        link = ControlLink.from_json(text)
    except ContractError as error:
        raise SettingsError(f"{_where(settings)}: {error} First for the control: `pulumi up -s {named}`.") from error
    if link.deployment_id != outputs.get(Outputs.DEPLOYMENT_ID):
        raise SettingsError(
            f"{_where(settings)}: `{named}` has no control of its own; it uses that of `{link.stack}`. "
            f"Write `stack: {link.stack}`."
        )
    if problem := _misfit(link, settings):
        raise SettingsError(f"{_where(settings)}: {problem}")
    return link


def _misfit(link: ControlLink, settings: StackSettings) -> str:
    """Why the other stack's reaper could not drive this stack's host, and what helps; "" where it can."""
    if link.region != settings.region:
        return (
            f"the control of `{link.stack}` is in {link.region}, this stack in {settings.region}; a reaper drives the "
            "machines of its own region. Name a control there, or leave it out for an own one."
        )
    file, then = stack_file(link.stack), f"then `pulumi up -s {link.stack}` and this again."
    more = [t for t in settings.ec2.instance_types if t not in link.instance_types]
    if more:
        return (
            f"the reaper of `{link.stack}` may not set the type {', '.join(more)} of this stack's ladder. "
            f"Add it to pilotlight:control.instanceTypes in {file}, {then}"
        )
    key = settings.ec2.kms_key_arn
    if key is not None and key not in link.kms_key_arns:
        return (
            f"the reaper of `{link.stack}` may not use this stack's key {key}, so it could not start the host. "
            f"Add it to pilotlight:control.kmsKeyArns in {file}, {then}"
        )
    return ""


def own(control: Control, identity: Identity, settings: StackSettings) -> pulumi.Output[ControlLink]:
    """The link of a stack's own control."""
    table, reaper = control.table, control.reaper
    known = pulumi.Output.all(identity.deployment_id, table.name, table.arn, reaper.name, reaper.arn)
    return known.apply(
        lambda a: ControlLink(
            schema_version=SCHEMA_VERSION,
            stack=settings.stack,
            deployment_id=a[0],
            region=settings.region,
            table=a[1],
            table_arn=a[2],
            reaper=a[3],
            reaper_arn=a[4],
            instance_types=instance_types(settings),
            kms_key_arns=kms_key_arns(settings),
        )
    )


def instance_types(settings: StackSettings) -> tuple[str, ...]:
    """Every type that an own reaper may set: this host's ladder, and what is said for those who share it."""
    return tuple(dict.fromkeys((*settings.ec2.instance_types, *settings.control.instance_types)))


def kms_key_arns(settings: StackSettings) -> tuple[str, ...]:
    """Every key that an own reaper may use: this host's, and what is said for those who share it."""
    mine = settings.ec2.kms_key_arn
    return tuple(dict.fromkeys((*([mine] if mine else []), *settings.control.kms_key_arns)))


def _where(settings: StackSettings) -> str:
    return f"{stack_file(settings.stack)}: pilotlight:control.stack"


def _last(error: Exception) -> str:
    """The engine's own words, without what invoked what."""
    return str(error).rpartition("returned an error: ")[2].strip()
