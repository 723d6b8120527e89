"""`pilotlight:access`: the domain, its certificate, and what the internet may reach."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import SettingsError
from core.settings import Access, load
from tests.core.test_settings import raw

NEAR = {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"]}
DOMAIN = {"domain": "llm.example.org"}
FILES = {"certificateFile": "~/a.pem", "keyFile": "/etc/a.key"}


def access(**keys: Any) -> Access:
    return load(raw(access=NEAR | keys), "lab").access


def message(gateway: Any = None, **keys: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        load(raw(access=NEAR | keys, gateway=gateway), "lab")
    return str(caught.value)


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0", "128.0.0.0/1"])
def test_the_internet_is_let_in_with_tls_only(everybody: str) -> None:
    assert f'access.cidrs[0]: "{everybody}" lets the internet in without TLS' in message(cidrs=[everybody])
    assert access(cidrs=[everybody], **DOMAIN).cidrs == (everybody,)
    assert access(cidrs=[everybody], **DOMAIN, **FILES).cidrs == (everybody,)


def test_nobody_logs_in_from_everywhere_tls_or_not() -> None:
    assert 'access.sshCidrs[0]: "0.0.0.0/0" lets the internet in' in message(sshCidrs=["0.0.0.0/0"], **DOMAIN)


def test_a_certificate_comes_by_acme_unless_the_file_names_ones_own() -> None:
    assert (access().by_acme, access(**DOMAIN).by_acme, access(**DOMAIN, **FILES).by_acme) == (False, True, False)
    assert access(**DOMAIN).directory == "https://acme-v02.api.letsencrypt.org/directory"
    staging = access(**DOMAIN, acmeServer="letsencrypt-staging")
    assert staging.directory == "https://acme-staging-v02.api.letsencrypt.org/directory"
    assert access(**DOMAIN, acmeServer="https://ca.example:9000/acme/d").directory == "https://ca.example:9000/acme/d"


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"domain": "https://llm.example.org:8000/v1"}, "write e.g. llm.example.org"),
        ({"domain": "LLM.example.org"}, "write e.g. llm.example.org"),
        ({"domain": "*.example.org"}, "is a wildcard, and the gateway has one name; write e.g. llm.example.org"),
        ({"domain": "gateway"}, "is not a domain, which is a host name alone"),
        ({"domain": "203.0.113.9"}, "is not a domain"),
        ({"domain": "llm.exämple.org"}, "xn--… where it is not ASCII"),
        ({"domain": f"{'a' * 64}.example.org"}, "is not a domain"),
        ({"domain": "llm.example.org\n"}, "is not a domain"),
        (DOMAIN | {"acmeServer": "letsencript"}, "allowed: letsencrypt, letsencrypt-staging, or the https URL"),
        (DOMAIN | {"acmeServer": "http://ca.example/dir"}, "or the https URL of an ACME directory"),
        (DOMAIN | {"contactEmail": "ops"}, 'access.contactEmail: "ops"'),
        (
            DOMAIN | {"certificateFile": "a.pem", "keyFile": "/b"},
            'access.certificateFile: "a.pem" is not a path from /',
        ),
        (DOMAIN | {"certificateFile": "/a.pem"}, "access.keyFile is not set, and certificateFile is"),
        (DOMAIN | {"keyFile": "/a.key"}, "access.certificateFile is not set, and keyFile is"),
        (
            DOMAIN | FILES | {"contactEmail": "a@example.org"},
            "contactEmail has no effect: the certificate is your",
        ),
        (FILES, "access.certificateFile has no effect: there is no pilotlight:access.domain"),
        (
            {"acmeServer": "letsencrypt-staging"},
            "acmeServer has no effect: there is no pilotlight",
        ),
    ],
)
def test_a_wrong_value_says_what_is_allowed(keys: dict[str, Any], part: str) -> None:
    assert part in message(**keys)


def test_a_domain_needs_an_address_that_stays() -> None:
    assert 'access.domain: "llm.example.org" needs a gateway' in message(gateway="none", **DOMAIN)
