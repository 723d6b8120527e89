"""The script that mounts the gateway's data volume, run here with stand-ins for the tools that touch disks."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from core.contract.paths import DATA_DIR, DATA_UNIT, volume_link
from remote.items.files import File
from remote.items.units import Unit
from remote.machines.facts import Facts
from remote.services import data_volume, redis

STAND_INS = {
    # a disk is a file whose first line says what is on it; what it holds is the folder `<disk>.holds`
    "wipefs": 'cat "$4"',
    "mkfs.ext4": 'echo ext4 > "$4"; mkdir -p "$4.holds/lost+found"',
    # mounting is a link in the place of the folder, which waits beside it
    "mount": """[ "$1" = --bind ] && { disk=$2 at=$3 holds=$2; } || { disk=$5 at=$6 holds=$5.holds; }
[ "$(cat "$disk" 2>/dev/null)" = ext4 ] || [ -d "$disk" ] || exit 32
[ ! -L "$at" ] || exit 32
mv "$at" "$at.under"; ln -s "$holds" "$at"; echo "$disk" > "$at.source" """,
    "umount": 'rm "$1" "$1.source"; mv "$1.under" "$1"',
    "mountpoint": '[ -L "$2" ]',
    "findmnt": 'cat "$4.source"',
    "resize2fs": "",
    "systemctl": "",
}


class Gateway:
    """`disk` is the volume behind the link of its id, `data` where it goes, `log` what was run."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.link, self.data = folder, folder / "by-id", folder / "data"
        (folder / "bin").mkdir()
        for name, text in STAND_INS.items():
            (folder / "bin" / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/log\n{text}\n')
            (folder / "bin" / name).chmod(0o755)

    def attach(self, holds: str = "") -> Path:
        disk = self.folder / "disk"
        disk.write_text(holds)
        if holds:
            (self.folder / "disk.holds/lost+found").mkdir(parents=True)
        self.link.symlink_to(disk)
        return disk

    def mount(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ("sh", str(data_volume.SOURCE), str(self.link), str(self.data)),
            capture_output=True,
            text=True,
            check=False,
            env={"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "PATIENCE_S": "0"},
        )

    def reboot(self) -> None:
        subprocess.run((self.folder / "bin/umount", self.data), check=True)

    def ran(self, tool: str) -> int:
        return (self.folder / "log").read_text().count(f"{tool} ")


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def done(gateway: Gateway) -> None:
    result = gateway.mount()
    assert (result.returncode, result.stderr) == (0, "")


def test_a_blank_volume_is_formatted_once_and_mounted(gateway: Gateway) -> None:
    disk = gateway.attach()
    done(gateway)
    (gateway.data / "keys.json").write_text("{}")
    assert (disk.with_name("disk.holds") / "keys.json").exists()
    done(gateway)
    assert (gateway.ran("mkfs.ext4"), gateway.ran("mount"), gateway.ran("resize2fs")) == (1, 1, 2)


def test_what_is_on_a_volume_is_found_again_and_never_formatted(gateway: Gateway) -> None:
    disk = gateway.attach("ext4\n")
    (disk.with_name("disk.holds") / "keys.json").write_text("{}")
    done(gateway)
    assert (gateway.data / "keys.json").exists()
    assert gateway.ran("mkfs.ext4") == 0


@pytest.mark.parametrize("holds", ["xfs\n", "dos\n", "ext4\ndos\n", "LVM2_member\n"])
def test_a_disk_with_anything_else_on_it_is_left_alone(gateway: Gateway, holds: str) -> None:
    gateway.attach(holds)
    result = gateway.mount()
    assert result.returncode == 1
    assert "and no ext4 file system; nothing was changed" in result.stderr
    assert (gateway.ran("mkfs.ext4"), gateway.ran("mount")) == (0, 0)


def test_a_disk_that_cannot_be_read_is_not_blank(gateway: Gateway) -> None:
    gateway.attach("ext4\n")
    (gateway.folder / "bin/wipefs").write_text("#!/bin/sh\nexit 1\n")
    result = gateway.mount()
    assert result.returncode == 1
    assert "cannot be read; nothing was changed" in result.stderr
    assert (gateway.ran("mountpoint"), gateway.ran("mkfs.ext4"), gateway.ran("mount")) == (2, 0, 0)


def test_while_the_volume_is_away_there_is_no_folder_to_write_to(gateway: Gateway) -> None:
    disk = gateway.attach()
    done(gateway)
    gateway.reboot()
    gateway.link.unlink()
    assert gateway.data.is_dir(), "the mount point"
    assert "is not attached" in gateway.mount().stderr
    assert not gateway.data.exists()
    gateway.link.symlink_to(disk)
    done(gateway)


def test_a_volume_that_is_not_attached_is_one_message(gateway: Gateway) -> None:
    result = gateway.mount()
    assert result.returncode == 1
    assert "the gateway's data volume is not attached" in result.stderr
    assert "`pulumi up`, then `fab deploy`" in result.stderr
    assert not gateway.data.exists(), "nothing is written to the root disk instead"


def test_another_disk_in_its_place_is_said(gateway: Gateway) -> None:
    gateway.attach("ext4\n")
    done(gateway)
    Path(f"{gateway.data}.source").write_text("/dev/other")
    result = gateway.mount()
    assert result.returncode == 1
    assert "another disk than" in result.stderr


def had(gateway: Gateway) -> None:
    gateway.data.mkdir()
    (gateway.data / "webui").mkdir()
    (gateway.data / "webui/webui.db").write_text("conversations")


def test_what_the_root_disk_had_goes_onto_a_new_volume(gateway: Gateway) -> None:
    disk = gateway.attach()
    had(gateway)
    done(gateway)
    assert (disk.with_name("disk.holds") / "webui/webui.db").read_text() == "conversations"
    assert not (disk.with_name("disk.holds") / ".arriving").exists()
    (aside,) = gateway.folder.glob("data.copied-*")
    assert (aside / "webui/webui.db").exists(), "the old copy is kept"
    assert list(Path(f"{gateway.data}.under").iterdir()) == [], "and nothing stands in the way of the next boot"
    log = (gateway.folder / "log").read_text().splitlines()
    assert log.index("systemctl stop pilotlight-webui.service pilotlight-redis.service") < len(log) - 3


def test_what_went_onto_a_volume_is_there_after_the_next_boot(gateway: Gateway) -> None:
    gateway.attach()
    had(gateway)
    done(gateway)
    gateway.reboot()
    done(gateway)
    assert (gateway.data / "webui/webui.db").read_text() == "conversations"


@pytest.mark.parametrize("tool", ["cp", "sync"])
def test_a_copy_that_failed_is_made_again_by_the_next_try(gateway: Gateway, tool: str) -> None:
    gateway.attach()
    had(gateway)
    broken = gateway.folder / "bin" / tool
    broken.write_text("#!/bin/sh\nexit 1\n")  # no space left, say
    broken.chmod(0o755)
    assert gateway.mount().returncode == 1
    broken.unlink()
    grown = gateway.ran("resize2fs")
    done(gateway)
    assert (gateway.data / "webui/webui.db").read_text() == "conversations"
    assert gateway.ran("resize2fs") == grown + 2, "the copy itself may need the room"
    assert not (gateway.data / ".arriving").exists()


def test_a_copy_that_was_cut_off_is_made_again(gateway: Gateway) -> None:
    disk = gateway.attach("ext4\n")
    holds = disk.with_name("disk.holds")
    (holds / ".arriving").touch()
    (holds / "half").touch()
    had(gateway)
    done(gateway)
    assert sorted(path.name for path in holds.iterdir()) == ["lost+found", "webui"]


def test_two_sets_of_data_are_never_mixed(gateway: Gateway) -> None:
    disk = gateway.attach("ext4\n")
    (disk.with_name("disk.holds") / "keys.json").write_text("{}")
    had(gateway)
    result = gateway.mount()
    assert result.returncode == 1
    assert "have data; nothing was changed. Move one of them away" in result.stderr
    assert (gateway.data / "webui/webui.db").exists()
    assert not gateway.data.is_symlink()


def test_a_folder_stands_for_a_disk_in_the_embedded_cloud(gateway: Gateway) -> None:
    (gateway.folder / "volume").mkdir()
    gateway.link.symlink_to(gateway.folder / "volume")
    done(gateway)
    (gateway.data / "keys.json").write_text("{}")
    assert (gateway.folder / "volume/keys.json").exists()
    assert (gateway.ran("mkfs.ext4"), gateway.ran("resize2fs")) == (0, 0)


def test_who_writes_there_waits_for_it() -> None:
    script, unit, running = data_volume.items("vol-0abc")
    assert isinstance(script, File)
    assert isinstance(unit, File)
    assert isinstance(running, Unit)
    assert running.reload, "a restart would take Redis and the page with it"
    assert f"TimeoutStartSec={data_volume.FIRST_COPY_S}\n" in unit.content.decode()
    assert running.orders(Facts())[-1].timeout_s > data_volume.FIRST_COPY_S, "the deployment waits as long"
    start = f"{data_volume.SCRIPT} /dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0abc {DATA_DIR}"
    assert f"ExecStart={start}\n" in unit.content.decode()
    assert f"ExecReload={start}\n" in unit.content.decode()
    texts = [item.content.decode() for item in redis.items(DATA_UNIT) if isinstance(item, File)]
    assert sum(f"Requires={DATA_UNIT}" in text for text in texts) == 1
    assert not any(DATA_UNIT in item.content.decode() for item in redis.items() if isinstance(item, File))
    assert data_volume.items("") == []


def test_a_link_is_made_of_the_volumes_id() -> None:
    assert volume_link("vol-0abc") == "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol0abc"
