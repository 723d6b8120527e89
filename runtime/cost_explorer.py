"""Ask AWS what it billed: `python -m runtime.cost_explorer --stack qwen7b --start 2026-11-01 --end 2026-11-25`, run by
`fab cost --reconcile` on your computer, with your credentials (right: ce:GetCostAndUsage; AWS takes $0.01 a request).

It prints a JSON object a line: `day` (UTC), `service`, `amount`, `currency`, and whether it is `estimated` still. Costs
are found by the tag that every resource of a stack has, once that tag counts as a cost allocation tag.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from core.contract.tags import TAG_STACK
from runtime import aws

API_REGION: Final = "us-east-1"
METRIC: Final = "UnblendedCost"
PAGES_MAX: Final = 50
CALL_S: Final = 20.0

Client = Callable[[str, str], Any]  # (service, region) → a boto3 client


def real(service: str, region: str) -> Any:
    """AWS's own client."""
    return aws.client(service, region, read_timeout_s=CALL_S)


def ask(stack: str, start: str, end: str, client: Client = real) -> Iterator[dict[str, Any]]:
    """Every day from `start` until before `end` (dates), by service. A day on which nothing was billed has no line."""
    more: dict[str, str] = {}
    for _ in range(PAGES_MAX):
        page = client("ce", API_REGION).get_cost_and_usage(
            TimePeriod={"Start": start, "End": end},
            Granularity="DAILY",
            Metrics=[METRIC],
            Filter={"Tags": {"Key": TAG_STACK, "Values": [stack]}},
            GroupBy=[{"Type": "DIMENSION", "Key": "SERVICE"}],
            **more,
        )
        for day in page["ResultsByTime"]:
            yield from _day(day)
        if not page.get("NextPageToken"):
            return
        more = {"NextPageToken": page["NextPageToken"]}


def _day(day: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for group in day["Groups"]:
        cost = group["Metrics"][METRIC]
        told = {"day": day["TimePeriod"]["Start"], "service": group["Keys"][0]}
        yield told | {"amount": cost["Amount"], "currency": cost["Unit"], "estimated": bool(day.get("Estimated"))}


def main(argv: list[str] | None = None, client: Client = real) -> int:
    """Exit code 1: AWS refused or did not answer; what it said is on standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("stack", "start", "end"):
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args(argv)
    try:
        for line in ask(arguments.stack, arguments.start, arguments.end, client):
            sys.stdout.write(json.dumps(line) + "\n")
    except aws.errors() as error:
        sys.stderr.write(f"AWS did not tell what it billed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
