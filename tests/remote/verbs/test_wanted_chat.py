"""What the stack file says of the chat page, on both sides: the page's own machine and HAProxy in front of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core import settings
from core.contract.documents import Outputs
from remote.items.files import File
from remote.machines import inventory as inventory_module
from remote.machines.inventory import Inventory
from remote.services import agent, haproxy
from remote.stack_files import StackFile
from remote.verbs import wanted
from tests.remote.machines.test_inventory import DEMO, OUTPUTS


def inventory(tmp_path: Path, **webui: Any) -> Inventory:
    config = yaml.safe_load(DEMO)["config"] | {"pilotlight:webui": webui}
    return inventory_module.build(StackFile("demo", settings.load(config, "demo"), tmp_path, {}, ""), OUTPUTS, "")


def text(items: list[Any], path: str) -> str:
    (file,) = [item for item in items if isinstance(item, File) and item.path == path]
    return file.content.decode()


@pytest.mark.parametrize("documents", ["prompt", "off"])
def test_files_are_refused_by_haproxy_where_the_stack_says_so(tmp_path: Path, documents: str) -> None:
    found = text(wanted.gateway(inventory(tmp_path, documents=documents)), haproxy.CONFIG)
    assert ("This page takes no files" in found) is (documents == "off")


@pytest.mark.parametrize("host", ["gateway", "host"])
def test_the_relay_speaks_at_a_page_that_is_on_while_the_host_is_off(tmp_path: Path, host: str) -> None:
    found = text(wanted.gateway(inventory(tmp_path, host=host)), haproxy.CONFIG)
    assert ("use_backend banners" in found) is (host == "gateway")


def test_on_the_gateway_the_container_is_kept_from_the_hosts_engines(tmp_path: Path) -> None:
    guard = text(wanted.chat(inventory(tmp_path), "gateway"), agent.METADATA_SCRIPT)
    assert f"ip daddr {OUTPUTS[Outputs.HOST_PRIVATE_IP]} tcp dport" in guard
    assert "tcp dport 81" not in text(wanted.host(inventory(tmp_path)), agent.METADATA_SCRIPT)
