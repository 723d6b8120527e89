"""TLS on a gateway with systemd: a domain, its first certificate from Pebble, the timer's service, and back.

What `fab deploy` would do to the gateway is done here with the same items, without `pulumi up`: the stack's addresses
stay as they are, and the demo's other tests find it as it was.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from core.contract.documents import Outputs
from core.contract.network import API_PORT, CHAT_PORT, HTTP_PORT, HTTPS_PORT
from core.errors import DeployError
from core.settings import Access
from remote import plan
from remote.apply import apply
from remote.items.certificates import SERVICE, TIMER
from remote.machines import inventory
from remote.machines.inventory import Inventory
from remote.machines.transport import Machine
from remote.progress import Progress
from remote.verbs import wanted
from runtime.certificates.issue import SYSTEM_STORE
from tests.certificates import Maker
from tests.e2e.gateway import acme
from tests.e2e.gateway.https import DOMAIN, Https, shown
from tests.e2e.world import Stack

TRUSTED = "/var/tmp/trusted.pem"  # the machine's store is this computer's, and may not be written


@dataclass
class Gateway:
    """The demo's gateway, as a stack with a domain would have it."""

    demo: Stack
    machine: Machine
    inventory: Inventory
    authority: acme.Authority
    root: Path

    @property
    def address(self) -> str:
        return str(self.demo.watch.outputs[Outputs.GATEWAY_ADDRESS])

    def points_to(self, address: str) -> None:
        """As the machine resolves the domain. Docker mounts the file, so it is written in place."""
        new = "/tmp/hosts"
        script = f"grep -v {DOMAIN} /etc/hosts > {new}; echo '{address} {DOMAIN}' >> {new}; cat {new} > /etc/hosts"
        self.inside("sh", "-c", script)

    def inside(self, *words: str) -> str:
        return self.demo.watch.inside(self.demo.watch.gateway, *words)

    def deploy(self, access: Access) -> Sequence[str]:
        """The gateway's part with this access; what was changed, in words."""
        settings = self.inventory.settings.model_copy(update={"access": access})
        items = wanted.gateway(replace(self.inventory, settings=settings))
        found = self.machine.facts(plan.query(items))
        steps = plan.plan(items, found)
        apply(self.machine, steps, found, Progress())
        return [step.text for step in steps]

    def access(self, **keys: str) -> Access:
        """The demo's, with a domain that Pebble certifies, or with `keys`."""
        return Access.model_validate({"domain": DOMAIN} | (keys or {"acmeServer": self.authority.url}))


@pytest.fixture(scope="module")
def gateway(demo: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    demo.wake()
    found = inventory.load(demo.name)
    assert found.gateway is not None
    here, there = str(urlsplit(demo.cloud.endpoint).hostname), str(demo.watch.outputs[Outputs.GATEWAY_ADDRESS])
    with acme.running(tmp_path_factory.mktemp("pebble"), HTTP_PORT, at=here, finds=there) as (authority, root):
        machine = Machine(found.gateway)
        machine.connect(10.0)
        made = Gateway(demo, machine, found, authority, root)
        pem = authority.store.read_text()
        made.inside("sh", "-c", f"cat {SYSTEM_STORE} > {TRUSTED} && printf %s {shlex.quote(pem)} >> {TRUSTED}")
        made.inside("mount", "--bind", TRUSTED, SYSTEM_STORE)
        try:
            yield made
        finally:
            machine.close()
            made.inside("umount", SYSTEM_STORE)
            demo.fab("deploy", "-s", demo.name)


def test_a_domain_that_points_elsewhere_changes_nothing(gateway: Gateway) -> None:
    gateway.points_to("203.0.113.9")
    with pytest.raises(DeployError, match=r"points to 203\.0\.113\.9, and the gateway is"):
        gateway.deploy(gateway.access())
    assert not gateway.authority.said("POST /order-plz")
    assert requests.get(f"http://{gateway.address}:{API_PORT}/health", timeout=10).status_code == 200


def test_a_domain_gets_its_certificate_and_every_port_its_tls(gateway: Gateway) -> None:
    gateway.points_to(gateway.address)
    assert gateway.deploy(gateway.access())
    for port in (API_PORT, CHAT_PORT, HTTPS_PORT):
        assert DOMAIN in str(shown(port, gateway.root, address=gateway.address).extensions)
    with closing(Https(API_PORT, gateway.root, address=gateway.address, key=gateway.demo.key)) as caller:
        body = {
            "model": gateway.demo.caller.model,
            "messages": [{"role": "user", "content": "Say hi."}],
            "max_tokens": 4,
        }
        assert caller.ask(body).status == 200
    sent_on = requests.get(f"http://{gateway.address}/", allow_redirects=False, timeout=10)
    assert (sent_on.status_code, sent_on.headers["location"]) == (308, f"https://{DOMAIN}/")


def test_then_there_is_nothing_to_change(gateway: Gateway) -> None:
    assert gateway.deploy(gateway.access()) == []


def test_the_timer_stands_and_its_service_succeeds(gateway: Gateway) -> None:
    assert gateway.inside("systemctl", "is-active", TIMER).strip() == "active"
    gateway.inside("systemctl", "start", SERVICE)
    assert "nothing new" in gateway.inside("journalctl", "-u", SERVICE, "-n", "5", "-o", "cat", "--no-pager")


def test_ones_own_takes_its_place_and_ends_the_timer(gateway: Gateway, tmp_path: Path) -> None:
    maker = Maker(tmp_path)
    files = maker.files(DOMAIN)
    own = gateway.access(certificateFile=str(files.certificate), keyFile=str(files.key))
    assert gateway.deploy(own)
    assert shown(API_PORT, maker.root, address=gateway.address) == files.leaf
    assert gateway.deploy(own) == []
    assert "inactive" in gateway.inside("sh", "-c", f"systemctl is-active {TIMER} || true")
