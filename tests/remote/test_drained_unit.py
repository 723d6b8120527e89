"""The script that drains a unit and starts it anew, against a `systemctl` that is played."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from remote.items.units import Unit

SYSTEMCTL = """#!/bin/sh
cd "$(dirname "$0")"
echo "$*" >> calls
case "$1" in
  show) cat pid ;;
  -q) [ "$2" = is-active ] && exec test -e active ;;
  reload) [ -e stuck ] || echo 0 > pid ;;
esac
exit 0
"""


def verbs(folder: Path, *, pid: int, active: bool, stuck: bool = False) -> list[str]:
    """What was asked of systemctl, without looks. `stuck`: the process does not end by its reload."""
    (folder / "systemctl").write_text(SYSTEMCTL)
    (folder / "systemctl").chmod(0o755)
    (folder / "pid").write_text(f"{pid}\n")
    for name, there in (("active", active), ("stuck", stuck)):
        if there:
            (folder / name).touch()
    (order,) = Unit("relay@a.service", "digest", drain_s=0.001).orders(None)  # type: ignore[arg-type]
    script = order.script.replace("/var/lib/pilotlight", str(folder)).replace("+ 16", "+ 0")
    environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-c", script], check=True, env=environment)
    calls = [call.split()[0] for call in (folder / "calls").read_text().splitlines()]
    return [call for call in calls if call in ("reload", "start", "restart")]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"pid": 7, "active": True}, ["reload", "start"]),
        ({"pid": 7, "active": True, "stuck": True}, ["reload", "restart"]),
        ({"pid": 7, "active": False}, ["restart"]),
        ({"pid": 0, "active": False}, ["start"]),
    ],
    ids=["drains", "does not end", "starts just now", "does not run"],
)
def test_a_unit_that_drains(tmp_path: Path, how: dict[str, bool], expected: list[str]) -> None:
    assert verbs(tmp_path, **how) == expected  # type: ignore[arg-type]


def test_its_order_has_time_for_the_drain() -> None:
    (order,) = Unit("relay@a.service", "digest", drain_s=900).orders(None)  # type: ignore[arg-type]
    assert order.timeout_s > 900 + 120
