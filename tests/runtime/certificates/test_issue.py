"""The way of a certificate to HAProxy, without HAProxy and certbot: what is asked, in which order, and what is left."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.contract.documents import SCHEMA_VERSION, CertificateConfig
from core.errors import CertificateError
from runtime.certificates import issue
from runtime.certificates.front_door import FrontDoor, NotRunningError
from tests.certificates import Maker

PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----"
CERTBOT = """#!{python}
import pathlib, sys
given = dict(zip(sys.argv, sys.argv[1:]))
pathlib.Path({words!r}).write_text(" ".join(sys.argv[1:]))
if given["--domain"].startswith("fail"):
    sys.exit("Saving debug log to /x\\n  Detail: 203.0.113.9: Connection refused\\nAsk for help")
made = pathlib.Path(given["--config-dir"], "live", given["--cert-name"])
made.mkdir(parents=True)
chain, mark, key = {pem!r}.partition("-----BEGIN PRIVATE")
(made / "fullchain.pem").write_text(chain)
(made / "privkey.pem").write_text(mark + key)
"""


class Door(FrontDoor):
    """An admin socket that answers by `answers`, and keeps what it was asked. No waiting."""

    def __init__(self, answers: Callable[[str], str]) -> None:
        super().__init__("nowhere", wait=lambda _: None)
        self.asked: list[str] = []
        self._answers = answers

    def ask(self, command: str) -> str:
        self.asked.append(command.splitlines()[0])
        return self._answers(command)


def willing(command: str) -> str:
    """As HAProxy 2.6 says it."""
    if command.startswith("set ssl cert"):
        return "Transaction created for certificate /c.pem!"
    if command.startswith("commit"):
        return "Committing /c.pem.\nSuccess!"
    if command.startswith("show servers state"):
        return "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state\n4 acme 1 certbot 127.0.0.1 2 0 1 1"
    return ""


@pytest.fixture
def pem(tmp_path: Path) -> str:
    return Maker(tmp_path).files("llm.example.org").pem


# ---------------------------------------------------------------- HAProxy and the file
def test_it_is_shown_first_and_then_written_for_root_alone(tmp_path: Path, pem: str) -> None:
    path, door = tmp_path / "tls" / "c.pem", Door(willing)
    assert issue.place(pem, path, door) == "in place, without a reload"
    assert door.asked == [f"set ssl cert {path} <<", f"commit ssl cert {path}"]
    assert (path.read_text(), path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (pem, 0o600, 0o700)
    assert issue.place(pem, path, door) == "nothing new"
    assert len(door.asked) == 2


def test_a_key_that_comes_first_and_words_between_are_put_in_haproxys_order(tmp_path: Path, pem: str) -> None:
    certificates, key = pem.split("-----BEGIN PRIVATE KEY-----")
    turned = f"-----BEGIN PRIVATE KEY-----{key}\nBag Attributes: x\n\n{certificates}"
    issue.place(turned, tmp_path / "c.pem", Door(willing))
    assert (tmp_path / "c.pem").read_text() == pem


def test_what_haproxy_refuses_is_taken_back_and_not_written(tmp_path: Path, pem: str) -> None:
    door = Door(lambda command: "unable to load certificate" if command.startswith("set") else "")
    with pytest.raises(CertificateError, match="HAProxy refused the certificate: unable to load"):
        issue.place(pem, tmp_path / "c.pem", door)
    assert door.asked[-1].startswith("abort ssl cert")
    assert not (tmp_path / "c.pem").exists()


def _not_there(_: str) -> str:
    raise NotRunningError("HAProxy does not run.")


@pytest.mark.parametrize("answers", [_not_there, lambda _: "Can't replace a certificate which is not referenced by"])
def test_a_haproxy_that_does_not_show_it_yet_reads_the_file(
    tmp_path: Path, pem: str, answers: Callable[[str], str]
) -> None:
    assert "when HAProxy is reloaded" in issue.place(pem, tmp_path / "c.pem", Door(answers))
    assert (tmp_path / "c.pem").read_text() == pem


@pytest.mark.parametrize("text", ["", "no PEM", PEM.format("x"), f"{PEM.format('x')}\n" * 2])
def test_what_is_no_certificate_with_one_key_goes_nowhere(tmp_path: Path, text: str) -> None:
    door = Door(willing)
    with pytest.raises(CertificateError, match="One key and its certificates were expected"):
        issue.place(text, tmp_path / "c.pem", door)
    assert not door.asked


# ---------------------------------------------------------------- port 80
def test_a_reload_on_its_way_does_not_close_port_80_unseen() -> None:
    """The old process takes the order, the new one knows nothing of it."""
    states = iter(["0", "2"])
    door = Door(lambda c: f"1\n4 acme 1 certbot 127.0.0.1 {next(states)}" if c.startswith("show") else "")
    with door.asking():
        assert door.asked.count("set server acme/certbot state ready") == 2
    assert door.asked[-1] == "set server acme/certbot state maint"


def test_port_80_is_closed_again_whatever_happens() -> None:
    door = Door(lambda _: "No such backend.")
    with pytest.raises(CertificateError, match="No such backend"), door.asking():
        pass
    assert door.asked[-1] == "set server acme/certbot state maint"


# ---------------------------------------------------------------- certbot
@pytest.fixture
def places(tmp_path: Path, pem: str) -> issue.Places:
    """A certbot that notes its words and leaves a certificate where certbot does, or fails for `fail.example.org`."""
    program = tmp_path / "certbot"
    program.write_text(CERTBOT.format(python=sys.executable, words=str(tmp_path / "words"), pem=pem))
    program.chmod(0o755)
    return issue.Places(program, tmp_path / "data", tmp_path / "c.pem", 9, tmp_path / "none")


def config(domain: str = "llm.example.org", email: str = "") -> CertificateConfig:
    return CertificateConfig(SCHEMA_VERSION, domain, "203.0.113.9", "https://ca.example:14000/dir", email)


def test_a_certificate_comes_from_certbot_while_port_80_is_open(places: issue.Places, tmp_path: Path, pem: str) -> None:
    door = Door(willing)
    said = issue.issue(config(email="ops@example.org"), places, door, lambda _: ["203.0.113.9"])
    assert said == "llm.example.org by https://ca.example:14000/dir: in place, without a reload"
    assert places.certificate.read_text() == pem
    opened = [command for command in door.asked if command.startswith("set server")]
    assert [command.split()[-1] for command in opened] == ["ready", "maint"]
    words = (tmp_path / "words").read_text()
    assert "--email ops@example.org" in words
    assert f"--config-dir {places.data}/ca.example_14000_dir " in words
    assert "--standalone --http-01-address 127.0.0.1 --http-01-port 9" in words


def test_nobody_is_given_an_address_that_was_not_named(places: issue.Places) -> None:
    words = issue.command(config(), places, places.data)
    assert "--register-unsafely-without-email" in words
    assert "--email" not in words


def test_certbots_failure_is_told_without_its_advice(places: issue.Places) -> None:
    door = Door(willing)
    with pytest.raises(CertificateError) as caught:
        issue.issue(config("fail.example.org"), places, door, lambda _: ["203.0.113.9"])
    assert str(caught.value) == ("No certificate was issued. certbot said:\nDetail: 203.0.113.9: Connection refused")
    assert door.asked[-1] == "set server acme/certbot state maint"


def test_a_domain_elsewhere_opens_nothing_and_runs_nothing(places: issue.Places, tmp_path: Path) -> None:
    door = Door(willing)
    with pytest.raises(CertificateError, match="Nothing was asked of a certificate authority"):
        issue.issue(config(), places, door, lambda _: ["198.51.100.1"])
    assert not door.asked
    assert not (tmp_path / "words").exists()
