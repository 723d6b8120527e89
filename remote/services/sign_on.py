"""Single sign-on at the chat page: the section `pilotlight:webui.oidc` as Open WebUI's environment.

What each variable does was read in Open WebUI 0.12.4 (`open_webui/config.py`, `utils/oauth.py`); ADR 32 has the rest.
"""

from __future__ import annotations

import hashlib
from typing import Final

from core.contract.network import CHAT_PORT
from core.settings import StackSettings
from core.settings.sign_on import EVERY_DOMAIN, Oidc

CLIENT_SECRET: Final = "OAUTH_CLIENT_SECRET"
CALLBACK: Final = "/oauth/oidc/callback"  # Open WebUI's path for the provider that it calls `oidc`
_SCRYPT: Final = {"n": 2**14, "r": 8, "p": 1, "dklen": 16}  # about 50 ms, 16 MiB


def redirect_url(settings: StackSettings) -> str:
    """Where the provider sends people back; it must be registered there. "" without single sign-on."""
    if settings.webui.oidc is None or settings.chat_on is None:
        return ""
    return f"https://{settings.access.domain}:{CHAT_PORT}{CALLBACK}"


def environment(settings: StackSettings) -> dict[str, str]:
    """What is no secret of it; nothing without single sign-on."""
    oidc = settings.webui.oidc
    if oidc is None:
        return {}
    return {
        "OAUTH_CLIENT_ID": oidc.client_id,
        "OPENID_PROVIDER_URL": oidc.discovery_url,
        "OPENID_REDIRECT_URI": redirect_url(settings),
        "OAUTH_PROVIDER_NAME": oidc.name,
        "OAUTH_SCOPES": "openid email profile",
        "OAUTH_CODE_CHALLENGE_METHOD": "S256",  # PKCE, which a provider that does not know it passes over (RFC 7636)
        "OAUTH_ALLOWED_DOMAINS": ",".join(oidc.allowed_domains),
        # an account for whoever is let in. One that has a password stays apart: Open WebUI does not ask whether the
        # provider has verified an e-mail address, so an address alone must not open another's account
        "ENABLE_OAUTH_SIGNUP": "true",
        "OAUTH_MERGE_ACCOUNTS_BY_EMAIL": "false",
        **_roles(oidc),
        **_passwords(oidc),
    }


def _roles(oidc: Oidc) -> dict[str, str]:
    """Who may use the page. An account without any role has none of those that are asked for: it waits for an admin."""
    found = {"DEFAULT_USER_ROLE": "pending" if oidc.user_roles else "user"}
    if oidc.user_roles or oidc.admin_roles:
        found |= {
            "ENABLE_OAUTH_ROLE_MANAGEMENT": "true",
            "OAUTH_ROLES_CLAIM": oidc.roles_claim,
            "OAUTH_ALLOWED_ROLES": ",".join(oidc.user_roles or (EVERY_DOMAIN,)),
            # must be said: unset it is `admin`
            "OAUTH_ADMIN_ROLES": ",".join(oidc.admin_roles),
        }
    return found


def _passwords(oidc: Oidc) -> dict[str, str]:
    if oidc.password_log_in:
        return {}
    return {"ENABLE_PASSWORD_AUTH": "false", "ENABLE_LOGIN_FORM": "false", "OAUTH_AUTO_REDIRECT": "true"}


def digest(oidc: Oidc, secret: str) -> str:
    """What a later deployment knows the secret by. Slow on purpose: people choose short ones."""
    return hashlib.scrypt(secret.encode(), salt=f"{oidc.issuer} {oidc.client_id}".encode(), **_SCRYPT).hex()
