"""Host keys are pinned per instance; commands' messages are short."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from paramiko.ssh_exception import NoValidConnectionsError

from core.errors import DeployError
from remote.machines.transport import Address, Machine, Unreachable, _Pinned, tail


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


class Channel:
    """paramiko's, with a command at the other end that takes `takes` bytes and says `says`."""

    def __init__(self, *, takes: int, says: list[bytes], code: int) -> None:
        self.takes, self.says, self.code = takes, says, code
        self.heard, self.command = b"", ""

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def settimeout(self, seconds: float) -> None:
        pass

    def exec_command(self, command: str) -> None:
        self.command = command

    def sendall(self, piece: bytes) -> None:
        if len(self.heard) + len(piece) > self.takes:
            raise OSError("Socket is closed")
        self.heard += piece

    def shutdown_write(self) -> None:
        self.heard += b"|"

    def recv(self, _: int) -> bytes:
        piece = self.says.pop(0) if self.says else b""
        if piece == b"never":
            raise TimeoutError
        return piece

    def makefile_stderr(self, _: str) -> io.BytesIO:
        return io.BytesIO(b"why\n")

    def recv_exit_status(self) -> int:
        return self.code


def reached_by(channel: Channel, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(Address("gateway", "i-1", "10.0.0.5", "ubuntu", "/key", folder))
    monkeypatch.setattr(machine, "_channel", lambda: channel)
    return machine


def test_a_transfer_of_any_size_goes_in_and_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel, into = Channel(takes=99, says=[b"an ", b"archive"], code=0), io.BytesIO()
    done = reached_by(channel, tmp_path, monkeypatch).transfer("run it", [b"pro", b"gram"], into)
    assert (channel.heard, into.getvalue(), done.code, done.out) == (b"program|", b"an archive", 0, "")
    assert channel.command == "sudo -n sh -c 'run it'"


def test_a_full_disk_here_is_no_broken_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel(takes=99, says=[b"an archive"], code=0)
    with (
        Path("/dev/full").open("wb", buffering=0) as into,
        pytest.raises(DeployError, match="could not be written here: No space left on device") as failed,
    ):
        reached_by(channel, tmp_path, monkeypatch).transfer("x", [], into)
    assert not isinstance(failed.value, Unreachable)


def test_a_command_that_ends_before_it_took_all_still_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = Channel(takes=3, says=[], code=1)
    done = reached_by(channel, tmp_path, monkeypatch).transfer("x", [b"pro", b"gram"])
    assert (done.code, done.err) == (1, "why\n")


def test_a_transfer_that_breaks_or_stalls_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = reached_by(Channel(takes=9, says=[], code=-1), tmp_path, monkeypatch)
    with pytest.raises(Unreachable, match=r"The connection to the gateway 10\.0\.0\.5 broke"):
        broken.transfer("x", [])
    stalled = reached_by(Channel(takes=9, says=[b"never"], code=0), tmp_path, monkeypatch)
    with pytest.raises(DeployError, match="The gateway said nothing for 60 s and was given up"):
        stalled.transfer("x", [])
