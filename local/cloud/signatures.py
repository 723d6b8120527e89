"""AWS's signature version 4: who a request is from, checked as AWS checks it, with botocore's own arithmetic.

Source: IAM user guide, "Create a signed AWS API request". The cloud's control endpoints (`server.py`) are signed too,
as the service `pilotlight`.
"""

from __future__ import annotations

import datetime as dt
import hmac
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from core.errors import CloudError
from local.cloud.credentials import Credentials

CONTROL_SERVICE: Final = "pilotlight"
SKEW_S: Final = 900.0  # AWS's own limit
_STAMP: Final = "%Y%m%dT%H%M%SZ"
_FORM: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/,]+)/\d{8}/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request, ?"
    r"SignedHeaders=(?P<signed>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)


class Denied(CloudError):
    """A request that is not answered. `code` is AWS's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Signer:
    """Whose signature it is, and for which service it was made."""

    credentials: Credentials
    service: str


def signer(environ: dict[str, Any], find: Callable[[str], Credentials | None], now: dt.datetime) -> Signer:
    """Who signed a WSGI request; its body is read and put back. Denied where nobody did whom `find` knows."""
    form = _FORM.fullmatch(environ.get("HTTP_AUTHORIZATION", ""))
    if form is None:
        raise Denied("MissingAuthenticationToken", "Request is missing Authentication Token")
    known = find(form["key"])  # before the body is read: a stranger's is not
    if known is None or not hmac.compare_digest(known.token, environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")):
        raise Denied("InvalidClientTokenId", "The security token included in the request is invalid")
    stamp = environ.get("HTTP_X_AMZ_DATE", "")
    if not _is_near(stamp, now):
        raise Denied("RequestExpired", f"Request has expired. Timestamp date is {stamp[:32]}")
    if not hmac.compare_digest(_signature(environ, form, known, stamp), form["signature"]):
        raise Denied("SignatureDoesNotMatch", "The request signature we calculated does not match the one you provided")
    return Signer(known, form["service"].lower())


def _is_near(stamp: str, now: dt.datetime) -> bool:
    try:
        at = dt.datetime.strptime(stamp, _STAMP).replace(tzinfo=dt.UTC)
    except ValueError:
        return False
    return abs((now - at).total_seconds()) <= SKEW_S


def _signature(environ: dict[str, Any], form: re.Match[str], known: Credentials, stamp: str) -> str:
    path = environ.get("REQUEST_URI") or environ["PATH_INFO"]  # as it came: PATH_INFO is decoded
    url = f"http://{environ.get('HTTP_HOST', '')}{path}"
    headers = {name: _header(environ, name) for name in form["signed"].split(";")}
    request = AWSRequest(environ["REQUEST_METHOD"], url, headers, read_body(environ))
    request.context["timestamp"] = stamp
    kind = S3SigV4Auth if form["service"] == "s3" else SigV4Auth
    auth = kind(BotoCredentials(known.key, known.secret), form["service"], form["region"])
    signature: str = auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)
    return signature


def _header(environ: Mapping[str, Any], name: str) -> str:
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}", ""))


def read_body(environ: dict[str, Any]) -> bytes:
    """The whole body, which stays there for the next reader."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def sign(method: str, url: str, body: bytes, credentials: Credentials, region: str) -> dict[str, str]:
    """The headers that make a request to the control endpoints this computer's own."""
    request = AWSRequest(method, url, data=body)
    keys = BotoCredentials(credentials.key, credentials.secret, credentials.token or None)
    SigV4Auth(keys, CONTROL_SERVICE, region).add_auth(request)
    return dict(request.headers.items())
