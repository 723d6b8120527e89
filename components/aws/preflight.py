"""What would make `up` fail, or the machines useless, found before anything is made: each with what mends it.

The sentences are `core/capacity/preflight.py`'s and `core/capacity/quotas.py`'s; here AWS is asked for the facts. What
AWS refuses to tell is a warning and not a failure: the check is left out, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pulumi
import pulumi_aws as aws

from components import models
from components.aws.lookups import if_allowed, if_answered
from components.aws.network import GATEWAY_SUBNET, HOST_SUBNET, Network
from core.capacity import instance_types, preflight, quotas
from core.capacity.preflight import Key
from core.errors import SettingsError
from core.settings import StackSettings, engine_problems, unknown_models


def check(settings: StackSettings, where: Network) -> None:
    """SettingsError with every problem, one a line."""
    problems = [
        *_engines(settings),
        *_subnets(settings, where),
        *_images(settings, where),
        *_key(settings),
        *_quotas(settings),
    ]
    if problems:
        raise SettingsError("\n".join(f"{problem}." for problem in problems))


def _engines(settings: StackSettings) -> Iterator[str]:
    """Whether the engines fit the host's GPUs; of a model whose size nobody has looked up that is said, not refused."""
    locked = models.locked()
    for text in unknown_models(settings, locked):
        look = f"`fab size {text} --lock` looks it up"
        pulumi.log.warn(f"whether {text} fits the host is not checked, since its size is not known: {look}")
    yield from engine_problems(settings, locked)


def _subnets(settings: StackSettings, where: Network) -> Iterator[str]:
    host, gateway = where.host_subnet, where.gateway_subnet
    yield from preflight.front_subnet(gateway, GATEWAY_SUBNET if settings.gateway else HOST_SUBNET)
    if settings.gateway:
        yield from preflight.host_subnet(host)
    yield from preflight.subnet_pair(host, gateway)
    types = settings.ec2.instance_types
    if host.named_by:
        yield from preflight.zone(host, settings.ec2.zone, {t: where.offers[t] for t in types if t in where.offers})
    if settings.gateway and gateway.named_by:
        kind = settings.gateway.instance_type
        yield from preflight.zone(gateway, "auto", {kind: where.offers[kind]} if kind in where.offers else {})


def _images(settings: StackSettings, where: Network) -> Iterator[str]:
    host, gateway = settings.ec2, settings.gateway
    first = host.instance_types[0]
    wanted = instance_types.architecture(first)
    yield from preflight.image(where.host_image, "pilotlight:host", host.disk_gib, wanted, first)
    if gateway:
        kind = gateway.instance_type
        wanted = instance_types.architecture(kind)
        yield from preflight.image(where.gateway_image, "pilotlight:gateway", gateway.disk_gib, wanted, kind)


def _key(settings: StackSettings) -> Iterator[str]:
    arn = settings.ec2.kms_key_arn
    if arn is None:
        return
    elsewhere = list(preflight.key_region(arn, settings.region))
    yield from elsewhere
    if elsewhere:
        return  # asking this region for it would only say "not found"
    found = if_allowed(
        lambda: aws.kms.get_key(key_id=arn),
        f"the KMS key {arn} (pilotlight:host.kmsKeyArn)",
        "kms:DescribeKey",
        "Whether it can encrypt the disk is not checked.",
    )
    if found is not None:
        yield from preflight.key(Key(arn, found.key_state, found.key_usage, found.customer_master_key_spec))


def _quotas(settings: StackSettings) -> Iterator[str]:
    host = _vcpus(settings.ec2.instance_types)
    gateway = _vcpus((settings.gateway.instance_type,) if settings.gateway else ())
    for demand in quotas.demands(host, gateway):
        question = partial(
            aws.servicequotas.get_service_quota, service_code=quotas.SERVICE, quota_code=demand.quota.code
        )
        found = if_answered(
            question,
            f'the account\'s quota "{demand.quota.name}" ({demand.quota.code})',
            "servicequotas:GetServiceQuota and servicequotas:GetAWSDefaultServiceQuota",
            f"Whether it suffices for {demand.vcpus} vCPUs is not checked.",
        )
        if found is not None and (short := quotas.shortage(demand, found.value, settings.region)):
            yield short


def _vcpus(types: tuple[str, ...]) -> dict[str, int]:
    """vCPUs of each type that counts against a quota we know; a type that AWS does not tell is left out."""
    found = {kind: _type(kind) for kind in types if quotas.quota(kind)}
    return {kind: int(shape.default_vcpus) for kind, shape in found.items() if shape is not None}


def _type(kind: str) -> aws.ec2.GetInstanceTypeResult | None:
    consequence = "Whether the account's quota suffices for it is not checked."
    question = partial(aws.ec2.get_instance_type, instance_type=kind)
    return if_allowed(question, f"how many vCPUs {kind} has", "ec2:DescribeInstanceTypes", consequence)
