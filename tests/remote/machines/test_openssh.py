"""The user's SSH configuration: none is read without need, OpenSSH resolves it, what it refuses is one message."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import paramiko
import pytest

from core.errors import DeployError
from remote.machines import openssh
from remote.machines.openssh import Resolved
from remote.machines.transport import Address, Machine, _log_in

ROOT = Path(__file__).resolve().parents[3]
needs_ssh = pytest.mark.skipif(shutil.which("ssh") is None, reason="no OpenSSH client")


def resolve(folder: Path, config: str, address: str = "203.0.113.9") -> Resolved:
    file = folder / "config"
    file.write_bytes(config.encode("latin-1"))
    return openssh.resolve(address, "ubuntu", file=str(file))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "203.0.113.9 ubuntu"
    path.write_text("private")
    return path


@needs_ssh
@pytest.mark.parametrize(
    "config",
    [
        'Match final all\n  IdentityFile "{folder}/%h %r"\n',
        'Match exec "test %p = 22"\n  IdentityFile "{folder}/%h %r"\n',
        'Match exec "false"\n  IdentityFile none\nHost *.113.*\n  IdentityFile "{folder}/%n %r"\n',
        "Include {folder}/conf.d/*\n",
        'Host *\n  IdentityFile "{folder}/%h %r"\n  IdentityFile {folder}/missing\n  CanonicalizeHostname yes\n',
        'Host *\n  IdentityFile "${{HERE}}/%h %r"\n  # \xfc\n',
    ],
)
def test_keys_are_found_wherever_openssh_finds_them(
    tmp_path: Path, key: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HERE", str(tmp_path))
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/one").write_text(f'Host *\n  IdentityFile "{tmp_path}/%h %r"\n')
    found = resolve(tmp_path, config.format(folder=tmp_path))
    assert str(key) in (found.keys or ())
    assert (found.host, found.proxy, found.agent) == ("203.0.113.9", "", True)


@needs_ssh
def test_no_keys_and_no_agent_where_the_user_says_so(tmp_path: Path) -> None:
    found = resolve(tmp_path, "Host *\n  IdentityFile none\n  IdentityAgent none\n")
    assert (found.keys, found.agent) == ((), False)
    assert resolve(tmp_path, "Host *\n  IdentityAgent /run/%u/x.sock\n").agent_socket.endswith("/x.sock")


@needs_ssh
@pytest.mark.parametrize(
    ("config", "proxy"),
    [
        ("Host *\n  ProxyJump me@bastion:2222\n", "ssh -W '[203.0.113.9]:22' ssh://me@bastion:2222"),
        ("Host *\n  ProxyJump a,b@c\n", "ssh -J a -W '[203.0.113.9]:22' ssh://b@c"),
        ("Host *\n  ProxyCommand nc -X 5 %h %p %r 100%%\n", "nc -X 5 203.0.113.9 22 ubuntu 100%"),
        ("Host *\n  ProxyCommand none\n", ""),
        ("Host *\n  ProxyJump none\n", ""),
        ("Host *\n  HostName other.example\n  ProxyJump j\n", "ssh -W '[other.example]:22' ssh://j"),
    ],
)
def test_the_way_through_other_machines(tmp_path: Path, config: str, proxy: str) -> None:
    assert resolve(tmp_path, config).proxy == proxy


@needs_ssh
def test_what_openssh_refuses_is_one_line_with_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(DeployError) as caught:
        resolve(tmp_path, "Host *\n  Foo bar\n")
    assert f"{tmp_path}/config: line 2: Bad configuration option: foo" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_machine_goes_the_users_way_and_the_embedded_clouds_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openssh, "resolve", lambda *_: Resolved("other.example", ("/k",), True, "", "nc other 22"))
    monkeypatch.setattr(paramiko, "ProxyCommand", lambda command: command)
    mine = Machine(Address("gateway", "i-1", "203.0.113.9", "ubuntu", "", tmp_path, ssh_config=True))
    assert (mine._connection.host, mine._connection.open_gateway()) == ("other.example", "sh -c 'exec nc other 22'")
    assert mine._connection.connect_kwargs["key_filename"] == ["/k"]
    embedded = Machine(Address("gateway", "i-1", "203.0.113.9", "ubuntu", "/cloud", tmp_path))
    assert (embedded._connection.host, embedded._connection.gateway) == ("203.0.113.9", None)
    behind = Machine(Address("host", "i-2", "10.0.0.5", "ubuntu", "", tmp_path, ssh_config=True), mine)
    assert (behind._connection.host, behind._connection.gateway) == ("10.0.0.5", mine._connection)


def test_a_key_that_the_user_named_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/before")
    named = Address("host", "i-1", "10.0.0.5", "ubuntu", "/mine", tmp_path, ssh_config=True)
    assert _log_in(named, Resolved("h", ("/other",)))["key_filename"] == "/mine"
    unnamed = Address("host", "i-1", "10.0.0.5", "ubuntu", "", tmp_path, ssh_config=True)
    assert _log_in(unnamed, Resolved("h", None)) == {"key_filename": [], "look_for_keys": True, "allow_agent": True}
    assert os.environ["SSH_AUTH_SOCK"] == "/before"
    _log_in(unnamed, Resolved("h", (), agent_socket="/agent"))
    assert os.environ["SSH_AUTH_SOCK"] == "/agent"


@pytest.mark.parametrize("config", ["Match final all\n  User x\n", "Foo\n", 'Match exec "false" foo\n', "\xfc \xff\n"])
def test_a_command_that_needs_no_machine_reads_no_ssh_configuration(tmp_path: Path, config: str) -> None:
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_bytes(config.encode("latin-1"))
    fab = str(Path(sys.executable).with_name("fab"))
    command = [fab, "explain", "-s", "demo", "--offline", "--for", "1h"]
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
