"""Redis on the gateway as items: a secret that stays there, a socket and no port, and the package's own unit off."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from core.contract.paths import REDIS_PASSWORD, REDIS_SOCKET, REDIS_UNIT, RELAY_UNITS
from remote.items.files import File
from remote.items.secrets import DrawnSecret
from remote.items.units import Off, Unit
from remote.machines.facts import Facts, FileFact, UnitFact
from remote.services import redis

ON = UnitFact("loaded", "active", "running", "enabled", 0)
OFF = UnitFact("loaded", "inactive", "dead", "disabled", 0)
PACKAGED = Off(redis.PACKAGED_UNIT, redis.PACKAGE)


def file(path: str) -> str:
    return next(item.content.decode() for item in redis.items() if isinstance(item, File) and item.path == path)


def test_who_may_not_open_the_socket_reaches_nothing() -> None:
    config = file(redis.CONFIG).splitlines()
    assert {"port 0", f"unixsocket {REDIS_SOCKET}", "unixsocketperm 770", f"include {REDIS_PASSWORD}"} <= {*config}
    assert "RuntimeDirectoryMode=0750" in file(redis.UNIT_FILE)


def test_counts_are_never_evicted_and_are_on_disk_within_a_second() -> None:
    config = file(redis.CONFIG).splitlines()
    assert {"maxmemory-policy volatile-lru", "appendonly yes", "appendfsync everysec"} <= {*config}


@pytest.mark.parametrize(
    ("mem_total_kb", "maxmemory"), [(2_000_000, 125_000), (400_000, 32_768), (32_000_000, 262_144)]
)
def test_memory_is_a_share_of_the_machines(tmp_path: Path, mem_total_kb: int, maxmemory: int) -> None:
    line = next(each for each in file(redis.UNIT_FILE).splitlines() if each.startswith("ExecStart=/bin/sh"))
    found = re.search(r"-c '(.*)'$", line)
    assert found is not None
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal:  {mem_total_kb} kB\nMemFree: 1 kB\n")
    script = found[1].replace("$$", "$").replace("/proc/meminfo", str(meminfo)).replace("exec /usr", "echo /usr")
    out = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True).stdout
    assert out.split()[-2:] == ["--maxmemory", f"{maxmemory}kb"]
    assert f"/usr/bin/redis-server {redis.CONFIG}" in out


def test_the_packages_own_unit_is_off_also_where_it_was_installed_in_this_deployment() -> None:
    has = frozenset({redis.PACKAGE})
    assert PACKAGED.reason(Facts()) == "comes with its package"
    assert PACKAGED.reason(Facts(packages=has, units={redis.PACKAGED_UNIT: ON})) == "is active"
    assert PACKAGED.reason(Facts(packages=has, units={redis.PACKAGED_UNIT: OFF})) == ""


def test_the_password_is_drawn_once_and_its_readers_start_anew(tmp_path: Path) -> None:
    path, stamps = tmp_path / "etc" / "password.conf", [tmp_path / "redis.service", tmp_path / "relay.service"]
    secret = DrawnSecret(str(path), "requirepass ", "root", tuple(map(str, stamps)))
    (order,) = secret.orders(Facts())

    def run() -> str:
        for stamp in stamps:
            stamp.touch()
        subprocess.run(["sh", "-c", order.script.replace("chown", ": chown")], check=True)
        assert not [stamp for stamp in stamps if stamp.exists()]
        return path.read_text()

    first = run()
    assert re.fullmatch(r"requirepass [0-9a-f]{64}\n", first)
    assert path.stat().st_mode & 0o777 == 0o640
    assert run() == first
    assert order.stdin == b"", "it never leaves the machine"


def test_the_password_is_as_wanted_where_only_root_and_the_group_read_it() -> None:
    secret = next(item for item in redis.items() if isinstance(item, DrawnSecret))
    right = FileFact("", 0o640, "root", "redis")
    assert secret.reason(Facts()) == "missing"
    assert secret.reason(Facts(files={REDIS_PASSWORD: right})) == ""
    assert secret.reason(Facts(files={REDIS_PASSWORD: FileFact("", 0o644, "root", "redis")})) == "mode or owner differs"
    assert [stamp.rpartition("/")[2] for stamp in secret.readers] == [REDIS_UNIT, *RELAY_UNITS]


def test_the_unit_comes_last() -> None:
    assert isinstance(redis.items()[-1], Unit)
