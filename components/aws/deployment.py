"""One stack on AWS, wired: settings in, outputs out. What each part is for stands in its own file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_random as random

from components import models
from components.aws import control_link, network, policies, preflight
from components.aws.alerts import Alerts, AlertsArgs
from components.aws.control import Control, ControlArgs
from components.aws.data_volume import DataVolume, DataVolumeArgs
from components.aws.firewall import Firewall, FirewallArgs, Tls
from components.aws.gateway_host import GatewayHost, GatewayHostArgs
from components.aws.gpu_host import GpuHost, GpuHostArgs
from components.aws.tags import Identity
from components.aws.unit import Unit, UnitArgs
from components.aws.webhooks import Webhooks, WebhooksArgs
from core.contract.documents import ControlLink, Outputs
from core.contract.network import API_PORT, CHAT_PORT
from core.contract.tags import guest_topic
from core.errors import SettingsError
from core.settings import Gateway, StackSettings, digest, skipped_types, stop_after_s, unit_settings

DEPLOYMENT_ID_BYTES = 8


@dataclass(frozen=True)
class Base:
    """What everything else stands on: whose it is, the control (own or shared) and its owner's id, and where."""

    identity: Identity
    control: pulumi.Output[ControlLink]
    control_id: pulumi.Output[str]
    where: network.Network


@dataclass(frozen=True)
class Site(Base):
    """What host and gateway share besides: the key that they are made with, and their security groups."""

    key_name: pulumi.Output[str]
    firewall: Firewall


def build(settings: StackSettings) -> dict[str, Any]:
    """Every resource of a stack; returns its outputs by the names in `core.contract.documents.Outputs`."""
    shared = control_link.shared(settings)  # what can fail, before anything is made
    key, where = _public_key(settings), network.find(settings)
    preflight.check(settings, where)
    identity = _identity(settings)
    if shared:
        alerts, base = _guest(settings, identity, shared, where)
    else:
        alerts, base = _owner(settings, identity, where)
    webhooks = _webhooks(settings, identity, alerts)
    site = _site(settings, base, key)
    host = _host(settings, site)
    gateway = _gateway(settings, settings.gateway, site) if settings.gateway else None
    volume = _data_volume(settings, site, gateway) if gateway else None
    _unit(settings, site, alerts, host)
    told: dict[str, Any] = {Outputs.WEBHOOK_KEY: webhooks.key} if webhooks else {}
    told[Outputs.GATEWAY_VOLUME_ID] = volume.volume.id if volume else ""
    return _outputs(settings, site, host, gateway) | {Outputs.ALERTS_TOPIC: alerts.topic.arn} | told


def _identity(settings: StackSettings) -> Identity:
    """The deployment id: drawn once, and never again (`protect`), or every condition and tag would change."""
    drawn = random.RandomId(
        f"{settings.stack}-deployment",
        byte_length=DEPLOYMENT_ID_BYTES,
        opts=pulumi.ResourceOptions(protect=settings.ec2.protect, ignore_changes=["byteLength", "keepers", "prefix"]),
    )
    return Identity(settings.stack, drawn.hex)


def _webhooks(settings: StackSettings, identity: Identity, alerts: Alerts) -> Webhooks | None:
    """None without a webhook: a queue that Lambda polls costs money while nothing happens."""
    if not settings.notify.webhooks:
        return None
    args = WebhooksArgs(
        identity=identity,
        topic_arn=alerts.topic.arn,
        webhooks=settings.notify.webhooks,
        log_retention_days=settings.control.log_retention_days,
    )
    return Webhooks(f"{settings.stack}-webhooks", args)


def _guest(
    settings: StackSettings, identity: Identity, link: ControlLink, where: network.Network
) -> tuple[Alerts, Base]:
    """No table and no reaper here: another stack's, which tells of this host by a topic of this stack."""
    topic = identity.deployment_id.apply(lambda own: guest_topic(link.deployment_id, own))
    alerts = Alerts(f"{settings.stack}-alerts", AlertsArgs(identity, settings.notify.email, topic))
    given = pulumi.Output.from_input
    return alerts, Base(identity, given(link), given(link.deployment_id), where)


def _owner(settings: StackSettings, identity: Identity, where: network.Network) -> tuple[Alerts, Base]:
    alerts = Alerts(f"{settings.stack}-alerts", AlertsArgs(identity, settings.notify.email))
    link = control_link.own(_control(settings, identity, alerts), identity, settings)
    return alerts, Base(identity, link, identity.deployment_id, where)


def _control(settings: StackSettings, identity: Identity, alerts: Alerts) -> Control:
    args = ControlArgs(
        identity=identity,
        topic_arn=alerts.topic.arn,
        instance_types=control_link.instance_types(settings),
        kms_key_arns=control_link.kms_key_arns(settings),
        plain_instances=settings.control.plain_instances,
        deletion_protection=settings.control.deletion_protection,
        log_retention_days=settings.control.log_retention_days,
    )
    return Control(f"{settings.stack}-control", args)


def _public_key(settings: StackSettings) -> str:
    if settings.ec2.ssh_public_key is None:
        raise SettingsError(
            f"Stack `{settings.stack}` has no pilotlight:host.sshPublicKey; the embedded cloud writes it into its own "
            "copy of the stack file. Run `make demo`, or `fab cloud.up`."
        )
    return settings.ec2.ssh_public_key


def _site(settings: StackSettings, base: Base, public_key: str) -> Site:
    access = settings.access
    args = FirewallArgs(
        base.identity,
        base.where.vpc_id,
        access.cidrs,
        access.ssh_cidrs,
        has_gateway=settings.gateway is not None,
        chat_on=settings.chat_on,
        tls=Tls.NONE if access.domain is None else Tls.ACME if access.by_acme else Tls.OWN,
    )
    tags = base.identity.tags("key")
    key = aws.ec2.KeyPair(f"{settings.stack}-key", public_key=public_key, tags=tags)
    firewall = Firewall(f"{settings.stack}-firewall", args)
    return Site(base.identity, base.control, base.control_id, base.where, key.key_name, firewall)


def _relay_policy(settings: StackSettings, site: Site) -> pulumi.Output[str]:
    known = pulumi.Output.all(site.identity.deployment_id, site.control)
    return known.apply(
        lambda a: json.dumps(
            policies.relay(
                deployment_id=a[0],
                table_arn=a[1].table_arn,
                unit=settings.unit,
                reaper_arn=a[1].reaper_arn,
                kms_key_arn=settings.ec2.kms_key_arn,
            )
        )
    )


def _host(settings: StackSettings, site: Site) -> GpuHost:
    wanted = settings.ec2
    agent = site.control.apply(lambda c: json.dumps(policies.host(table_arn=c.table_arn, unit=settings.unit)))
    args = GpuHostArgs(
        identity=site.identity,
        unit=settings.unit,
        control_id=site.control_id,
        instance_types=wanted.instance_types,
        image=site.where.host_image.id,
        subnet_id=site.where.host_subnet.id,
        group_id=site.firewall.host.id,
        key_name=site.key_name,
        # without a gateway the relay runs here too, and its policy has the agent's in it
        policy=agent if settings.gateway else _relay_policy(settings, site),
        disk_gib=wanted.disk_gib,
        disk_throughput_mibps=wanted.disk_throughput_mibps,
        kms_key_arn=wanted.kms_key_arn,
        stop_after_s=stop_after_s(settings.idle),
        max_lease_s=settings.idle.max_lease,
        protect=wanted.protect,
        skipped_types=skipped_types(settings, models.locked()),
        has_address=settings.gateway is None,
    )
    return GpuHost(f"{settings.stack}-host", args)


def _gateway(settings: StackSettings, wanted: Gateway, site: Site) -> GatewayHost:
    group = site.firewall.gateway
    assert group is not None, "the firewall has a gateway's group wherever there is a gateway"
    args = GatewayHostArgs(
        identity=site.identity,
        instance_type=wanted.instance_type,
        image=site.where.gateway_image.id,
        subnet_id=site.where.gateway_subnet.id,
        group_id=group.id,
        key_name=site.key_name,
        policy=_relay_policy(settings, site),
        disk_gib=wanted.disk_gib,
    )
    return GatewayHost(f"{settings.stack}-gateway", args)


def _data_volume(settings: StackSettings, site: Site, gateway: GatewayHost) -> DataVolume | None:
    """None where `gateway.dataGiB` is 0: what it would have is on the gateway's root disk."""
    wanted = settings.gateway
    if wanted is None or not wanted.data_gib:
        return None
    args = DataVolumeArgs(
        identity=site.identity,
        instance_id=gateway.instance.id,
        zone=site.where.gateway_subnet.zone,
        gib=wanted.data_gib,
        snapshots=wanted.snapshots if settings.cloud == "aws" else 0,  # moto has no Data Lifecycle Manager
        protect=settings.ec2.protect,
    )
    return DataVolume(f"{settings.stack}-gateway-data", args)


def _unit(settings: StackSettings, site: Site, alerts: Alerts, host: GpuHost) -> None:
    known = pulumi.Output.all(host.instance.id, alerts.topic.arn)
    skipped = skipped_types(settings, models.locked())
    body = known.apply(
        lambda a: unit_settings(settings, instance_id=a[0], alerts_topic_arn=a[1], skipped_types=skipped).to_json()
    )
    Unit(f"{settings.stack}-unit", UnitArgs(site.control.apply(lambda c: c.table), settings.unit, body))


def _outputs(settings: StackSettings, site: Site, host: GpuHost, gateway: GatewayHost | None) -> dict[str, Any]:
    front = gateway or host
    return {
        Outputs.DEPLOYMENT_ID: site.identity.deployment_id,
        Outputs.REGION: settings.region,
        Outputs.UNIT: settings.unit,
        Outputs.TABLE: site.control.apply(lambda c: c.table),
        Outputs.REAPER: site.control.apply(lambda c: c.reaper),
        Outputs.CONTROL: site.control.apply(lambda c: c.to_json()),
        Outputs.HOST_INSTANCE_ID: host.instance.id,
        Outputs.HOST_PRIVATE_IP: host.instance.private_ip,
        Outputs.GATEWAY_INSTANCE_ID: gateway.instance.id if gateway else "",
        Outputs.GATEWAY_PRIVATE_IP: gateway.instance.private_ip if gateway else "",
        Outputs.GATEWAY_ADDRESS: front.address,
        Outputs.API_URL: _url(settings, front, f":{API_PORT}/v1"),
        Outputs.SSH_USER: settings.host.ssh_user,
        Outputs.SETTINGS_DIGEST: digest(settings),
    } | _chat_outputs(settings, front)


def _url(settings: StackSettings, front: GatewayHost | GpuHost, rest: str) -> pulumi.Output[str]:
    """Where callers find a port: by the stack's domain with TLS, else by address without."""
    if domain := settings.access.domain:
        return pulumi.Output.from_input(f"https://{domain}{rest}")
    return pulumi.Output.concat("http://", front.address, rest)


def _chat_outputs(settings: StackSettings, front: GatewayHost | GpuHost) -> dict[str, Any]:
    """Where the page is, and as secrets the first account's password and single sign-on's, where the file has them."""
    if settings.chat_on is None:
        return {Outputs.CHAT_URL: ""}
    found: dict[str, Any] = {Outputs.CHAT_URL: _url(settings, front, f":{CHAT_PORT}")}
    if password := settings.webui.admin_password:
        found[Outputs.WEBUI_PASSWORD] = pulumi.Output.secret(password)
    if (oidc := settings.webui.oidc) and oidc.client_secret:
        found[Outputs.WEBUI_OIDC_SECRET] = pulumi.Output.secret(oidc.client_secret)
    return found
