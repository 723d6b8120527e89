"""Answers of AWS's pricing API in the shape that it has, with figures of us-east-1."""

from __future__ import annotations

import json
from typing import Any


def product(usage: str, unit: str, *steps: tuple[str, str], operation: str = "", **attributes: str) -> str:
    """One product of a GetProducts; `steps`: where a step of the price begins, and US dollars."""
    dimensions = {
        f"R.{n}": {"unit": unit, "beginRange": begin, "pricePerUnit": {"USD": usd}, "rateCode": f"R.{n}"}
        for n, (begin, usd) in enumerate(steps)
    }
    told: dict[str, Any] = {
        "product": {"sku": "S1", "attributes": {"usagetype": usage, "operation": operation, **attributes}},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {"S1.JRTCKXETXF": {"sku": "S1", "priceDimensions": dimensions, "termAttributes": {}}}},
        "version": "20261120000000",
        "publicationDate": "2026-11-20T00:00:00Z",
    }
    return json.dumps(told)


def instance(kind: str, usd: str, *, reserved: str = "", operation: str = "RunInstances", prefix: str = "") -> str:
    """An instance type on demand, with its reserved terms."""
    told = json.loads(product(f"{prefix}BoxUsage:{kind}", "Hrs", ("0", usd), operation=operation))
    if reserved:
        told["terms"]["Reserved"] = {
            f"S1.{n}": {
                "priceDimensions": {f"S1.{n}.1": {"unit": "Hrs", "beginRange": "0", "pricePerUnit": {"USD": price}}},
                "termAttributes": {"LeaseContractLength": years, "OfferingClass": kind_of, "PurchaseOption": option},
            }
            for n, (price, years, kind_of, option) in enumerate(
                [
                    (reserved, "1yr", "standard", "No Upfront"),
                    ("0.1", "3yr", "standard", "No Upfront"),
                    ("0.2", "1yr", "convertible", "No Upfront"),
                    ("0.0000000000", "1yr", "standard", "All Upfront"),
                ]
            )
        }
    return json.dumps(told)
