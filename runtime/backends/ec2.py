"""EC2 instances: leases in DynamoDB, power by EC2's API, notifications by SNS, a reaper that Lambda runs.

Imports no boto3 by itself; the stores and powers do when they are first asked.
"""

from __future__ import annotations

import json

from core.contract.documents import EVENT_UNIT, Place
from runtime import aws
from runtime.backends import Backend
from runtime.backends.leases.dynamodb import DynamoLeaseStore
from runtime.backends.notifications.sns import SnsNotifications
from runtime.backends.power.ec2 import call
from runtime.backends.power.fleet import Ec2Fleet
from runtime.backends.power.metadata import instance_type
from runtime.backends.power.plain import PlainPower


def open(place: Place) -> Backend:
    """A table and machines of one region."""
    power = Ec2Fleet(place.region, place.control)
    return Backend(
        leases=DynamoLeaseStore(place.table, place.region),
        power=power,
        notifications=SnsNotifications(place.region),
        ask_reaper=lambda unit: _invoke(place, unit),
        prepare=power.prepare,
        given_up=aws.given_up,
        instance_type=instance_type,
        plain=PlainPower(place.region),
    )


def _invoke(place: Place, unit: str) -> None:
    """Run the reaper's function for this unit now, without waiting for its answer."""
    payload = json.dumps({EVENT_UNIT: unit}).encode()
    call(place.region, "lambda", "invoke", FunctionName=place.reaper, InvocationType="Event", Payload=payload)
