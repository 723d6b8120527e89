"""Every stack file on AWS: preview takes it, and its engines fit every type of its ladder as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.aws.archive import ROOT
from core.capacity.instance_types import GPUS
from core.contract.documents import UnitSettings
from core.engines import serve
from core.engines.sizing import choice
from core.engines.sizing.fit import Fit, fit
from core.settings import load
from core.settings.engines import sized
from remote.machines.inventory import Address, Inventory

FILES = sorted((ROOT / "stacks").glob("Pulumi.*.yaml"))
ON_AWS = [
    path.name.split(".")[1]
    for path in FILES
    if (raw := yaml.safe_load(path.read_text())["config"]).get("pilotlight:cloud", "aws") == "aws"
    and raw["pilotlight:host"].get("kind", "ec2") == "ec2"
]


def fits(config: Any, stack: str) -> dict[str, Fit]:
    """Its one engine on each of its types."""
    settings = load(config(stack), stack)
    (engine,) = sized(settings, {})
    assert engine.model is not None
    return {name: fit(engine.model, GPUS[name], engine.wish) for name in settings.host.instance_types}


def test_there_are_some() -> None:
    assert {"qwen05b", "qwen7b", "qwen7b-128k", "qwen7b-tp4"} <= set(ON_AWS)


@pytest.mark.parametrize("stack", ON_AWS)
def test_preview_takes_it_and_skips_no_type(build: Any, stack: str) -> None:
    cloud, _ = build(stack)
    body = cloud.of("TableItem")[f"{stack}-unit-settings"]["item"]
    item = yaml.safe_load(body)["body"]["S"]
    assert UnitSettings.from_json(item).skipped_types == {}


@pytest.mark.parametrize("stack", ON_AWS)
def test_its_engine_fits_every_type_of_its_ladder(config: Any, stack: str) -> None:
    problems = {name: found.problem for name, found in fits(config, stack).items()}
    assert problems == dict.fromkeys(problems, "")


def test_128k_has_room_for_two_requests_on_one_l4(config: Any) -> None:
    found = fits(config, "qwen7b-128k")
    assert {name: each.streams(131072) for name, each in found.items()} == {"g6.xlarge": 2, "g5.xlarge": 2}


def test_four_cards_share_the_weights_and_the_heads(config: Any) -> None:
    (found, *_) = fits(config, "qwen7b-tp4").values()
    assert found.weights_gib == pytest.approx(5.19 / 4, abs=0.01)
    assert found.cache.token_bytes == 57_344 / 4
    assert found.streams(32768) == 40


def test_vllm_is_told_what_was_sized(config: Any, tmp_path: Path) -> None:
    told = {}
    for stack in ("qwen7b-tp4", "qwen7b-128k", "qwen05b"):
        settings = load(config(stack), stack)
        machine = Address("host", "i-1", "10.0.0.7", "ubuntu", "", tmp_path)
        (spec,) = Inventory(stack, settings, {}, machine, machine).specs()
        told[stack] = serve.flags(spec, str(tmp_path))
    assert told["qwen7b-tp4"]["tensor-parallel-size"] == 4
    assert "tensor-parallel-size" not in told["qwen7b-128k"]
    assert '"rope_type":"yarn"' in told["qwen7b-128k"]["hf-overrides"]
    assert told["qwen05b"]["dtype"] == "float16"


def test_the_workstations_model_fits_its_card() -> None:
    """No setting names the card of a machine of one's own: the stack file says which it is meant for."""
    file = ROOT / "stacks" / "Pulumi.workstation.yaml"
    assert "RTX 4090" in file.read_text()
    (engine,) = sized(load(yaml.safe_load(file.read_text())["config"], "workstation", to_deploy=False), {})
    assert engine.model is not None
    found = choice.own_cards(engine.model, engine.wish)["RTX 4090"]
    assert found.fits
    assert found.streams(32768) >= 8
