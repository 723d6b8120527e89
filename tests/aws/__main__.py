"""`make test-aws`: asleep is no drift, in your own AWS account, with the real provider. Opt-in; costs about a cent.

Makes one t4g.small in the default VPC by the GpuHost component, and then: up → stop → refresh → up → type change by
API → refresh → up. Nothing may change, and the machine must stay stopped. At the end everything is destroyed; if that
fails, what is left is named. It was never run where this project was made (no account there): see README.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from core.errors import PilotlightError, SetupError
from core.money import prices
from core.money.prices import Item, Market
from local import trust
from tests.aws import scenario

SWITCH = "PILOTLIGHT_TEST_AWS"
HOURS = 0.5  # far more than it takes


def refuse(environment: Mapping[str, str]) -> None:
    """SetupError unless the user has said yes, and to the real AWS."""
    if environment.get(SWITCH) != "yes":
        raise SetupError(
            f"This makes a machine in your AWS account. {estimate()} Say yes with `{SWITCH}=yes make test-aws`."
        )
    redirected = sorted(name for name, value in environment.items() if name.startswith("AWS_ENDPOINT_URL") and value)
    if redirected:
        raise SetupError(f"{', '.join(redirected)} sends AWS calls elsewhere. Run `unset {' '.join(redirected)}`.")


def estimate() -> str:
    """What it may cost, from the price table."""
    machine = prices.figure(scenario.REGION, f"{Market.ON_DEMAND}:{scenario.FIRST_TYPE}")
    address = prices.price(scenario.REGION, Item.PUBLIC_IPV4_HOUR)
    disk = scenario.DISK_GIB * prices.price(scenario.REGION, Item.GP3_GIB_MONTH) / prices.HOURS_A_MONTH
    most = float(machine.price + address + disk) * HOURS
    return f"At most ${most:.3f} (prices of {machine.read}, {scenario.REGION}, {HOURS} h)."


def account() -> str:
    """The account that the credentials belong to; SetupError where there are none."""
    try:
        return str(boto3.client("sts", region_name=scenario.REGION).get_caller_identity()["Account"])
    except (BotoCoreError, ClientError) as error:
        raise SetupError(f"AWS does not know you ({error}). Run `aws sso login` or `aws configure`.") from error


def main() -> int:
    """The whole test; exit code 0 where nothing drifted."""
    try:
        refuse(os.environ)
        os.environ.update(trust.environment(os.environ))
        print(f"account {account()}, {scenario.REGION}. {estimate()}")
        scenario.run(boto3.client("ec2", region_name=scenario.REGION), print)
    except PilotlightError as error:
        print(error, file=sys.stderr)
        return 1
    print("A stopped and a type-swapped host are no drift.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
