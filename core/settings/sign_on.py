"""Who logs in to the chat page by an OpenID Connect provider: the section `pilotlight:webui.oidc`.

What it becomes in Open WebUI's environment stands in `remote/services/sign_on.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from core.settings import applied, notify
from core.settings.section import Section, as_tuple, distinct

EVERY_DOMAIN: Final = "*"
SECRET_LONGEST: Final = 1024
_DISCOVERY: Final = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, section 4
_ISSUER: Final = re.compile(r"https://[a-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?")
_DOMAIN: Final = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]")
_SEALED: Final[dict[str, Any]] = {"type": "object", "required": ["secure"], "additionalProperties": {"type": "string"}}
_SECRET_SCHEMA: Final[dict[str, Any]] = {"anyOf": [{"type": "string", "minLength": 1}, _SEALED]}
_PATH: Final = "pilotlight:webui.oidc"


def _issuer(text: str) -> str:
    if text.endswith(_DISCOVERY):
        raise ValueError(f"is the provider's discovery document; write {text.removesuffix(_DISCOVERY)}")
    if not _ISSUER.fullmatch(text):
        raise ValueError("is not an issuer, which is an https URL; write e.g. https://login.example.org/realms/staff")
    return text


def _line(text: str) -> str:
    """One line of a file of variables."""
    if not text.strip() or not text.isprintable() or len(text.encode()) > SECRET_LONGEST:
        raise ValueError(f"must be one line of at most {SECRET_LONGEST} bytes")
    return text


def _secret(value: Any) -> Any:
    """The client's secret; None for an encrypted one, which only Pulumi can read. Its text is in no message."""
    if notify.is_sealed(value):
        return None
    if not isinstance(value, str):
        raise ValueError(f"must be one line of at most {SECRET_LONGEST} bytes")
    return _line(value)


def _mail_domain(text: str) -> str:
    if text == EVERY_DOMAIN or _DOMAIN.fullmatch(text):
        return text
    inside = text.lower().rpartition("@")[2]
    write = inside if _DOMAIN.fullmatch(inside) else "example.org"
    raise ValueError(f"is not the domain of an e-mail address in lower case, nor {EVERY_DOMAIN}; write e.g. {write}")


def _some(domains: tuple[str, ...]) -> tuple[str, ...]:
    if not domains:
        raise ValueError(
            f'lets nobody in; write e.g. [example.org], or ["{EVERY_DOMAIN}"] for whoever the provider lets in'
        )
    return domains


def _role(text: str) -> str:
    if not text.strip() or not text.isprintable() or "," in text or text == EVERY_DOMAIN:
        raise ValueError("is not a role: one word or more on one line, without a comma")
    return text


def _claim(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_:/.-]{1,200}", text):
        raise ValueError("is not a claim's name; write e.g. roles, or realm_access.roles where it lies inside another")
    return text


Issuer = Annotated[str, AfterValidator(_issuer), WithJsonSchema({"type": "string", "pattern": f"^{_ISSUER.pattern}$"})]
Line = Annotated[str, AfterValidator(_line)]
Secret = Annotated[str | None, BeforeValidator(_secret), WithJsonSchema(_SECRET_SCHEMA)]
MailDomain = Annotated[str, AfterValidator(_mail_domain)]
MailDomains = Annotated[
    tuple[MailDomain, ...], BeforeValidator(as_tuple), AfterValidator(distinct), AfterValidator(_some)
]
Role = Annotated[str, AfterValidator(_role)]
Roles = Annotated[tuple[Role, ...], BeforeValidator(as_tuple), AfterValidator(distinct)]
Claim = Annotated[str, AfterValidator(_claim)]


class Oidc(Section):
    """Single sign-on at the chat page by an OpenID Connect provider."""

    model_config = applied.section(applied.DEPLOY)

    issuer: Issuer = Field(description="The provider's issuer, an https URL.")
    client_id: Line = Field(description="What the provider calls the chat page.")
    client_secret: Secret = Field(
        repr=False,
        description="The client's secret; on AWS encrypted: "
        "`pulumi config set -s STACK --secret --path pilotlight:webui.oidc.clientSecret`.",
        json_schema_extra=applied.BOTH_SECRET,
    )
    allowed_domains: MailDomains = Field(
        description='Domains of the e-mail addresses that are let in; ["*"]: whoever the provider lets in.'
    )
    name: Line = Field(default="single sign-on", description="What the button says: Continue with NAME.")
    roles_claim: Claim = Field(default="roles", description="The claim that holds a person's roles.")
    user_roles: Roles = Field(
        default=(), description="Roles that may use the page. Default: whoever is let in, whatever the roles."
    )
    admin_roles: Roles = Field(default=(), description="Roles that administer the page.")
    password_log_in: bool = Field(default=True, description="Accounts with a password may log in too.")

    @property
    def discovery_url(self) -> str:
        """Where the provider says what it can."""
        return self.issuer.rstrip("/") + _DISCOVERY


def problems(oidc: Oidc, *, has_page: bool, domain: str | None, sign_up: bool) -> Iterator[str]:
    """A line for each thing that only several keys together can tell."""
    if not has_page:
        yield f"{_PATH} has no effect: there is no chat page. Take it away, or set pilotlight:webui.host"
    elif domain is None:
        yield (
            f"{_PATH} needs pilotlight:access.domain: a provider sends people back to an https address, and without a "
            "domain the chat page has none. Set the domain, or take oidc away"
        )
    if sign_up:
        yield (
            f"pilotlight:webui.signUp lets in whoever reaches the page, and {_PATH} whom your provider knows. Take one "
            "of the two away"
        )
    if not oidc.password_log_in and not oidc.admin_roles:
        yield (
            f"{_PATH}.passwordLogIn: false leaves nobody who administers the page, since {_PATH}.adminRoles is not "
            "set. Set it, or let passwords be"
        )
    if "roles_claim" in oidc.model_fields_set and not oidc.user_roles and not oidc.admin_roles:
        yield f"{_PATH}.rolesClaim has no effect: neither userRoles nor adminRoles is set. Take it away"
