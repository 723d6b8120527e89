"""What Docker is asked for when a machine is made; that such machines boot is for tests/e2e."""

import io
import subprocess
import tarfile
from unittest.mock import MagicMock

import pytest

from core.contract.paths import ARCHIVES
from local.cloud.machines import VOLUMES, Machines
from local.cloud.site import LABEL, Site


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


def test_attached_volumes_are_links_where_udev_shows_disks_and_go_with_the_cloud(machines, docker_client, tmp_path):
    machines.create("i-1", private_ip="10.77.0.9", public_key="")
    docker_client.volumes.create.assert_called_once_with(name="lab-volumes", labels={LABEL: "lab"})
    assert f"lab-volumes:{VOLUMES}:rw" in asked(docker_client)["host_config"]["Binds"]
    run = docker_client.containers.get.return_value.exec_run
    run.return_value = (0, b"")
    machines.set_volumes("i-1", ["vol-1", "vol-2"])
    shell, option, script, *words = run.call_args.args[0]
    here = {VOLUMES: str(tmp_path / "volumes"), "/dev/disk/by-id": str(tmp_path / "by-id")}
    moved = [next((w.replace(old, new) for old, new in here.items() if w.startswith(old)), w) for w in words]
    (tmp_path / "by-id").mkdir()
    (tmp_path / "by-id/nvme-Amazon_Elastic_Block_Store_vol9").symlink_to("/gone")
    subprocess.run([shell, option, script, *moved], check=True)
    assert sorted(link.name for link in (tmp_path / "by-id").iterdir()) == [
        "nvme-Amazon_Elastic_Block_Store_vol1",
        "nvme-Amazon_Elastic_Block_Store_vol2",
    ]
    assert (tmp_path / "by-id/nvme-Amazon_Elastic_Block_Store_vol2").resolve() == tmp_path / "volumes/vol-2"
