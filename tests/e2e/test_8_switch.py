"""The dead-man's switch on a machine: a host that hears nothing of its lease for long enough turns itself off."""

from __future__ import annotations

import json

from core.contract.documents import Outputs
from core.contract.paths import AGENT_CONFIG, DEAD_MAN_UNIT, RUN_DIR
from tests.e2e.world import Stack

SILENCE_S = 15.0
DROP_IN = f"/run/systemd/system/{DEAD_MAN_UNIT}.d"  # gone with the boot


def _impatient(demo: Stack) -> None:
    """The switch of this boot waits for SILENCE_S instead of half an hour."""
    config = json.loads(demo.watch.inside(demo.watch.host, "cat", AGENT_CONFIG)) | {"max_silence_s": SILENCE_S}
    start = demo.watch.inside(demo.watch.host, "systemctl", "cat", DEAD_MAN_UNIT)
    command = next(line.partition("=")[2] for line in start.splitlines() if line.startswith("ExecStart="))
    script = (
        f"mkdir -p {DROP_IN} && printf '%s' '{json.dumps(config)}' > {RUN_DIR}/impatient.json && "
        f"printf '[Service]\nExecStart=\nExecStart={command} --config {RUN_DIR}/impatient.json\n' > {DROP_IN}/test.conf"
        f" && systemctl daemon-reload && systemctl restart {DEAD_MAN_UNIT}"
    )
    demo.watch.inside(demo.watch.host, "sh", "-c", script)


def test_a_host_that_nobody_tells_anything_turns_itself_off_and_can_be_woken(demo: Stack) -> None:
    demo.wake()
    _impatient(demo)
    demo.watch.inside(demo.watch.host, "systemctl", "kill", "--signal=KILL", "pilotlight-agent.service")
    before = int(demo.watch.lease()["epoch"])
    demo.cloud.fault("dynamodb:*", seconds=240, source=demo.watch.outputs[Outputs.HOST_PRIVATE_IP])
    demo.watch.wait_off(timeout_s=120)
    demo.cloud.clear_faults()
    assert not [e for e in demo.watch.events(before) if e["after"] in ("DRAINING", "STOPPING")]
    assert "Paris" in demo.caller.stream().text
    reasons = " ".join(str(e["reason"]) for e in demo.watch.events(before))
    assert "stopped without us" in reasons, reasons
