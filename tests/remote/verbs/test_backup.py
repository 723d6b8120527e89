"""`fab backup` and `fab restore` over the program that runs on the gateway, here on a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context

from core import keys as rules
from core import settings
from core.backup import Stored
from core.contract.documents import Outputs
from core.errors import DeployError, SettingsError
from remote import backup_file, backup_tasks
from remote.backup_file import BackupFile
from remote.machines.inventory import Inventory
from remote.machines.transport import Address
from remote.progress import Progress
from remote.verbs import backup, restore
from tests.remote.gateway_folder import GatewayFolder
from tests.remote.machines.test_inventory import OUTPUTS

QUIET = Progress(quiet=True)
WEBUI_KEY = {"webui": "W0"}


@pytest.fixture
def gateway(tmp_path: Path) -> GatewayFolder:
    made = GatewayFolder(tmp_path / "gateway")
    made.has(keys={"ann": "A"} | WEBUI_KEY, counts=["one", "two"], chats=["lighthouses"])
    (made.folder / "webui/uploads/plan.pdf").write_bytes(b"a plan")
    (made.folder / "webui/cache/model.bin").write_bytes(b"made anew")
    return made


def front(gateway: GatewayFolder, *, stack: str = "qwen7b", deployment_id: str = "d1", **paths: str) -> backup.Front:
    given = {"pilotlight:cloud": "embedded", "pilotlight:engines": {"a": {"model": "x/a"}}}
    where = Address("gateway", "i-gate", "203.0.113.9", "ubuntu", "", Path("/nowhere"))
    outputs = OUTPUTS | {Outputs.DEPLOYMENT_ID: deployment_id}
    found = Inventory(stack, settings.load(given, stack), outputs, host=where, gateway=where)
    return backup.Front(found, gateway.with_paths(**paths))


def made(gateway: GatewayFolder, path: Path) -> BackupFile:
    return backup.make(front(gateway), path, QUIET).file


@pytest.fixture
def file(gateway: GatewayFolder, tmp_path: Path) -> BackupFile:
    return made(gateway, tmp_path / "backup.tar.gz")


def test_a_backup_has_everything_and_is_its_owners_alone(gateway: GatewayFolder, file: BackupFile) -> None:
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert set(file.manifest.files) == {"keys.json", "redis.rdb", "webui/webui.db", "webui/uploads/plan.pdf"}
    assert (file.manifest.stack, file.manifest.counts) == ("qwen7b", 2)
    assert file.contents.chats is not None
    assert (file.contents.chats.chats, file.contents.chats.accounts, file.contents.chats.newest) == (1, 1, 100)
    assert [key.name for key in file.contents.people] == ["ann"]
    assert gateway.systemctl() == [], "nothing is stopped"
    assert not (gateway.folder / "work").exists()
    assert not list(file.path.parent.glob("*.part"))


def test_what_is_not_committed_is_not_in_it(gateway: GatewayFolder, tmp_path: Path) -> None:
    with closing(sqlite3.connect(gateway.folder / "webui/webui.db")) as db:
        db.execute("insert into chat values ('begun', 1)")
        found = made(gateway, tmp_path / "b.tar.gz")
        db.commit()
    assert found.contents.chats is not None
    assert found.contents.chats.chats == 1


def test_a_replaced_gateway_has_all_of_it_again(tmp_path: Path, file: BackupFile) -> None:
    new = GatewayFolder(tmp_path / "new")
    new.has(keys={"key-1": "K", "webui": "W1"}, counts=[], chats=[])
    at = front(new)
    plan = restore.plan(at, restore.read(at, file.path, ""), new.state.look())
    assert plan.lost == ["API keys that would stop working: key-1"]
    done = restore.restore(at, file, QUIET)
    assert (new.chats(), new.counts()) == (["lighthouses"], ["one", "two"])
    assert new.names() == {"webui": "W1", "ann": "A"}, "the page's key is its machine's own"
    assert (new.folder / "webui/uploads/plan.pdf").read_bytes() == b"a plan"
    assert (new.folder / "redis/appendonlydir/appendonly.aof.manifest").read_text() == (
        "file appendonly.aof.1.base.rdb seq 1 type b\n"
    )
    assert new.systemctl() == [
        "stop pilotlight-redis.service pilotlight-webui.service",
        "start pilotlight-redis.service",
        "start --no-block pilotlight-webui.service",
    ]
    assert "Its users log in again" in "\n".join(done.text())


def test_what_was_there_is_asked_about_and_kept_each_time(gateway: GatewayFolder, file: BackupFile) -> None:
    with closing(sqlite3.connect(gateway.folder / "webui/webui.db")) as db:
        db.execute("insert into chat values ('newer', 4000000000)")
        db.commit()
    at = front(gateway)
    plan = restore.plan(at, file, gateway.state.look())
    assert "2 conversations of 1 account" in plan.words
    assert "newer than the backup" in plan.words
    kept = [restore.restore(at, file, QUIET).kept for _ in range(2)]
    assert gateway.chats() == ["lighthouses"]
    found = sorted(path for folder in set(kept) for path in Path(folder).glob("webui*"))
    assert sorted(len(gateway.chats(str(path))) for path in found) == [1, 2]
    assert json.loads((Path(kept[0]) / "keys.json").read_text())["keys"]
    assert os.stat(kept[0]).st_mode & 0o777 == 0o700


def changed(file: BackupFile, path: Path, name: str, content: bytes | None) -> Path:
    """The archive with another content of one file, or without it."""
    with tarfile.open(file.path) as old, tarfile.open(path, "w:gz") as new:
        for member in old:
            given = old.extractfile(member)
            assert given is not None
            told = content if member.name == name else given.read()
            if told is not None:
                member.size = len(told)
                new.addfile(member, io.BytesIO(told))
    return path


@pytest.mark.parametrize("name", ["keys.json", "webui/webui.db"])
def test_a_changed_file_is_found_by_its_checksum(file: BackupFile, tmp_path: Path, name: str) -> None:
    with pytest.raises(DeployError, match=f"is damaged: {name} is not what its checksum says. Nothing was changed"):
        backup_file.judge(changed(file, tmp_path / "x.tar.gz", name, b"other"))
    with pytest.raises(DeployError, match=f"is damaged: {name} is missing"):
        backup_file.judge(changed(file, tmp_path / "x.tar.gz", name, None))


@pytest.mark.parametrize("name", ["ready", "../x", "/etc/x", "webui/../../x", "redis/appendonlydir/x"])
def test_a_file_that_no_backup_of_ours_has_is_refused(gateway: GatewayFolder, tmp_path: Path, name: str) -> None:
    """`ready` is the note that a restore is to be finished, and says where the old data go."""
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = 1
        tar.addfile(member, io.BytesIO(b"x"))
    manifest = dataclasses.replace(made(gateway, tmp_path / "b.tar.gz").manifest, files={name: Stored(1, sha256(b"x"))})
    with archive.open("rb") as stream, pytest.raises(DeployError, match="is no file of ours; nothing was changed"):
        gateway.state.restore(stream, manifest, "S")
    untouched(gateway)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("more", [{"made_at": 1e300}, {"made_at": -1e300}, {"counts": "x"}, {"files": 5}, {"chats": 5}])
def test_a_manifest_with_odd_values_is_one_message(file: BackupFile, tmp_path: Path, more: dict[str, Any]) -> None:
    with tarfile.open(file.path) as tar:
        given = tar.extractfile("manifest.json")
        assert given is not None
        odd = json.dumps(json.load(given) | more).encode()
    for content in (odd, b"[" * 200_000):
        with pytest.raises(DeployError, match="its manifest cannot be read"):
            backup_file.judge(changed(file, tmp_path / "x.tar.gz", "manifest.json", content))


@pytest.mark.parametrize("keys", [b"{", b"\xff", b"[]", b'{"schema_version": 1, "keys": [5]}'])
def test_keys_that_are_none_are_one_message(file: BackupFile, tmp_path: Path, keys: bytes) -> None:
    with tarfile.open(file.path) as tar:
        given = tar.extractfile("manifest.json")
        assert given is not None
        manifest = json.load(given)
    manifest["files"]["keys.json"] = {"bytes": len(keys), "sha256": sha256(keys)}
    odd = dataclasses.replace(file, path=changed(file, tmp_path / "k.tar.gz", "keys.json", keys))
    with pytest.raises(DeployError, match=r"k2\.tar\.gz is damaged: keys\.json holds no keys .*Nothing was changed"):
        backup_file.judge(changed(odd, tmp_path / "k2.tar.gz", "manifest.json", json.dumps(manifest).encode()))


def test_damage_anywhere_is_one_message(file: BackupFile, tmp_path: Path) -> None:
    whole, broken = file.path.read_bytes(), tmp_path / "broken.tar.gz"
    for text in (whole[:-20], whole[: len(whole) // 2], whole[:10], b"", b"no archive", gzip.compress(b"no tar" * 999)):
        broken.write_bytes(text)
        with pytest.raises(DeployError, match=r"damaged|not a backup"):
            backup_file.judge(broken)
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        broken.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            assert backup_file.judge(broken).contents == file.contents, "a bit that says nothing"
        except DeployError:
            continue
    with pytest.raises(DeployError, match=r"none\.tar\.gz cannot be read: No such file"):
        backup_file.judge(tmp_path / "none.tar.gz")


def test_a_changed_manifest_is_found_by_the_archives_checksum(file: BackupFile, tmp_path: Path) -> None:
    packed = gzip.compress(gzip.decompress(file.path.read_bytes()), compresslevel=0)
    at = packed.index(b'"newest": ') + len(b'"newest": ')
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(packed[:at] + b"2" + packed[at + 1 :])
    with pytest.raises(DeployError, match="damaged"):
        backup_file.judge(broken)


def test_another_stacks_backup_is_refused_unless_it_is_named(gateway: GatewayFolder, file: BackupFile) -> None:
    other = front(gateway, stack="other", deployment_id="d9")
    with pytest.raises(DeployError, match=r"is a backup of another stack, `qwen7b`.*add `--of qwen7b`"):
        restore.read(other, file.path, "")
    assert restore.read(other, file.path, "qwen7b").contents == file.contents


def untouched(gateway: GatewayFolder) -> None:
    assert (gateway.chats(), gateway.counts(), gateway.names()) == (
        ["lighthouses"],
        ["one", "two"],
        {"ann": "A", "webui": "W0"},
    )
    assert gateway.systemctl() == []
    assert not (gateway.folder / "restore").exists()


def test_what_redis_or_sqlite_cannot_read_changes_nothing(gateway: GatewayFolder, tmp_path: Path) -> None:
    redis = gateway.folder / "redis/appendonlydir/old.base.rdb"
    redis.write_text("unreadable\n")
    file = made(gateway, tmp_path / "redis.tar.gz")
    redis.write_text("one\ntwo\n")
    with pytest.raises(DeployError, match=r"Redis cannot read the backup's redis\.rdb; nothing was changed"):
        restore.restore(front(gateway), file, QUIET)
    untouched(gateway)


def test_a_full_disk_is_said_before_anything_is_changed(
    gateway: GatewayFolder, file: BackupFile, tmp_path: Path
) -> None:
    """/proc takes no byte, and has no room."""
    at = front(gateway, base="/proc")
    with pytest.raises(DeployError, match=r"On the gateway: .*; nothing was changed"):
        restore.restore(at, file, QUIET)
    untouched(gateway)
    at = front(gateway, work="/proc/work")
    with pytest.raises(DeployError, match="On the gateway: "):
        backup.make(at, tmp_path / "new.tar.gz", QUIET)
    assert not list(tmp_path.glob("new.tar.gz*")), "no half of a backup stays"


def test_redis_that_is_down_is_one_message_and_no_file(gateway: GatewayFolder, tmp_path: Path) -> None:
    (gateway.folder / "redis-down").touch()
    with pytest.raises(DeployError, match="Redis gave no copy of its data: Could not connect to Redis"):
        made(gateway, tmp_path / "new.tar.gz")
    assert not list(tmp_path.glob("new.tar.gz*"))


def test_a_restore_that_was_cut_off_before_the_swap_is_done_by_the_next(
    gateway: GatewayFolder, file: BackupFile
) -> None:
    (gateway.folder / "cut-off-at-stop").touch()
    with pytest.raises(DeployError):
        restore.restore(front(gateway), file, QUIET)
    assert (gateway.folder / "stopped").exists()
    assert gateway.chats() == ["lighthouses"], "what was there is where it was"
    (gateway.folder / "cut-off-at-stop").unlink()
    restore.restore(front(gateway), file, QUIET)
    assert (gateway.chats(), gateway.counts()) == (["lighthouses"], ["one", "two"])
    assert not (gateway.folder / "stopped").exists()


def test_a_restore_that_was_cut_off_between_two_renames_is_finished_by_whoever_comes(gateway: GatewayFolder) -> None:
    folder = gateway.folder / "restore"
    shutil.copytree(gateway.folder / "webui", folder / "webui")
    (folder / "ready").write_text("S")
    (gateway.folder / "replaced-S").mkdir()
    shutil.move(gateway.folder / "webui", gateway.folder / "replaced-S/webui")
    assert gateway.state.look().finished
    assert gateway.chats() == ["lighthouses"]
    assert gateway.chats("replaced-S/webui") == ["lighthouses"]
    assert not folder.exists()
    assert gateway.systemctl() == [
        "stop pilotlight-redis.service pilotlight-webui.service",  # which run again, where the gateway was booted since
        "start pilotlight-redis.service",
        "start --no-block pilotlight-webui.service",
    ]
    assert not gateway.state.look().finished


def test_a_backup_leaves_a_restore_that_was_cut_off_as_it_is(gateway: GatewayFolder, tmp_path: Path) -> None:
    """It may be a cron's, weeks later, with newer data in the place of the old ones."""
    shutil.copytree(gateway.folder / "webui", gateway.folder / "restore/webui")
    (gateway.folder / "restore/ready").write_text("S")
    with pytest.raises(DeployError, match=r"a restore was cut off here, .* nothing was changed. Restore again first"):
        made(gateway, tmp_path / "new.tar.gz")
    assert (gateway.folder / "restore/webui").exists()
    assert not (gateway.folder / "replaced-S").exists()
    assert gateway.systemctl() == []


def test_a_key_that_was_revoked_since_is_named_before_it_works_again(gateway: GatewayFolder, file: BackupFile) -> None:
    at = front(gateway)
    assert restore.plan(at, file, gateway.state.look()).notes == []
    gateway.keys.change(lambda there, _: rules.revoke(there, "ann"))
    plan = restore.plan(at, file, gateway.state.look())
    note = "API keys that the gateway does not have now would work again: ann. `fab keys.revoke` ends one."
    assert plan.notes == [note]
    assert note in plan.words


def test_a_gateway_without_a_deployment_is_told_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"There is nothing on this gateway yet\. Run `fab deploy` first"):
        GatewayFolder(tmp_path / "empty").state.look()


def test_two_at_once_do_not_mix(gateway: GatewayFolder) -> None:
    import fcntl

    with (gateway.folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DeployError, match="another backup or restore is at work"):
            gateway.state.look()


def test_two_at_once_do_not_write_into_one_file(tmp_path: Path) -> None:
    path = tmp_path / "b.tar.gz"
    with contextlib.suppress(DeployError), backup_file.new(path) as one, backup_file.new(path) as other:
        assert os.fstat(one.fileno()).st_ino != os.fstat(other.fileno()).st_ino
        assert {stat.S_IMODE(os.fstat(file.fileno()).st_mode) for file in (one, other)} == {0o600}
    assert not list(tmp_path.iterdir()), "neither was a backup"


def test_a_folder_that_may_not_be_looked_at_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", forbidden)
    with pytest.raises(SettingsError, match="/root/b cannot be written: Permission denied"):
        backup.place("/root/b", "qwen7b", 0.0)


def test_where_a_backup_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert backup.place("", "qwen7b", 1_795_608_000.0) == Path("pilotlight-qwen7b-20261125T120000Z.tar.gz")
    assert backup.place(str(tmp_path), "qwen7b", 0.0).parent == tmp_path
    assert backup.place("b.tar.gz", "qwen7b", 0.0) == Path("b.tar.gz")
    (tmp_path / "there").touch()
    with pytest.raises(SettingsError, match=r"there is there already\. Name another file, or a folder"):
        backup.place("there", "qwen7b", 0.0)
    with pytest.raises(SettingsError, match=r"There is no folder none\. Make it"):
        backup.place("none/b", "qwen7b", 0.0)


def test_the_verbs(
    gateway: GatewayFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(backup, "front", lambda stack, identity: front(gateway))
    path = str(tmp_path / "b.tar.gz")
    run: Any = backup_tasks
    run.backup(Context(), stack="qwen7b", to=path, json=True)
    told = json.loads(capsys.readouterr().out)["data"]
    assert (told["keys"], told["chats"], told["redis_entries"]) == (["ann"], {"conversations": 1, "accounts": 1}, 2)
    with pytest.raises(SystemExit):
        run.restore(Context(), path, stack="qwen7b")
    said = capsys.readouterr().err
    assert "1 conversation of 1 account" in said
    assert "Add `--yes` if it is meant" in said
    untouched(gateway)
    run.restore(Context(), path, stack="qwen7b", yes=True, json=True)
    told = json.loads(capsys.readouterr().out)["data"]
    assert (told["keys"], told["conversations"], told["live"]) == (["ann"], 1, False)
    assert Path(told["kept"]).is_dir()


def test_what_does_not_fit_is_said_with_its_size_before_anything_is_changed(
    gateway: GatewayFolder, file: BackupFile
) -> None:
    files = dict(file.manifest.files) | {"webui/large": Stored(1 << 50, "")}
    large = dataclasses.replace(file, manifest=dataclasses.replace(file.manifest, files=files))
    with pytest.raises(
        DeployError, match=r"needs 1073741\d{3} MiB on the disk of .*, and \d+ MiB are free; nothing was"
    ):
        restore.restore(front(gateway), large, QUIET)
    untouched(gateway)
