"""AWS clients with explicit time-outs and retries: the one place where everything of ours gets them.

A client is made once a process and service (making one reads megabytes of service description), and only when asked
for, so that a Lambda that needs no SNS never pays for it. `AWS_ENDPOINT_URL` is honoured by boto3 itself.

What failed once is not believed for ever: boto3 keeps "no credentials" in a client for the client's life, so a client
is made only once there are credentials, and all are made anew after a call that failed for want of them (`failed`). A
process that has had none for GIVE_UP_S ends (`given_up`), and systemd starts it again.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Final

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 3
# The instance's metadata service; botocore's defaults are one attempt of one second, too little while a machine boots
METADATA_TIMEOUT_S: Final = 2
METADATA_ATTEMPTS: Final = 3
GIVE_UP_S: Final = 300.0
# What services say of credentials that are not (or no longer) good: the role was changed, the clock was wrong
REFUSED: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
    | {"AuthFailure", "InvalidAccessKeyId"}
)


@dataclass
class _Kept:
    """What lasts between calls. `without_since`: credentials have been missing since then (monotonic, s)."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    session: Any = None
    clients: dict[tuple[Any, ...], Any] = field(default_factory=dict)
    without_since: float | None = None


_kept: Final = _Kept()


def client(
    service: str,
    region: str,
    *,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    read_timeout_s: float = READ_TIMEOUT_S,
    attempts: int = ATTEMPTS,
) -> Any:
    """A boto3 client. `attempts` counts the first one: 1 means that nothing is ever sent twice.

    Ask for it at every call, inside the `try` of that call: NoCredentialsError (a BotoCoreError) where there are none.
    """
    key = (service, region, connect_timeout_s, read_timeout_s, attempts)
    with _kept.lock:
        found = _kept.clients.get(key)
        if found is None:
            from botocore.config import Config

            config = Config(
                connect_timeout=connect_timeout_s,
                read_timeout=read_timeout_s,
                retries={"total_max_attempts": attempts, "mode": "standard"},
            )
            found = _kept.clients[key] = _session().client(service, region_name=region, config=config)
        return found


def _session() -> Any:
    """The session that all clients share; kept only if it has credentials."""
    if _kept.session is None:
        import boto3
        import botocore.session
        from botocore.exceptions import NoCredentialsError

        core = botocore.session.get_session()
        core.set_config_variable("metadata_service_timeout", METADATA_TIMEOUT_S)
        core.set_config_variable("metadata_service_num_attempts", METADATA_ATTEMPTS)
        if core.get_credentials() is None:
            error = NoCredentialsError()
            failed(error)
            raise error
        _kept.session = boto3.Session(botocore_session=core)
    return _kept.session


def errors() -> tuple[type[Exception], ...]:
    """What a call of a client raises: AWS's own refusals, and no answer. For `except`; name it inside the call's
    `try`.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)


def forget() -> None:
    """Make everything anew at the next call."""
    with _kept.lock:
        _kept.session = None
        _kept.clients.clear()


def failed(error: Exception) -> None:
    """A call failed. Where it is for the credentials' sake, the next one gets a new session and new clients."""
    from botocore.exceptions import ClientError, CredentialRetrievalError, NoCredentialsError, PartialCredentialsError

    missing = isinstance(error, NoCredentialsError | PartialCredentialsError | CredentialRetrievalError)
    if missing and _kept.without_since is None:
        _kept.without_since = time.monotonic()
    if missing or (isinstance(error, ClientError) and error.response.get("Error", {}).get("Code", "") in REFUSED):
        forget()


def worked() -> None:
    """A call was answered: there are credentials."""
    _kept.without_since = None


def given_up() -> str:
    """Why this process should end, "" where it should not."""
    since = _kept.without_since
    if since is None or time.monotonic() - since < GIVE_UP_S:
        return ""
    return (
        f"no credentials from the instance's metadata service for {time.monotonic() - since:.0f} s: ending, so that "
        "systemd starts this program anew"
    )
