"""What Docker is asked for when a machine is made; that such machines boot is for tests/e2e."""

import io
import tarfile
from unittest.mock import MagicMock

import pytest

from core.contract.paths import ARCHIVES
from local.cloud.machines import Machines
from local.cloud.site import Site


def passwd_tar() -> bytes:
    """What Docker hands out for the image's /etc/passwd."""
    body = b"root:x:0:0::/root:/bin/bash\nubuntu:x:1000:1001::/home/ubuntu:/bin/bash\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("passwd")
        entry.size = len(body)
        tar.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()


@pytest.fixture
def docker_client():
    client = MagicMock()
    client.containers.get.return_value.get_archive.return_value = ([passwd_tar()], {})
    return client


@pytest.fixture
def machines(docker_client, tmp_path):
    site = Site("lab", "boot", "10.77.0.0/16", "image", str(tmp_path), str(tmp_path / "cache"), "/checkout")
    return Machines(site, docker_client)


def asked(docker_client):
    machine = docker_client.api.create_container
    return machine.call_args.kwargs


def test_a_docker_that_a_deploy_installs_keeps_its_images_on_a_volume_that_goes_with_the_machine(
    machines, docker_client
):
    machines.create("i-1", private_ip="10.77.0.9", public_key="ssh-ed25519 AAAA me")
    assert asked(docker_client)["volumes"] == ["/var/lib/docker"]
    machines.remove("i-1")
    docker_client.containers.get.return_value.remove.assert_called_once_with(force=True, v=True)


def test_a_machine_fills_the_package_caches_and_only_reads_the_images_archives(machines, docker_client, tmp_path):
    machines.create("i-1", private_ip="10.77.0.9", public_key="")
    binds = asked(docker_client)["host_config"]["Binds"]
    cache = tmp_path / "cache"
    assert f"{cache}/uv:/var/cache/pilotlight/uv:rw" in binds
    assert f"{cache}/{ARCHIVES}:/var/cache/pilotlight/{ARCHIVES}:ro" in binds
    assert (cache / ARCHIVES).is_dir()  # made before the mount: Docker would make it root's
