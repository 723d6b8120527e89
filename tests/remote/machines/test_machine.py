"""Host keys are pinned per instance; commands' messages are short."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from paramiko.ssh_exception import NoValidConnectionsError

from core.errors import DeployError
from remote.machines.transport import Address, Machine, _Pinned, tail


class Key:
    """Like paramiko's public keys."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.fingerprint = f"SHA256:{content.hex()}"

    def get_name(self) -> str:
        return "ssh-ed25519"

    def get_base64(self) -> str:
        return base64.b64encode(self._content).decode()


def meet(pins: Path, instance: str, key: Key) -> None:
    where = Address("host", instance, "10.0.0.5", "ubuntu", "", pins)
    _Pinned(where).missing_host_key(None, "10.0.0.5", key)  # type: ignore[arg-type]


def test_the_first_key_is_pinned_and_the_same_is_let_in_again(tmp_path: Path) -> None:
    meet(tmp_path / "pins", "i-1", Key(b"one"))
    meet(tmp_path / "pins", "i-1", Key(b"one"))
    assert (tmp_path / "pins/i-1").read_text().startswith("ssh-ed25519 ")


def test_another_key_is_refused_and_the_pin_stays(tmp_path: Path) -> None:
    meet(tmp_path, "i-1", Key(b"one"))
    with pytest.raises(DeployError, match=r"another host key.*delete .*i-1"):
        meet(tmp_path, "i-1", Key(b"two"))
    meet(tmp_path, "i-1", Key(b"one"))


def test_another_instance_at_the_same_address_has_its_own_pin(tmp_path: Path) -> None:
    meet(tmp_path, "i-1", Key(b"one"))
    meet(tmp_path, "i-2", Key(b"two"))


def test_messages_end_with_the_last_lines() -> None:
    assert tail("\n".join(str(n) for n in range(100)), 2) == "98\n99"


@pytest.mark.parametrize("embedded", [True, False])
@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (NoValidConnectionsError({("10.0.0.5", 22): ConnectionRefusedError(111, "Connection refused")}), "refused"),
        (TimeoutError("timed out"), "timed out"),
        (EOFError(), "EOFError"),
    ],
)
def test_a_machine_that_does_not_answer(tmp_path: Path, error: Exception, cause: str, embedded: bool) -> None:
    machine = Machine(Address("gateway", "i-1", "10.0.0.5", "ubuntu", "/key", tmp_path, not embedded, "qwen7b"))
    said = machine._silent(error)
    assert cause in said
    assert "Errno" not in said
    assert ("fab cloud.status" in said) is embedded
    assert ("`pulumi up -s qwen7b`" in said) is not embedded
