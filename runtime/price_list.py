"""Ask AWS for its prices: `python -m runtime.price_list --region us-east-1`, run by `fab prices --refresh` on your
computer, with your credentials (rights: pricing:GetProducts, ec2:DescribeSpotPriceHistory).

It prints a JSON object a line: `item` with its `price`, or `why` there is none. The questions and what the answers mean
are `core/money/prices/refresh.py`'s. AWS's pricing API is free, and answers in us-east-1 for all regions.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from core.money.prices import refresh
from core.money.prices.refresh import Answer, Query
from runtime import aws

API_REGION: Final = "us-east-1"
PAGES_MAX: Final = 20  # of a hundred products each; one question is about a handful
CALL_S: Final = 20.0

Client = Callable[[str, str], Any]  # (service, region) → a boto3 client


def real(service: str, region: str) -> Any:
    """AWS's own client."""
    return aws.client(service, region, read_timeout_s=CALL_S)


def ask(region: str, instance_types: Iterable[str], client: Client = real) -> Iterator[Answer]:
    """Every price of a region, as AWS tells it now."""
    kinds = list(instance_types)
    for query in refresh.queries(kinds):
        yield from refresh.read(query, _products(client("pricing", API_REGION), query, region))
    for kind in kinds:
        yield refresh.spot(kind, _spot(client("ec2", region), kind))


def _products(client: Any, query: Query, region: str) -> list[str]:
    found: list[str] = []
    more: dict[str, str] = {}
    for _ in range(PAGES_MAX):
        page = client.get_products(ServiceCode=query.service, Filters=refresh.filters(query, region), **more)
        found += page["PriceList"]
        if not page.get("NextToken"):
            break
        more = {"NextToken": page["NextToken"]}
    return found


def _spot(client: Any, kind: str) -> list[Any]:
    answer = client.describe_spot_price_history(
        InstanceTypes=[kind], ProductDescriptions=[refresh.PRODUCT], StartTime=datetime.now(UTC)
    )
    return list(answer["SpotPriceHistory"])


def as_line(answer: Answer) -> str:
    """One answer as it is printed."""
    price = None if answer.price is None else str(answer.price)
    return json.dumps({"item": answer.item, "price": price, "why": answer.why})


def main(argv: list[str] | None = None, client: Client = real) -> int:
    """Exit code 1: AWS refused or did not answer; what it said is on standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", required=True)
    region = parser.parse_args(argv).region
    try:
        for answer in ask(region, refresh.instance_types(), client):
            sys.stdout.write(as_line(answer) + "\n")
            sys.stdout.flush()
    except aws.errors() as error:
        sys.stderr.write(f"AWS did not tell its prices: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
