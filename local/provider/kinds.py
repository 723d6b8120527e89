"""Every resource kind, by its token. A new one is added to `ALL`."""

from __future__ import annotations

from typing import Final

from local.provider.addresses import Eip, EipAssociation, KeyPair
from local.provider.event_sources import EventSourceMapping
from local.provider.functions import Function, FunctionEventInvokeConfig
from local.provider.instances import Instance
from local.provider.kind import Kind
from local.provider.parameters import Parameter
from local.provider.queues import Queue, QueuePolicy
from local.provider.random_ids import RandomBytes, RandomId
from local.provider.roles import InstanceProfile, Policy, Role, RolePolicy, RolePolicyAttachment
from local.provider.schedules import Schedule
from local.provider.security_groups import EgressRule, IngressRule, SecurityGroup
from local.provider.tables import Table, TableItem
from local.provider.topics import Topic, TopicSubscription
from local.provider.volumes import Volume, VolumeAttachment
from local.provider.watching import LogGroup, MetricAlarm

ALL: Final[tuple[type[Kind], ...]] = (
    EgressRule,
    Eip,
    EipAssociation,
    EventSourceMapping,
    Function,
    FunctionEventInvokeConfig,
    IngressRule,
    Instance,
    InstanceProfile,
    KeyPair,
    LogGroup,
    MetricAlarm,
    Parameter,
    Policy,
    Queue,
    QueuePolicy,
    RandomBytes,
    RandomId,
    Role,
    RolePolicy,
    RolePolicyAttachment,
    Schedule,
    SecurityGroup,
    Table,
    TableItem,
    Topic,
    TopicSubscription,
    Volume,
    VolumeAttachment,
)
KINDS: Final[dict[str, type[Kind]]] = {kind.token: kind for kind in ALL}
