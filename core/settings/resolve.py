"""Profile and settings together: what the reaper is told. The stack file's own words win over its profile's."""

from __future__ import annotations

from core.capacity import ladder
from core.contract.documents import SCHEMA_VERSION, ServiceRoute, UnitSettings
from core.money import Shape
from core.money.prices import PriceUnknown
from core.profiles import PROFILES, Schedule
from core.settings import services
from core.settings.hosts import Ec2Host
from core.settings.model import Idle, StackSettings


def stop_after_s(idle: Idle) -> float | None:
    """Seconds without demand after which the host stops; None: never for being idle, by `off` or by the profile."""
    if idle.stop_after is None:
        return PROFILES[idle.profile].stop_after_s
    return idle.stop_after or None


def schedule(idle: Idle) -> Schedule:
    """When the host is on, whether anybody asks or not."""
    return idle.schedule.pair() if idle.schedule else PROFILES[idle.profile].schedule


def unit_settings(
    settings: StackSettings, *, instance_id: str, alerts_topic_arn: str, skipped_types: ladder.Skipped = ladder.NONE
) -> UnitSettings:
    """The `settings` item's body; what `up` learns from the cloud and finds by sizing comes beside the settings."""
    idle, times = settings.idle, schedule(settings.idle)
    return UnitSettings(
        schema_version=SCHEMA_VERSION,
        stack=settings.stack,
        unit=settings.unit,
        instance_id=instance_id,
        region=settings.region,
        profile=idle.profile,
        stop_after_s=stop_after_s(idle),
        schedule_on=times.start_at,
        schedule_off=times.stop_at,
        time_zone=idle.time_zone,
        max_lease_s=idle.max_lease,
        max_silence_s=idle.max_silence,
        hard_cap_s=idle.hard_cap,
        start_timeout_s=idle.start_timeout,
        instance_types=settings.host.instance_types if isinstance(settings.host, Ec2Host) else (),
        monthly_budget_usd=settings.budget.monthly_usd if settings.budget else None,
        daily_budget_usd=settings.budget.daily_usd if settings.budget else None,
        alerts_topic_arn=alerts_topic_arn,
        skipped_types=dict(skipped_types),
        engine_timeout_s=idle.engine_timeout,
    )


def service_routes(settings: StackSettings) -> tuple[ServiceRoute, ...]:
    """What callers name, who answers, and what the relay does on the way."""
    return tuple(services.route(name, service, settings.templates) for name, service in settings.services.items())


def needs_gpu(settings: StackSettings) -> bool:
    """An engine runs on the GPU."""
    return any(engine.device == "gpu" for engine in settings.engines.values())


def shape(settings: StackSettings) -> Shape:
    """What of the stack costs money, at its preferred instance type. PriceUnknown: a machine of one's own."""
    gateway, host = settings.gateway, settings.host
    if not isinstance(host, Ec2Host):
        raise PriceUnknown("what a machine of your own costs is not known here")
    return Shape(
        region=settings.region,
        host_type=host.instance_types[0],
        host_disk_gib=host.disk_gib,
        host_disk_mibps=host.disk_throughput_mibps,
        gateway_type=gateway.instance_type if gateway else "",
        gateway_disk_gib=gateway.disk_gib + gateway.data_gib if gateway else 0,
    )
