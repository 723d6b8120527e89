"""`fab deploy` refuses what the host's GPUs cannot serve, before it touches a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.contract.documents import Outputs
from core.engines.sizing import known, lock
from core.errors import SettingsError
from core.settings import StackSettings, load
from remote import engines_fit
from remote.machines.inventory import Address, Inventory
from remote.progress import Progress
from remote.verbs.deploy import Deployment
from remote.verbs.deploy_report import Options


def settings(**engine: Any) -> StackSettings:
    config = {"pilotlight:host": {"instanceTypes": ["g6.xlarge"]}, "pilotlight:engines": {"a": engine}}
    return load(config, "lab", to_deploy=False)


def test_a_context_that_was_raised_since_the_preview_is_refused() -> None:
    engines_fit.check(settings(model="meta-llama/Llama-3.1-8B-Instruct", maxModelLen=8192))
    with pytest.raises(SettingsError, match=r"engines\.a: .* a request of 131,072 tokens takes 16\.0"):
        engines_fit.check(settings(model="meta-llama/Llama-3.1-8B-Instruct", maxModelLen=131072))


def test_a_model_of_ones_own_is_known_by_its_note(tmp_path: Path) -> None:
    engines_fit.check(settings(model="org/model"), tmp_path)
    big = dict(known.MODELS["meta-llama/Llama-3.1-70B-Instruct"])
    (tmp_path / lock.NAME).write_text(lock.written("{}", "org/model", big, None))
    with pytest.raises(SettingsError, match="org/model cannot be served on g6"):
        engines_fit.check(settings(model="org/model"), tmp_path)


def test_a_deployment_begins_with_it(tmp_path: Path) -> None:
    """The machine's address answers nobody: were it asked, the message would be another one."""
    machine = Address("host", "i-1", "192.0.2.1", "ubuntu", "", tmp_path)
    outputs = {Outputs.API_URL: "http://a/v1", Outputs.UNIT: "lab/host"}
    inventory = Inventory("lab", settings(model="Qwen/Qwen2.5-72B-Instruct"), outputs, machine, None)
    with pytest.raises(SettingsError, match=r"weights take 135\.4 GiB"):
        Deployment(inventory, Options(), Progress(quiet=True)).run()
