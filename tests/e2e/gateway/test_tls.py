"""TLS with the real HAProxy: a certificate by ACME from Pebble, its renewal under a running stream, one's own.

Nothing here is trusted by this computer: each test says which root it believes.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import requests

from core.contract import network
from core.contract.documents import SCHEMA_VERSION, CertificateConfig
from core.contract.paths import CERTIFICATE
from core.errors import CertificateError
from remote import own_certificate
from remote.items import STAMPS
from remote.items.certificates import StandIn
from remote.machines.facts import Facts
from remote.services.haproxy import Tls
from runtime.certificates import issue
from runtime.certificates.front_door import FrontDoor
from tests.certificates import Maker
from tests.e2e.gateway import acme
from tests.e2e.gateway.conftest import NewFront
from tests.e2e.gateway.front import KEY, Front, free_ports
from tests.e2e.gateway.https import DOMAIN, Https, shown

pytestmark = pytest.mark.e2e

HERE = ("127.0.0.1",)
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
SLOW = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "slow"}]}


@dataclass(frozen=True)
class Gateway:
    """A front with a domain, the authority that certifies it, and what runs on the gateway for it."""

    front: Front
    authority: acme.Authority
    root: Path
    places: issue.Places
    door: FrontDoor

    def issue(self, found: tuple[str, ...] = HERE) -> str:
        config = CertificateConfig(SCHEMA_VERSION, DOMAIN, "127.0.0.1", self.authority.url, "ops@example.org")
        return issue.issue(config, self.places, self.door, lambda _: found)

    def expire(self) -> None:
        """The authority advises to renew what it issued, and the six hours until certbot asks it again are over."""
        (renewal,) = self.places.data.glob("*/renewal/*.conf")
        renewal.write_text(re.sub(r"(ari_retry_after = ).*", r"\g<1>2020-01-01T00:00:00", renewal.read_text()))
        self.authority.advise_renewal(self.places.certificate.read_text())


@contextmanager
def streaming(port: int, root: Path) -> Iterator[http.client.HTTPResponse]:
    """An answer that takes five seconds, of which the first word is there."""
    with closing(Https(port, root)) as caller, caller.ask(SLOW) as stream:
        assert stream.readline().startswith(b"data: ")
        yield stream


def stand_in(folder: Path) -> None:
    """As `fab deploy` makes it, elsewhere."""
    (order,) = StandIn(DOMAIN).orders(Facts())
    script = order.script.replace(CERTIFICATE, str(folder / "certificate.pem")).replace(STAMPS, str(folder))
    subprocess.run(["bash", "-c", script], check=True, capture_output=True)


@pytest.fixture(scope="module")
def whole(new_front: NewFront) -> Iterator[Gateway]:
    with new_front(tls=Tls(DOMAIN, ("127.0.0.2/32",), acme=True), TLS_SILENCE_S=1) as front:
        stand_in(front.folder)
        front.recover()
        with acme.running(front.folder, front.ports["http"]) as (authority, root):
            data, certificate = front.folder / "certbot", front.folder / "certificate.pem"
            places = issue.Places(acme.certbot(), data, certificate, front.ports["acme"], authority.store)
            yield Gateway(front, authority, root, places, FrontDoor(str(front.folder / "admin.sock")))


@pytest.fixture
def gateway(whole: Gateway, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    monkeypatch.delenv(issue.TRUSTS, raising=False)  # what this computer trusts is not what a gateway does
    whole.front.recover()
    return whole


@pytest.fixture
def issued(gateway: Gateway) -> Gateway:
    """There is a certificate."""
    gateway.issue()
    return gateway


# ---------------------------------------------------------------- by ACME
def test_a_domain_that_points_elsewhere_asks_nothing_of_the_authority(gateway: Gateway) -> None:
    for found, word in (((), "no address yet"), (("203.0.113.9",), "203.0.113.9"), ((*HERE, "2001:db8::1"), "AAAA")):
        with pytest.raises(CertificateError, match=word):
            gateway.issue(found)
    assert not gateway.authority.said("POST /order-plz")


def test_first_issue_replaces_what_stood_in_without_a_reload(gateway: Gateway) -> None:
    port, process = gateway.front.ports["api"], gateway.front.processes["haproxy"].pid
    with pytest.raises(ssl.SSLCertVerificationError):
        shown(port, gateway.root)
    assert "in place, without a reload" in gateway.issue()
    assert "llm.example.org" in str(shown(port, gateway.root).extensions)
    assert gateway.front.processes["haproxy"].pid == process
    assert gateway.places.certificate.stat().st_mode & 0o777 == 0o600


def test_what_is_not_due_is_left_alone(issued: Gateway) -> None:
    before, orders = shown(issued.front.ports["api"]), issued.authority.said("POST /order-plz")
    assert "nothing new" in issued.issue()
    assert shown(issued.front.ports["api"]) == before
    assert issued.authority.said("POST /order-plz") == orders


def test_a_fresh_haproxy_reads_the_same_certificate(issued: Gateway) -> None:
    before = shown(issued.front.ports["api"])
    issued.front.end("haproxy")
    issued.front.recover()
    assert shown(issued.front.ports["api"], issued.root) == before


def test_a_renewal_cuts_no_stream_and_new_callers_see_the_new_one(issued: Gateway) -> None:
    port = issued.front.ports["api"]
    before = shown(port)
    with streaming(port, issued.root) as stream:
        issued.expire()
        assert "in place, without a reload" in issued.issue()
        assert stream.read().endswith(b"data: [DONE]\n\n")
    assert shown(port, issued.root).serial_number != before.serial_number


def test_an_authority_that_cannot_reach_port_80_is_told_as_certbot_tells_it(gateway: Gateway) -> None:
    """The old certificate stays; port 80 is closed again."""
    before = shown(gateway.front.ports["api"])
    elsewhere = replace(gateway.places, data=gateway.places.data / "other", port=free_ports(1)[0])
    with pytest.raises(CertificateError, match=r"(?s)certbot said.*Detail"):
        replace(gateway, places=elsewhere).issue()
    assert shown(gateway.front.ports["api"]) == before
    assert plain_answer(gateway.front, "/") is None


# ---------------------------------------------------------------- port 80
def plain_answer(front: Front, path: str, source: str = "127.0.0.1") -> requests.Response | None:
    """What port 80 answers to a caller from `source`; None where it hangs up on him."""
    with requests.Session() as session:
        session.mount("http://", From(source))
        try:
            return session.get(f"http://127.0.0.1:{front.ports['http']}{path}", allow_redirects=False, timeout=10)
        except requests.ConnectionError:
            return None


class From(requests.adapters.HTTPAdapter):
    """Calls from one address of the loopback."""

    def __init__(self, source: str) -> None:
        self._source = source
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, source_address=(self._source, 0))  # type: ignore[no-untyped-call]


def test_port_80_answers_strangers_only_while_a_certificate_is_asked_for(gateway: Gateway) -> None:
    challenge = f"{network.ACME_PATH}token"
    assert plain_answer(gateway.front, challenge) is None
    with gateway.door.asking():
        found = plain_answer(gateway.front, challenge)
        assert found is not None
        assert found.status_code == 503  # certbot does not run
    assert plain_answer(gateway.front, challenge) is None


def test_port_80_sends_callers_on_to_tls(gateway: Gateway) -> None:
    found = plain_answer(gateway.front, "/a?b=c", "127.0.0.2")
    assert found is not None
    assert (found.status_code, found.headers["location"]) == (
        308,
        f"https://{DOMAIN}:{gateway.front.ports['api']}/a?b=c",
    )
    challenge = plain_answer(gateway.front, f"{network.ACME_PATH}token", "127.0.0.2")
    assert challenge is not None
    assert challenge.status_code == 404


# ---------------------------------------------------------------- TLS itself
def test_answers_and_refusals_tell_browsers_to_stay_with_tls(issued: Gateway) -> None:
    for path, status in (("/health", 200), ("/v1/models", 401), ("/nowhere", 401)):
        with closing(Https(issued.front.ports["api"], issued.root)) as caller:
            caller.request("GET", path)
            answer = caller.getresponse()
            answer.read()
        assert (answer.status, answer.headers["strict-transport-security"]) == (status, f"max-age={network.HSTS_S}")


@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_old_tls_is_refused(gateway: Gateway, version: str) -> None:
    old = ssl.TLSVersion[version]
    with pytest.raises((ssl.SSLError, ConnectionResetError)), pytest.warns(DeprecationWarning, match="TLSVersion"):
        shown(gateway.front.ports["api"], minimum_version=ssl.TLSVersion.TLSv1, maximum_version=old)


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_new_tls_is_spoken(issued: Gateway, version: str) -> None:
    assert shown(issued.front.ports["api"], issued.root, maximum_version=ssl.TLSVersion[version])


def test_without_tls_the_apis_port_says_nothing(gateway: Gateway) -> None:
    with pytest.raises(requests.ConnectionError):
        requests.get(f"http://127.0.0.1:{gateway.front.ports['api']}/health", timeout=10)


def test_a_handshake_that_does_not_come_keeps_no_connection(gateway: Gateway) -> None:
    for begun in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with socket.create_connection(("127.0.0.1", gateway.front.ports["api"]), timeout=15) as door:
            door.sendall(begun)
            assert door.recv(100) == b""  # it was closed; a time-out fails the test


def test_an_engine_may_be_silent_for_longer_than_a_caller(issued: Gateway) -> None:
    with closing(Https(issued.front.ports["api"], issued.root)) as caller:
        answer = caller.ask({"model": "chat", "messages": [{"role": "user", "content": "pause"}]})
        assert (answer.status, b"Paris" in answer.read()) == (200, True)


def test_the_machine_itself_reaches_the_api_without_tls(gateway: Gateway) -> None:
    url = f"http://127.0.0.1:{gateway.front.ports['local']}/v1/chat/completions"
    assert requests.post(url, json=CHAT, headers={"Authorization": f"Bearer {KEY}"}, timeout=20).status_code == 200
    assert requests.post(url, json=CHAT, timeout=20).status_code == 401


def test_the_dashboards_cookie_is_for_tls_alone(issued: Gateway) -> None:
    """And the form comes from the page's own origin, which is the domain with its port."""
    issued.front.add_key("ann", "sk-pl-ann", operator=True)
    port = issued.front.ports["api"]
    origin = {"Origin": f"https://{DOMAIN}:{port}", "Content-Type": "application/x-www-form-urlencoded"}
    with closing(Https(port, issued.root)) as caller:
        caller.request("POST", "/dashboard/log-in", "key=sk-pl-ann", origin)
        answer = caller.getresponse()
        answer.read()
    assert (answer.status, "; Secure" in answer.headers["set-cookie"]) == (303, True)


# ---------------------------------------------------------------- one's own
def test_ones_own_certificate_takes_the_place_under_a_running_stream(issued: Gateway, tmp_path: Path) -> None:
    port, maker = issued.front.ports["api"], Maker(tmp_path)
    files = maker.files(DOMAIN)
    found = own_certificate.read(str(files.certificate), str(files.key), DOMAIN)
    with streaming(port, issued.root) as stream:
        assert "in place, without a reload" in issue.place(found.pem, issued.places.certificate, issued.door)
        assert shown(port, maker.root) == files.leaf
        assert issued.places.certificate.read_text() == found.pem
        assert stream.read().endswith(b"data: [DONE]\n\n")


def test_haproxy_refuses_what_does_not_fit_and_shows_the_old_one(issued: Gateway, tmp_path: Path) -> None:
    before, kept = shown(issued.front.ports["api"]), issued.places.certificate.read_text()
    one, other = Maker(tmp_path).files(DOMAIN), Maker(tmp_path).files(DOMAIN)
    mixed = one.certificate.read_text() + other.key.read_text()
    with pytest.raises(CertificateError, match="HAProxy refused the certificate"):
        issue.place(mixed, issued.places.certificate, issued.door)
    assert shown(issued.front.ports["api"]) == before
    assert issued.places.certificate.read_text() == kept
    assert "in place" in issue.place(one.pem, issued.places.certificate, issued.door)
