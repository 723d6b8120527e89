"""What deploy time hands to run time is checked in its parts too: a wrong value is named where it is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.contract.documents import HostConfig, RelayConfig
from core.errors import ContractError

ENGINE = {"name": "tiny", "address": "10.0.0.1", "port": 8100}
PLACE = {"kind": "ec2", "region": "us-east-1", "table": "t", "control": "", "reaper": ""}
HOST: dict[str, Any] = {
    "schema_version": 1, "stack": "lab", "unit": "lab/host", "place": PLACE, "instance_id": "i-1", "engines": [ENGINE],
    "max_silence_s": 1800.0,
}  # fmt: skip
UNIT = {
    "unit": "lab/host", "place": PLACE, "instance_id": "i-1", "engines": [ENGINE],
    "services": [{"name": "chat", "engine": "tiny"}], "start_timeout_s": 300.0,
}  # fmt: skip
RELAY: dict[str, Any] = {
    "schema_version": 1, "stack": "lab", "units": [UNIT], "queue_timeout_s": 540.0, "queue_max": 10,
}  # fmt: skip


def test_they_are_read() -> None:
    assert HostConfig.from_json(json.dumps(HOST)).place.region == "us-east-1"
    assert RelayConfig.from_json(json.dumps(RELAY)).units[0].engines[0].port == 8100


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"place": PLACE | {"region": 7}}, r"HostConfig\.place: region is 7, not str"),
        ({"place": PLACE | {"colour": "red"}}, r"HostConfig\.place: unknown keys \['colour'\]"),
        ({"place": "ec2"}, r"HostConfig\.place is a JSON object, not str"),
        ({"engines": [ENGINE | {"port": "8100"}]}, r"HostConfig\.engines\[0\]: port is '8100', not int"),
        ({"engines": ENGINE}, r"HostConfig\.engines is a list, not dict"),
    ],
)
def test_a_wrong_part_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        HostConfig.from_dict(HOST | change)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"instance_id": None}, r"RelayConfig\.units\[0\]: instance_id is None"),
        ({"start_timeout_s": float("nan")}, r"RelayConfig\.units\[0\]: start_timeout_s is nan"),
        ({"services": [{"name": "chat"}]}, r"RelayConfig\.units\[0\]\.services\[0\]: .*missing keys \['engine'\]"),
    ],
)
def test_a_wrong_part_of_a_unit_is_named(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ContractError, match=said):
        RelayConfig.from_dict(RELAY | {"units": [UNIT | change]})
