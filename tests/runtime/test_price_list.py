"""`python -m runtime.price_list`: what is asked of AWS, over clients that answer in its shapes."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from core.money.prices import Item, refresh
from runtime import price_list
from tests.core.money.price_list import instance, product


class Clients:
    """Answers the questions about one type and gp3; all others with nothing."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, service: str, region: str) -> Clients:
        assert (service, region) in {("pricing", "us-east-1"), ("ec2", "eu-central-1")}
        return self

    def get_products(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        wanted = {f["Field"]: f["Value"] for f in asked["Filters"]}
        if wanted.get("instanceType"):
            return {"PriceList": [instance("g6.xlarge", "1.0064", prefix="EUC1-")]}
        if wanted.get("volumeApiName") and "NextToken" not in asked:
            return {"PriceList": [], "NextToken": "more"}
        return {"PriceList": [product("EUC1-EBS:VolumeUsage.gp3", "GB-Mo", ("0", "0.0952"))]}

    def describe_spot_price_history(self, **asked: Any) -> dict[str, Any]:
        assert asked["InstanceTypes"] == ["g6.xlarge"]
        return {"SpotPriceHistory": []}


def test_every_page_of_every_question_in_the_region() -> None:
    clients = Clients()
    told = {answer.item: answer for answer in price_list.ask("eu-central-1", ["g6.xlarge"], clients)}
    assert str(told["instance:g6.xlarge"].price) == "1.0064"
    assert str(told[Item.GP3_GIB_MONTH].price) == "0.0952"
    assert told[Item.GP3_IOPS_MONTH].why == "AWS told no price"
    assert told["spot:g6.xlarge"].why == "EC2 told no spot price"
    regions = {f["Value"] for asked in clients.asked for f in asked["Filters"] if f["Field"].endswith("egionCode")}
    assert regions == {"eu-central-1"}


def test_boto3_takes_the_questions_and_its_answers_are_read() -> None:
    client = boto3.client("pricing", region_name="us-east-1", config=Config(signature_version=UNSIGNED))
    (query,) = (q for q in refresh.QUERIES if q.item == Item.GP3_GIB_MONTH)
    with Stubber(client) as stub:
        asked = {"ServiceCode": "AmazonEC2", "Filters": refresh.filters(query, "us-east-1")}
        page = {"PriceList": [product("EBS:VolumeUsage.gp3", "GB-Mo", ("0", "0.08"))], "FormatVersion": "aws_v1"}
        stub.add_response("get_products", page, asked)
        (answer,) = refresh.read(query, price_list._products(client, query, "us-east-1"))
    client.close()
    assert str(answer.price) == "0.08"


def test_a_line_an_answer_and_a_refusal_in_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert price_list.main(["--region", "eu-central-1"], Anything()) == 0
    first, *_ = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == {"item": "gp3-gib-month", "price": None, "why": "AWS told no price"}
    assert price_list.main(["--region", "eu-central-1"], Refused()) == 1
    assert "AWS did not tell its prices: An error occurred (AccessDeniedException)" in capsys.readouterr().err


class Anything:
    def __call__(self, service: str, region: str) -> Anything:
        return self

    def get_products(self, **asked: Any) -> dict[str, Any]:
        return {"PriceList": []}

    def describe_spot_price_history(self, **asked: Any) -> dict[str, Any]:
        return {"SpotPriceHistory": []}


class Refused(Anything):
    def __call__(self, service: str, region: str) -> Refused:
        return self

    def get_products(self, **asked: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetProducts")
