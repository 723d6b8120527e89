"""The gateway's certificate as items: what comes before HAProxy, what after it, and what a second deployment does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from core import settings
from core.contract.paths import CERTIFICATE, CERTIFICATE_CONFIG
from core.errors import DeployError
from core.settings import Access
from remote.items import Item
from remote.items.certificates import SERVICE, STAMP, TIMER, UNIT_DIR, Issued, NoRenewal, OwnCertificate, PointsHere
from remote.items.files import File
from remote.machines.facts import Facts, FileFact, UnitFact
from remote.machines.inventory import Inventory
from remote.machines.transport import Address
from remote.plan import plan
from remote.services import certificates, haproxy
from remote.verbs import wanted
from tests.certificates import Maker
from tests.remote.machines.test_inventory import OUTPUTS

DOMAIN, ADDRESS = "llm.example.org", "203.0.113.9"


def access(**keys: Any) -> Access:
    return Access.model_validate({"domain": DOMAIN} | keys)


ACME = access(contactEmail="ops@example.org")
MARK = f"{DOMAIN} {ACME.directory}"


def all_items(wanted: Access) -> list[Item]:
    before = certificates.before(wanted, ADDRESS)
    return [*before, *certificates.before_haproxy(wanted), *certificates.items(wanted, ADDRESS)]


def one(wanted: Access, kind: type[Any]) -> Any:
    (found,) = [item for item in all_items(wanted) if isinstance(item, kind)]
    return found


def test_without_a_domain_there_is_nothing() -> None:
    assert not plan(all_items(Access()), Facts())


def test_the_domain_is_asked_about_before_anything_but_the_program_that_asks() -> None:
    code, asked = certificates.before(ACME, ADDRESS)
    assert "certificates" in code.label
    assert isinstance(asked, PointsHere)
    (order,) = asked.orders(Facts())
    assert order.script.endswith(f"runtime.certificates check {DOMAIN} {ADDRESS}")


def test_nobody_asks_again_once_it_is_issued() -> None:
    done = Facts(texts={STAMP: MARK})
    assert (one(ACME, PointsHere).reason(done), one(ACME, Issued).reason(done)) == ("", "")


@pytest.mark.parametrize("stamp", ["", f"other.example.org {ACME.directory}", f"{DOMAIN} https://other/dir"])
def test_another_domain_or_authority_is_asked_anew(stamp: str) -> None:
    facts = Facts(texts={STAMP: stamp})
    assert one(ACME, PointsHere).reason(facts)
    assert ACME.directory in one(ACME, Issued).reason(facts)


def test_a_renewal_that_failed_is_made_up_for_by_the_next_deployment() -> None:
    failed = Facts(texts={STAMP: MARK}, units={SERVICE: UnitFact("loaded", "failed", "failed", "static", 0)})
    assert one(ACME, Issued).reason(failed) == "its last renewal failed"


def test_the_config_says_where_the_domain_must_point_and_whom_to_ask() -> None:
    (config,) = [i for i in all_items(ACME) if isinstance(i, File) and i.path == CERTIFICATE_CONFIG]
    assert config.content.decode() == (
        f'{{"address": "{ADDRESS}", "domain": "{DOMAIN}", "email": "ops@example.org", "schema_version": 1, '
        f'"server": "{ACME.directory}"}}'
    )


def test_the_timer_stands_before_the_first_certificate_is_asked_for() -> None:
    labels = [item.label for item in all_items(ACME)]
    assert labels.index(TIMER) < labels.index(f"certificate of {DOMAIN}")


@pytest.fixture
def whole(tmp_path: Path) -> list[Item]:
    """Everything on a gateway with a domain."""
    given = {"cloud": "embedded", "engines": {"a": {"model": "x/a"}}, "access": {"domain": DOMAIN}}
    loaded = settings.load({f"pilotlight:{key}": value for key, value in given.items()}, "demo")
    gateway = Address("gateway", "i-gate", ADDRESS, "ubuntu", "", tmp_path)
    return wanted.gateway(Inventory("demo", loaded, OUTPUTS, replace(gateway, role="host"), gateway))


def test_on_the_gateway_dns_comes_first_then_a_file_for_haproxy_then_the_real_one(whole: list[Item]) -> None:
    labels = [item.label for item in whole]
    asked = f"whether {DOMAIN} points to {ADDRESS}"
    order = [asked, CERTIFICATE, haproxy.CONFIG, haproxy.UNIT, f"certificate of {DOMAIN}"]
    assert sorted(order, key=labels.index) == order
    assert labels.index(asked) == 1
    config = next(item for item in whole if isinstance(item, File) and item.path == haproxy.CONFIG)
    assert f"https://{DOMAIN}".encode() in config.content


# ---------------------------------------------------------------- one's own
@pytest.fixture
def own(tmp_path: Path) -> Access:
    files = Maker(tmp_path).files(DOMAIN)
    return access(certificateFile=str(files.certificate), keyFile=str(files.key))


def test_ones_own_travels_by_standard_input_and_is_as_wanted_afterwards(own: Access) -> None:
    item = one(own, OwnCertificate)
    (order,) = item.orders(Facts())
    assert b"PRIVATE KEY" in order.stdin
    assert "PRIVATE" not in order.script + repr(item) + item.label
    assert order.script.endswith("runtime.certificates load")
    there = Facts(files={CERTIFICATE: FileFact(item.file.digest, 0o600, "root", "root")})
    assert not plan(all_items(own)[1:], there)


def test_ones_own_ends_the_renewal_by_acme(own: Access) -> None:
    facts = Facts(paths=frozenset({f"{UNIT_DIR}/{TIMER}"}))
    assert one(own, NoRenewal).reason(facts)
    assert f"rm -f {UNIT_DIR}/{SERVICE}" in one(own, NoRenewal).orders(facts)[0].script


def test_files_that_cannot_be_used_stop_a_deployment_while_it_plans(own: Access) -> None:
    wrong = own.model_copy(update={"domain": "other.example.org"})
    with pytest.raises(DeployError, match=r"access\.domain is other\.example\.org"):
        certificates.items(wrong, ADDRESS)
