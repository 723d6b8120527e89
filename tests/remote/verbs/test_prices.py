"""`fab prices`: the table, its age, and the table that AWS's answers make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from core.errors import DeployError
from core.money import prices
from core.money.prices import PriceUnknown
from remote.verbs import prices as verbs_prices

NOW = datetime(2026, 11, 25, tzinfo=UTC).timestamp()


def test_a_region_with_the_age_of_its_prices() -> None:
    found = verbs_prices.listed("", NOW)
    assert found.region == "us-east-1"
    record = found.as_dict()
    row = next(r for r in record["prices"] if r["item"] == "instance:g6.xlarge")
    assert (row["price"], row["currency"], row["read"]) == ("0.8048", "USD", "2026-08-17")
    assert "are older than 90 days" in record["stale"]
    with pytest.raises(PriceUnknown, match="mars-1"):
        verbs_prices.listed("mars-1", NOW)


def answering(out: str, code: int = 0, err: str = "") -> verbs_prices.Run:
    def ask(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        assert command[1:] == ["-m", "runtime.price_list", "--region", "us-east-1"]
        return subprocess.CompletedProcess(command, code, out, err)

    return ask


@pytest.fixture
def path(tmp_path: Path) -> Path:
    copy = tmp_path / "aws.py"
    copy.write_text((verbs_prices.ROOT / prices.WHERE).read_text())
    return copy


def test_new_figures_are_written_with_their_day(path: Path) -> None:
    out = (
        '{"item": "instance:g6.xlarge", "price": "0.79", "why": ""}\n'
        '{"item": "instance:g5.xlarge", "price": "1.006", "why": ""}\n'
        '{"item": "reserved-1y:g6.xlarge", "price": "0.5", "why": ""}\n'
        '{"item": "gp3-gib-month", "price": null, "why": "AWS told no price"}\n'
    )
    done = verbs_prices.refreshed("", NOW, path=path, ask=answering(out))
    assert done.changed[0] == ("instance:g6.xlarge", Decimal("0.8048"), Decimal("0.79"))
    assert done.same == 1
    assert list(verbs_prices.lines(done)) == [
        "instance:g6.xlarge: 0.8048 → 0.79 USD",
        "reserved-1y:g6.xlarge: new 0.5 USD",
        "gp3-gib-month: as it was; AWS told no price",
        "us-east-1: 2 prices changed, 1 are the same. Commit core/money/prices/aws.py.",
    ]
    rows = [line.split() for line in path.read_text().splitlines() if line.startswith("us-east-1")]
    assert ["us-east-1", "instance:g6.xlarge", "0.79", "2026-11-25", "aws-price-list"] in rows
    assert ["us-east-1", "gp3-gib-month", "0.08", "2026-09-25", "list-api-reading"] in rows


def test_a_table_that_does_not_fit_on_the_disk_leaves_the_old_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_text()
    full = os.open("/dev/full", os.O_WRONLY)
    monkeypatch.setattr("tempfile.mkstemp", lambda **_: (full, str(path.with_name("part"))))
    with pytest.raises(DeployError, match=r"aws\.py cannot be written: No space left on device\. It is as it was"):
        verbs_prices.refreshed("", NOW, path=path, ask=answering(""))
    assert path.read_text() == before


def test_an_aws_that_never_answers_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs_prices, "ASKING_S", 0.0)
    with pytest.raises(DeployError, match="AWS did not answer within 0 s"):
        verbs_prices.run(["sleep", "60"])


def test_where_aws_does_not_answer_nothing_is_written(path: Path) -> None:
    before = path.read_text()
    with pytest.raises(DeployError, match=r"no credentials The table is as it was|no credentials"):
        verbs_prices.refreshed("", NOW, path=path, ask=answering("", 1, "Traceback\nAWS: no credentials\n"))
    assert path.read_text() == before
