"""Bringing up and taking down: what is decided without Docker. The rest is in tests/e2e/test_4_cloud.py."""

import socket
import subprocess
import sys

import pytest
from docker.errors import DockerException

from core.errors import CloudError
from local.cloud import lifecycle, processes
from local.cloud.site import MARK


def test_a_port_in_use_is_named_with_how_to_find_who():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(CloudError, match=rf"Port {port} on 127\.0\.0\.1 is in use .*ss -ltnp"):
            lifecycle._check_port("127.0.0.1", port)


def test_no_docker_is_one_message_with_the_command(monkeypatch):
    def refuse(**_):
        raise DockerException("Error while fetching server API version: no such file\nand more")

    monkeypatch.setattr(lifecycle.docker, "from_env", refuse)
    with pytest.raises(CloudError, match=r"Docker does not answer .*make setup"), lifecycle.docker_client():
        pass


def test_the_daemon_never_meets_the_caller_s_own_account(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("HOME", "/root")
    found = lifecycle._without_aws()
    assert "AWS_PROFILE" not in found
    assert found["HOME"] == "/root"


def test_a_cloud_without_a_file_does_not_run(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert lifecycle.running("nothing") is None


def test_a_cloud_whose_daemon_is_gone_does_not_run(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = tmp_path / "pilotlight" / "gone"
    folder.mkdir(parents=True)
    (folder / "cloud.json").write_text('{"endpoint": "http://127.0.0.1:1", "boot_id": "x"}')
    assert lifecycle.running("gone") is None


def test_processes_are_found_by_their_mark_and_by_the_whole_of_it():
    code = "import sys; sys.stdin.read()"
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, env={MARK: "unit"})
    try:
        assert processes.of_cloud("unit") == [child.pid]
        assert processes.of_cloud("uni") == []
    finally:
        child.communicate()
    assert processes.of_cloud("unit") == []
