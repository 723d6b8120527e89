"""Instance metadata, version 2, for the machines: a WSGI application that knows a caller by its address.

Served on the cloud's gateway address (AWS_EC2_METADATA_SERVICE_ENDPOINT), never on 169.254.169.254. A token is required
unless the instance says `HttpTokens: optional`. To serve another path, add it to `document`. Source: EC2 user guide,
"Instance metadata".
"""

from __future__ import annotations

import datetime as dt
import json
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from local.cloud.credentials import MACHINE_LIFE_S, Credentials
from local.cloud.faults import METADATA, Call, FaultBoard
from local.cloud.site import ACCOUNT, REGION

_UNAVAILABLE: Final = "503 Service Unavailable"
TOKEN_PATH: Final = "/latest/api/token"
_ROOT: Final = "/latest/meta-data/"
_IDENTITY: Final = "/latest/dynamic/instance-identity/document"
_TTL: Final = "HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS"
_TOKEN: Final = "HTTP_X_AWS_EC2_METADATA_TOKEN"
_MAX_TTL_S: Final = 21600

Reply = tuple[str, str]  # status, body


class Metadata:
    """`find` gives moto's instance for a caller's address, or None; `issue` draws credentials for a machine; `board`
    has the faults.
    """

    def __init__(
        self,
        find: Callable[[str], Any | None],
        clock: Callable[[], float],
        issue: Callable[[], Credentials],
        board: FaultBoard,
    ) -> None:
        self._board = board
        self._issue = issue
        self._issued: dict[str, tuple[str, float]] = {}  # instance id → credentials document, until (on the clock)
        self._find = find
        self._clock = clock
        self._tokens: dict[str, tuple[str, float]] = {}  # token → instance id, until (on the clock)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request. A fault delays it, and answers it by 503 unless its `error` is "" (`faults.py`)."""
        action = "Token" if environ["PATH_INFO"] == TOKEN_PATH else "Get"
        fault = self._board.take(Call(METADATA, action, str(environ.get("REMOTE_ADDR", ""))))
        if fault is not None:
            time.sleep(fault.delay_s)
        status, body = self.answer(environ) if fault is None or not fault.error else (_UNAVAILABLE, "")
        start(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body.encode())))])
        return [body.encode()]

    def answer(self, environ: dict[str, Any]) -> Reply:
        """Status and body for a WSGI environment."""
        instance = self._find(str(environ.get("REMOTE_ADDR", "")))
        if instance is None or "HTTP_X_FORWARDED_FOR" in environ:
            return "403 Forbidden", ""
        if instance.metadata_options.http_endpoint == "disabled":
            return "403 Forbidden", ""
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path == TOKEN_PATH:
            return self._grant(instance, environ) if method == "PUT" else ("405 Method Not Allowed", "")
        if not self._may_read(instance, environ.get(_TOKEN, "")):
            return "401 Unauthorized", ""
        body = lookup(document(instance, self._credentials(instance.id)), path)
        return ("404 Not Found", "") if body is None else ("200 OK", body)

    def _credentials(self, instance_id: str) -> str:
        """The same for half of their life, as EC2 does; then new ones, while the old ones live on."""
        text, until = self._issued.get(instance_id, ("", 0.0))
        if self._clock() >= until:
            text, until = _spell(self._issue(), dt.datetime.now(dt.UTC)), self._clock() + MACHINE_LIFE_S / 2
            self._issued[instance_id] = text, until
        return text

    def _grant(self, instance: Any, environ: dict[str, Any]) -> Reply:
        ttl = environ.get(_TTL, "")
        if not ttl.isdecimal() or not 1 <= int(ttl) <= _MAX_TTL_S:
            return "400 Bad Request", ""
        now = self._clock()
        self._tokens = {token: kept for token, kept in self._tokens.items() if kept[1] > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = (instance.id, now + int(ttl))
        return "200 OK", token

    def _may_read(self, instance: Any, token: str) -> bool:
        if not token:
            return bool(instance.metadata_options.http_tokens == "optional")
        owner, until = self._tokens.get(token, ("", 0.0))
        return owner == instance.id and self._clock() < until


def document(instance: Any, credentials: str) -> dict[str, str]:
    """Path → text of all that an instance can read; `credentials` are its role's, where it has one."""
    zone = str(instance.availability_zone)
    role = _role(instance)
    found = {
        "ami-id": instance.image_id,
        "hostname": instance.private_dns_name,
        "instance-id": instance.id,
        "instance-life-cycle": instance.lifecycle or "on-demand",
        "instance-type": instance.instance_type,
        "local-hostname": instance.private_dns_name,
        "local-ipv4": str(instance.private_ip),
        "placement/availability-zone": zone,
        "placement/region": REGION,
    }
    if instance.public_ip:
        found["public-ipv4"] = instance.public_ip
    if role:
        found["iam/security-credentials/"] = role
        found[f"iam/security-credentials/{role}"] = credentials
    if instance.metadata_options.instance_metadata_tags == "enabled":
        found |= {f"tags/instance/{tag['key']}": tag["value"] for tag in instance.get_tags()}
    return {_ROOT + path: text for path, text in found.items()} | {_IDENTITY: _identity(instance, zone)}


def lookup(found: dict[str, str], path: str) -> str | None:
    """The text at a path; for a folder its entries, one a line; None where there is nothing."""
    if path in found:
        return found[path]
    folder = path.rstrip("/") + "/"
    if folder in found:
        return found[folder]
    rests = [name[len(folder) :] for name in found if name.startswith(folder)]
    below = sorted({rest.split("/", 1)[0] + ("/" if "/" in rest else "") for rest in rests})
    return "\n".join(below) if below else None


def _role(instance: Any) -> str:
    """The name of the role behind the instance profile; "" where there is none."""
    association = instance.ec2_backend.iam_instance_profile_associations.get(instance.id)
    roles = association.iam_instance_profile.roles if association else []
    return str(roles[0].name) if roles else ""


def _spell(credentials: Credentials, now: dt.datetime) -> str:
    stamp, life_s = "%Y-%m-%dT%H:%M:%SZ", dt.timedelta(seconds=MACHINE_LIFE_S)
    life = {"LastUpdated": now.strftime(stamp), "Expiration": (now + life_s).strftime(stamp)}
    keys = {"AccessKeyId": credentials.key, "SecretAccessKey": credentials.secret, "Token": credentials.token}
    return json.dumps({"Code": "Success", "Type": "AWS-HMAC", **keys, **life})


def _identity(instance: Any, zone: str) -> str:
    return json.dumps(
        {
            "accountId": ACCOUNT,
            "architecture": instance.architecture,
            "availabilityZone": zone,
            "imageId": instance.image_id,
            "instanceId": instance.id,
            "instanceType": instance.instance_type,
            "privateIp": str(instance.private_ip),
            "region": REGION,
        }
    )
