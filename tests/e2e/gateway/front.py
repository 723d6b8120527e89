"""A gateway on this computer's loopback: real HAProxy, both relays as processes, moto for AWS, a fake engine."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import jinja2
import openai
import requests
from moto.server import ThreadedMotoServer

from core import lease as protocol
from core.contract import dialects, documents, network, paths, table
from core.contract.documents import ApiKey, EngineAddress, Place, RelayConfig, RelayUnit, ServiceRoute
from core.keys import Change
from core.lease import Lease, Outcome, Write
from local.setup import tools
from remote.items.keys import KeyFiles, KeysFile
from remote.machines.facts import Facts
from remote.machines.transport import Result
from remote.services.haproxy import Tls
from remote.services.keys import Keys, hash_of
from runtime.backends.leases.dynamodb import DynamoLeaseStore

ROOT = Path(__file__).resolve().parents[3]
TEMPLATE = ROOT / "remote" / "templates" / "haproxy.cfg.j2"
KEY = "sk-pl-test"
REGION, UNIT = "us-east-1", "lab/host"
RELAYS = tuple(f"relay_{name}" for name in network.RELAY_PORTS)  # as HAProxy's servers are called
SHAPE = documents.Shape(REGION, "g6.xlarge", 120, 500, "t4g.small", 20)


class Here:
    """This computer in the place of a gateway: scripts run as they do there."""

    role = "gateway"

    def run(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Result:
        done = subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, check=False, timeout=timeout_s)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())


class Front:
    """Starts and stops the parts; every port is free and on the loopback. `limits`: other values of core.contract."""

    def __init__(
        self,
        folder: Path,
        *,
        queue_max: int = 8,
        cors: tuple[str, ...] = (),
        services: tuple[ServiceRoute, ...] = (ServiceRoute("chat", "tiny"),),
        tls: Tls | None = None,
        chat: bool = False,
        **limits: int,
    ) -> None:
        self.folder, self.services = folder, services
        self.queue_max, self.cors, self.tls, self.limits = queue_max, cors, tls, limits
        self.chat = chat  # a page of the test's own at ports["webui"], which callers find at ports["chat"]
        names = ("api", *RELAYS, "inner", "metrics", "engine", "local", "http", "acme", "chat", "webui")
        self.ports = dict(zip(names, free_ports(len(names)), strict=True))
        self._counted_from = 0
        self.relay_program = [sys.executable, "-m", "runtime.gateway"]
        self.container = f"pilotlight-test-front-{secrets.token_hex(4)}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.table = f"leases-{secrets.token_hex(4)}"
        self.environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.ec2 = boto3.client("ec2", region_name=REGION)
        self.instance_id = self._instance()
        self._table()
        self.store = DynamoLeaseStore(self.table, REGION)
        self._files()

    # ------------------------------------------------------------ AWS
    def _instance(self) -> str:
        image = self.ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
        found = self.ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="g6.xlarge")
        return str(found["Instances"][0]["InstanceId"])

    def _table(self) -> None:
        keys = (table.TABLE_PK, "HASH"), (table.TABLE_SK, "RANGE")
        boto3.client("dynamodb", region_name=REGION).create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": n, "KeyType": t} for n, t in keys],
            AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n, _ in keys],
        )

    def machine(self) -> str:
        found = self.ec2.describe_instances(InstanceIds=[self.instance_id])
        return str(found["Reservations"][0]["Instances"][0]["State"]["Name"])

    def lease(self) -> Lease:
        found = self.store.read(UNIT).lease
        assert found is not None
        return found

    def write(self, outcome: Outcome) -> Lease:
        assert isinstance(outcome, Write), outcome
        after = self.store.write(outcome)
        assert after is not None
        return after

    def act(self, transition: Any, **arguments: Any) -> Lease:
        """One transition or note of the lease protocol, from the lease as it is now."""
        reading = self.store.read(UNIT)
        nonce = secrets.token_hex(4)
        return self.write(transition(reading.lease, now=reading.now, nonce=nonce, **arguments))

    def make_running(self) -> None:
        """NEW → RUNNING, as deploy and agent do."""
        self.write(protocol.create(UNIT, self.instance_id, by="deploy", now=self.store.read(UNIT).now, nonce="n"))
        self.agent_ready("boot-1")

    def agent_ready(self, boot: str) -> None:
        self.act(protocol.claim_boot, instance_id=self.instance_id, boot_id=boot)
        self.act(protocol.ready, boot_id=boot)

    # ------------------------------------------------------------ files and processes
    def _files(self) -> None:
        names, files = types.SimpleNamespace(**vars(network)), types.SimpleNamespace(**vars(paths))
        names.API_PORT, names.RELAY_PORTS = self.ports["api"], {name[-1]: self.ports[name] for name in RELAYS}
        names.INNER_PORT, names.HAPROXY_METRICS_PORT = self.ports["inner"], self.ports["metrics"]
        names.API_LOCAL_PORT, names.HTTP_PORT = self.ports["local"], self.ports["http"]
        names.ACME_PORT, files.CERTIFICATE = self.ports["acme"], str(self.folder / "certificate.pem")
        files.KEYS_MAP, files.ROUTES_MAP = str(self.folder / "keys.map"), str(self.folder / "routes.map")
        files.HAPROXY_SOCKET = str(self.folder / "admin.sock")
        names.CHAT_PORT, names.WEBUI_PORT = self.ports["chat"], self.ports["webui"]
        (self.folder / "chat-waiting.html").write_text("The chat page is starting.")
        vars(names).update(self.limits)
        engines = (EngineAddress("tiny", "127.0.0.1", self.ports["engine"]),)
        environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
        text = environment.from_string(TEMPLATE.read_text()).render(
            network=names,
            paths=files,
            dialects=dialects,
            engines=engines,
            chat="127.0.0.1" if self.chat else "",
            waiting=self.folder / "chat-waiting.html",
            banners=self.chat,
            files=False,
            callers=None,
            cors_origins=self.cors,
            tls=self.tls,
        )
        (self.folder / "haproxy.cfg").write_text(text)
        self._keys()
        routes = "".join(f"{service.name} {network.BACKEND_RELAY}\n" for service in self.services)
        (self.folder / "routes.map").write_text(routes)
        place = Place("ec2", REGION, self.table)
        unit = RelayUnit(UNIT, place, self.instance_id, engines, self.services, 60.0, SHAPE)
        config = RelayConfig(
            schema_version=documents.SCHEMA_VERSION, stack="lab", units=(unit,), queue_timeout_s=60.0,
            queue_max=self.queue_max, chat_url=f"http://127.0.0.1:{self.ports['chat']}" if self.chat else "",
        )  # fmt: skip
        (self.folder / "relay.json").write_text(config.to_json())

    def _keys(self) -> None:
        """keys.json and HAProxy's map, made as `fab deploy` makes them; `keys` changes them as `fab keys.*` does."""
        record, lines, admin = (str(self.folder / name) for name in ("keys.json", "keys.map", "admin.sock"))
        files = KeyFiles(record, lines, admin, group="")
        here = Here()
        for order in KeysFile(files).orders(Facts()):
            assert here.run(order.script, stdin=order.stdin).code == 0
        self.keys = Keys(here, files)  # type: ignore[arg-type]
        self.add_key("tester", KEY)

    def add_key(self, name: str, secret: str, **limits: Any) -> None:
        """A key of the test's own choice. `expires` as the table has it, s since 1970."""
        self.keys.change(lambda _, now: Change(new=(ApiKey(name, hash_of(secret), now, **limits),)))

    def start_haproxy(self) -> None:
        """The computer's own HAProxy, or the machine image's in a container on the host's network."""
        command = ["haproxy", "-db", "-f", str(self.folder / "haproxy.cfg")]
        if shutil.which("haproxy") is None:
            name, share = self.container, f"{self.folder}:{self.folder}"
            docker = ["docker", "run", "--rm", "--init", "--network", "host", "--name", name, "-v", share]
            command = [*docker, "--entrypoint", command[0], tools.image(), *command[1:]]
        self._start("haproxy", *command)
        wait_port(self.ports["api"])

    def start_relays(self) -> None:
        """Those that do not run, and until HAProxy knows of them."""
        for name in RELAYS:
            if not self._runs(name):
                self.start_relay(name)
        self.relays_known()

    def relays_known(self) -> None:
        """Return when HAProxy sends requests to all that run."""
        until(lambda: all(self.server(r) == "UP" for r in RELAYS if self._runs(r)), "HAProxy knows of the relays")

    def start_relay(self, name: str) -> None:
        """`name`: one of RELAYS."""
        ports = "--name", name[-1], "--port", str(self.ports[name]), "--inner-port", str(self.ports["inner"])
        files = "--socket", str(self.folder / "admin.sock"), "--routes", str(self.folder / "routes.map")
        redis = "--redis", str(self.folder / "redis.sock"), "--redis-password", str(self.folder / "redis-password.conf")
        config = "--config", str(self.folder / "relay.json"), "--run-dir", str(self.folder / "run")
        keys = "--keys", str(self.folder / "keys.json"), "--session-secret", str(self.folder / "session.key")
        page = "--webui-port", str(self.ports["webui"])
        self._start(name, *self.relay_program, *config, *keys, *page, *ports, *files, *redis)
        wait_port(self.ports[name])

    def _runs(self, name: str) -> bool:
        return name in self.processes and self.processes[name].poll() is None

    def start_engine(self) -> None:
        self._start(
            "engine", sys.executable, str(Path(__file__).with_name("fake_engine.py")), str(self.ports["engine"])
        )
        wait_port(self.ports["engine"])

    def _start(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment, cwd=self.folder
            )

    def end_relays(self, *, kill: bool = False) -> None:
        """Both."""
        for name in RELAYS:
            self.end(name, kill=kill)

    def end(self, name: str, *, kill: bool = False) -> None:
        process = self.processes.pop(name)
        if name == "haproxy" and process.args[0] == "docker":  # type: ignore[index]
            subprocess.run(["docker", "rm", "-f", self.container], check=True, capture_output=True)
        process.kill() if kill else process.terminate()
        process.wait(20)

    def recover(self) -> None:
        """Whatever the last test did: everything up, the lease RUNNING, the routes open, nothing counted."""
        for name, start in {"haproxy": self.start_haproxy, "engine": self.start_engine}.items():
            if not self._runs(name):
                start()
        self.start_relays()
        if self.lease().state == protocol.State.STOPPED:
            self.act(protocol.request_wake, by="test", until=self.store.read(UNIT).now + 60)
            until(lambda: self.lease().state != protocol.State.STOPPED, "the relay starts what a wake request wants")
        if self.lease().state == protocol.State.STARTING:
            until(lambda: self.machine() == "running", "started")
            self.agent_ready(f"boot-{secrets.token_hex(4)}")
        if self.lease().state == protocol.State.DRAINING:
            self.act(protocol.resume, by="test", reason="next test")
        until(lambda: self.routes() == "engine_tiny", "routes open")
        until(lambda: not self.health()["wanted"], "the last test's callers are forgotten, or they end a drain")
        self._counted_from = len(self.relays_log())

    def close(self) -> None:
        for name in list(self.processes):
            self.end(name, kill=True)

    # ------------------------------------------------------------ seen from outside
    def client(self, key: str = KEY, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.ports['api']}/v1", api_key=key, **options)

    def command(self, words: str) -> str:
        """One command on HAProxy's admin socket."""
        with socket.socket(socket.AF_UNIX) as door:
            door.connect(str(self.folder / "admin.sock"))
            door.sendall(f"{words}\n".encode())
            return door.makefile().read()

    def routes(self) -> str:
        """Where the first service's requests go."""
        return self.all_routes()[self.services[0].name]

    def all_routes(self) -> dict[str, str]:
        """Service → backend, as HAProxy has it now."""
        shown = self.command(f"show map {self.folder / 'routes.map'}")
        rows = [line.split() for line in shown.splitlines() if line.strip()]
        return {name: backend for _, name, backend in rows}

    def health(self) -> dict[str, Any]:
        """What the relays say of themselves, added up."""
        said = list(self.healths().values())
        sums = {name: sum(each[name] for each in said) for name in ("waiting", "body_bytes")}
        redis = sorted({each["redis"] for each in said}, key=lambda words: words == "ok")  # what is wrong comes first
        return sums | {"wanted": any(each["wanted"] for each in said), "redis": "".join(redis[:1])}

    def healths(self) -> dict[str, dict[str, Any]]:
        """What each relay says of itself that answers."""
        found = {}
        for name in RELAYS:
            with contextlib.suppress(requests.ConnectionError):
                found[name] = self.health_of(name)
        return found

    def health_of(self, relay: str) -> dict[str, Any]:
        """What one of RELAYS says of itself."""
        found: dict[str, Any] = requests.get(f"http://127.0.0.1:{self.ports[relay]}/health", timeout=5).json()
        return found

    def states(self) -> set[str]:
        """The lease's state, as each relay knows it."""
        return {each["state"] for each in self.healths().values()}

    def acting(self) -> str:
        """The relay that acts on the lease, "" for none."""
        acts = [name for name, each in self.healths().items() if each["units"][UNIT]["acts"]]
        assert len(acts) < 2, acts
        return "".join(acts)

    def server(self, name: str, backend: str = network.BACKEND_RELAY) -> str:
        """What HAProxy thinks of a server: UP, DOWN, NOLB, …"""
        lines = self.command("show stat").splitlines()
        columns = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(columns, line.split(","), strict=False)) for line in lines[1:]]
        return next(row["status"] for row in rows if (row.get("pxname"), row.get("svname")) == (backend, name))

    def log(self, name: str) -> list[dict[str, Any]]:
        lines = (self.folder / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def relays_log(self) -> list[dict[str, Any]]:
        """What both relays said, in the order of time."""
        return sorted((line for name in RELAYS for line in self.log(name)), key=lambda line: str(line["at"]))

    def relayed(self) -> list[str]:
        """Paths of the requests that the relays answered in this test."""
        lines = self.relays_log()[self._counted_from :]
        return [str(line["path"]) for line in lines if line.get("what") == "request"]


def free_ports(count: int) -> list[int]:
    """Below the range from which the kernel gives ports to clients: a part that starts again finds its own free."""
    with contextlib.ExitStack() as stack:
        found: list[int] = []
        while len(found) < count:
            one, port = stack.enter_context(socket.socket()), 20000 + secrets.randbelow(12000)
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
        return found


def wait_port(port: int) -> None:
    until(lambda: _open(port), f"port {port}")


def _open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(true: Any, what: str, limit_s: float = 20.0) -> None:
    """Wait until `true()`; the test fails with `what` after `limit_s`."""
    for _ in range(int(limit_s / 0.05)):
        if true():
            return
        time.sleep(0.05)
    raise AssertionError(f"not within {limit_s} s: {what}")


@contextlib.contextmanager
def aws() -> Iterator[dict[str, str]]:
    """Moto's server, and the environment that leads every client of ours to it."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
    try:
        yield keys | {"AWS_ENDPOINT_URL": "http://{}:{}".format(*moto.get_host_and_port())}
    finally:
        moto.stop()


@contextlib.contextmanager
def running_front(folder: Path, **options: Any) -> Iterator[Front]:
    """A front of which every test begins with `recover`; `options` as Front takes them."""
    front = Front(folder, **options)
    try:
        front.make_running()
        yield front
    finally:
        front.close()
