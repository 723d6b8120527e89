"""Who reaches a stack, and by which name: the section `pilotlight:access`, and what its keys only tell together."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from core.contract.network import API_PORT, CHAT_PORT, HTTP_PORT, HTTPS_PORT
from core.settings import applied
from core.settings import notify as notify_rules
from core.settings.checks import WIDEST_V4, WIDEST_V6, Cidr, NarrowCidr, Origin, lets_the_internet_in
from core.settings.section import Section, as_tuple, distinct

ACME_SERVERS: Final = {  # Let's Encrypt's directories (https://letsencrypt.org/docs/acme-protocol-updates/)
    "letsencrypt": "https://acme-v02.api.letsencrypt.org/directory",
    "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
}
_NAME_LONGEST: Final = 253  # RFC 1035, without the dot at the end
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])")
_URL: Final = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_PREFIX: Final = "pilotlight:access"


def _domain(text: str) -> str:
    """A host name of two labels or more (RFC 1035), as certificates and DNS have it."""
    lower = text.lower()
    if _DOMAIN.fullmatch(text) and len(text) <= _NAME_LONGEST:
        return text
    if text.startswith("*."):
        raise ValueError(f"is a wildcard, and the gateway has one name; write e.g. llm{text[1:]}")
    inside = re.sub(r"^[a-z]+://|[:/].*$", "", re.sub(r"^[a-z]+://", "", lower)).rstrip(".")
    write = inside if _DOMAIN.fullmatch(inside) else "llm.example.org"
    raise ValueError(f"is not a domain, which is a host name alone (xn--… where it is not ASCII); write e.g. {write}")


def _server(text: str) -> str:
    if text in ACME_SERVERS or _URL.fullmatch(text):
        return text
    raise ValueError(f"is not allowed; allowed: {', '.join(ACME_SERVERS)}, or the https URL of an ACME directory")


def _file(text: str) -> str:
    if text.startswith(("/", "~/")) and text.isprintable():
        return text
    raise ValueError("is not a path from / or ~/; write e.g. ~/certificates/llm.example.org.pem")


_SERVER_SCHEMA: Final[dict[str, Any]] = {
    "anyOf": [{"enum": list(ACME_SERVERS)}, {"type": "string", "pattern": f"^{_URL.pattern}$"}]
}
Cidrs = Annotated[tuple[Cidr, ...], BeforeValidator(as_tuple), AfterValidator(distinct)]
NarrowCidrs = Annotated[tuple[NarrowCidr, ...], BeforeValidator(as_tuple), AfterValidator(distinct)]
Origins = Annotated[tuple[Origin, ...], BeforeValidator(as_tuple), AfterValidator(distinct)]
Domain = Annotated[str, AfterValidator(_domain)]
AcmeServer = Annotated[str, AfterValidator(_server), WithJsonSchema(_SERVER_SCHEMA)]
Email = Annotated[str, AfterValidator(notify_rules.checked_email)]
Path = Annotated[str, AfterValidator(_file)]


class Access(Section):
    """Who reaches the service, and by which name. Without TLS the whole internet is refused."""

    model_config = applied.section(applied.UP)

    cidrs: Cidrs = Field(
        default=(),
        description=f"Who reaches {API_PORT} (API) and {CHAT_PORT} (chat). Must be set on AWS. 0.0.0.0/0 needs "
        "`domain`. On a machine of your own: beside the machine itself.",
        json_schema_extra=applied.BOTH,
    )
    ssh_cidrs: NarrowCidrs = Field(default=(), description="Who logs in by SSH, `fab deploy` too. Must be set on AWS.")
    cors_origins: Origins = Field(
        default=(),
        description="Origins whose pages may call the API from a browser, e.g. https://app.example.com; * is every "
        "page. Default: none.",
        json_schema_extra=applied.DEPLOY,
    )
    domain: Domain | None = Field(
        default=None,
        description=f"The gateway's name, e.g. llm.example.org. With it {API_PORT} and {CHAT_PORT} speak TLS only, "
        f"{HTTPS_PORT} is the chat page too, and {HTTP_PORT} sends on to them. Its certificate comes by ACME, whose "
        "terms you accept by this, or from `certificateFile`. Default: no TLS.",
        json_schema_extra=applied.BOTH,
    )
    contact_email: Email | None = Field(
        default=None,
        description="What the certificate authority is given as your contact. Default: nothing.",
        json_schema_extra=applied.DEPLOY,
    )
    acme_server: AcmeServer = Field(
        default="letsencrypt",
        description="Who certifies `domain`: letsencrypt, letsencrypt-staging (to try out; browsers do not trust it), "
        "or the https URL of another ACME directory, which the gateway must trust.",
        json_schema_extra=applied.DEPLOY,
    )
    certificate_file: Path | None = Field(
        default=None,
        description="Your own certificate for `domain` on this computer (PEM, the domain's first, then the chain), in "
        "place of one by ACME. `fab deploy` reads it each time.",
        json_schema_extra=applied.BOTH,
    )
    key_file: Path | None = Field(
        default=None,
        description="Its private key on this computer (PEM, without a passphrase).",
        json_schema_extra=applied.DEPLOY,
    )

    @property
    def by_acme(self) -> bool:
        """The gateway asks for its certificate itself."""
        return self.domain is not None and self.certificate_file is None

    @property
    def directory(self) -> str:
        """URL of the ACME server's directory."""
        return ACME_SERVERS.get(self.acme_server, self.acme_server)


def problems(access: Access, *, has_gateway: bool) -> Iterator[str]:
    """A line for each thing that only several keys together can tell."""
    if access.domain is None:
        yield from _without_domain(access)
    elif not has_gateway:
        yield (
            f'{_PREFIX}.domain: "{access.domain}" needs a gateway: the host\'s address changes whenever it starts. '
            "Take away `pilotlight:gateway: none`, or the domain"
        )
    if (access.certificate_file is None) != (access.key_file is None):
        lacking, there = ("certificateFile", "keyFile") if access.key_file else ("keyFile", "certificateFile")
        yield f"{_PREFIX}.{lacking} is not set, and {there} is: a certificate and its key belong together"
    if access.certificate_file is not None:
        yield from _unused(access, ("contact_email", "acme_server"), "the certificate is your own, not by ACME")


def _without_domain(access: Access) -> Iterator[str]:
    for index, cidr in enumerate(access.cidrs):
        if lets_the_internet_in(ipaddress.ip_network(cidr)):
            yield (
                f'{_PREFIX}.cidrs[{index}]: "{cidr}" lets the internet in without TLS. Set {_PREFIX}.domain, or name '
                f"the ranges of your callers (at least /{WIDEST_V4} for IPv4, /{WIDEST_V6} for IPv6)"
            )
    without = ("contact_email", "acme_server", "certificate_file", "key_file")
    yield from _unused(access, without, f"there is no {_PREFIX}.domain")


def _unused(access: Access, names: tuple[str, ...], why: str) -> Iterator[str]:
    for name in names:
        if name in access.model_fields_set and getattr(access, name) is not None:
            yield f"{_PREFIX}.{Access.model_fields[name].alias or name} has no effect: {why}. Take it away"
