"""`python -m runtime.cost_explorer`: what is asked of AWS, and its answers, by the shapes that boto3 knows."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.stub import Stubber

from runtime import cost_explorer

ASKED: dict[str, Any] = {
    "TimePeriod": {"Start": "2026-11-23", "End": "2026-11-25"},
    "Granularity": "DAILY",
    "Metrics": ["UnblendedCost"],
    "Filter": {"Tags": {"Key": "pilotlight:stack", "Values": ["qwen7b"]}},
    "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}],
}


def day(start: str, end: str, *services: tuple[str, str], estimated: bool = False) -> dict[str, Any]:
    groups = [{"Keys": [n], "Metrics": {"UnblendedCost": {"Amount": a, "Unit": "USD"}}} for n, a in services]
    return {"TimePeriod": {"Start": start, "End": end}, "Total": {}, "Groups": groups, "Estimated": estimated}


def test_every_page_is_read_by_day_and_service(capsys: pytest.CaptureFixture[str]) -> None:
    client = boto3.client("ce", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    first = day("2026-11-23", "2026-11-24", ("EC2 - Other", "1.25"), ("Amazon EC2", "3.5"))
    second = day("2026-11-24", "2026-11-25", ("Amazon EC2", "0.5"), estimated=True)
    with Stubber(client) as stub:
        stub.add_response("get_cost_and_usage", {"ResultsByTime": [first], "NextPageToken": "more"}, ASKED)
        stub.add_response("get_cost_and_usage", {"ResultsByTime": [second]}, ASKED | {"NextPageToken": "more"})
        words = ["--stack", "qwen7b", "--start", "2026-11-23", "--end", "2026-11-25"]
        assert cost_explorer.main(words, lambda service, region: client) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(t["day"], t["service"], t["amount"], t["estimated"]) for t in told] == [
        ("2026-11-23", "EC2 - Other", "1.25", False),
        ("2026-11-23", "Amazon EC2", "3.5", False),
        ("2026-11-24", "Amazon EC2", "0.5", True),
    ]
    with Stubber(client) as stub:
        stub.add_client_error("get_cost_and_usage", "AccessDeniedException", "no")
        assert cost_explorer.main(words, lambda service, region: client) == 1
    client.close()
    assert "AWS did not tell what it billed" in capsys.readouterr().err
