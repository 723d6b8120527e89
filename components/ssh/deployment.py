"""One stack on a machine of one's own: no cloud, and so no resource. Its outputs are what `fab` goes by."""

from __future__ import annotations

from typing import Any

import pulumi

from core.contract.documents import Outputs
from core.contract.network import API_PORT
from core.settings import SshHost, StackSettings, digest


def build(settings: StackSettings) -> dict[str, Any]:
    """Say that nothing is made; returns the outputs by the names in `core.contract.documents.Outputs`."""
    host = settings.host
    assert isinstance(host, SshHost), f"components.deployment chose this folder for {host.kind}"
    pulumi.log.info(
        f"host.kind: ssh: no cloud resource is made, and nothing here costs money. `fab deploy -s {settings.stack}` "
        f"sets up {host.ssh_user}@{host.address} over SSH."
    )
    return {
        Outputs.UNIT: settings.unit,
        Outputs.HOST_INSTANCE_ID: host.address,
        Outputs.GATEWAY_ADDRESS: host.address,
        Outputs.API_URL: f"http://{host.address}:{API_PORT}/v1",
        Outputs.SSH_USER: host.ssh_user,
        Outputs.SETTINGS_DIGEST: digest(settings),
        Outputs.CHAT_URL: "",
    }
