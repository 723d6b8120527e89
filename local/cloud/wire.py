"""AWS's wire formats as far as faults and counters need them: which call a request is, and how each service says no.

EC2 and the other query services put `Action` into a form, DynamoDB, SQS and their kin name it in `X-Amz-Target`, REST
services (Lambda, Scheduler) by method and path. Sources: AWS "query protocol", "JSON protocol", botocore's parsers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from local.cloud.credentials import LAMBDA_KEY, POLLER_KEY
from local.cloud.faults import Call, Fault
from local.cloud.signatures import Denied, read_body

Lookup = Callable[[Iterable[str]], tuple[frozenset[str], frozenset[str]]]  # instance ids → their types, their zones
Answer = tuple[str, list[tuple[str, str]], bytes]  # status line, headers, body

_REST: Final = (
    ("POST", r"/\d{4}-\d\d-\d\d/functions/[^/]+/invocations", "Invoke"),
    ("POST", r"/\d{4}-\d\d-\d\d/functions/?", "CreateFunction"),
    ("PUT", r"/\d{4}-\d\d-\d\d/functions/[^/]+/code", "UpdateFunctionCode"),
    ("PUT", r"/\d{4}-\d\d-\d\d/functions/[^/]+/configuration", "UpdateFunctionConfiguration"),
    ("GET", r"/\d{4}-\d\d-\d\d/functions/[^/]+", "GetFunction"),
    ("DELETE", r"/\d{4}-\d\d-\d\d/functions/[^/]+", "DeleteFunction"),
    ("POST", r"/\d{4}-\d\d-\d\d/event-source-mappings/?", "CreateEventSourceMapping"),
    ("PUT", r"/\d{4}-\d\d-\d\d/event-source-mappings/[^/]+", "UpdateEventSourceMapping"),
    ("GET", r"/\d{4}-\d\d-\d\d/event-source-mappings/[^/]+", "GetEventSourceMapping"),
    ("DELETE", r"/\d{4}-\d\d-\d\d/event-source-mappings/[^/]+", "DeleteEventSourceMapping"),
    ("POST", r"/schedules/[^/]+", "CreateSchedule"),
    ("PUT", r"/schedules/[^/]+", "UpdateSchedule"),
    ("GET", r"/schedules/[^/]+", "GetSchedule"),
    ("DELETE", r"/schedules/[^/]+", "DeleteSchedule"),
)
# HTTP status by error code, where it is not 400 (EC2 API reference, DynamoDB and common error pages)
_STATUS: Final = {
    "AccessDenied": 403,
    "AccessDeniedException": 403,
    "AuthFailure": 403,
    "InsufficientInstanceCapacity": 500,
    "InternalError": 500,
    "InternalServerError": 500,
    "InvalidClientTokenId": 403,
    "MissingAuthenticationToken": 403,
    "RequestExpired": 403,
    "RequestLimitExceeded": 503,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "Unavailable": 503,
    "UnauthorizedOperation": 403,
    "UnrecognizedClientException": 403,
}
_PHRASE: Final = {400: "Bad Request", 403: "Forbidden", 500: "Internal Server Error", 503: "Service Unavailable"}


# What each family of services calls a key that it does not know, and a call that the caller may not make
_QUERY: Final = frozenset({"ec2", "iam", "sts", "sns"})
_UNKNOWN_KEY: Final = "InvalidClientTokenId"
_NOT_ALLOWED: Final = "AccessDenied"
_NAMES: Final = {
    ("ec2", _UNKNOWN_KEY): "AuthFailure",
    ("ec2", _NOT_ALLOWED): "UnauthorizedOperation",
    ("json", _UNKNOWN_KEY): "UnrecognizedClientException",
    ("json", _NOT_ALLOWED): "AccessDeniedException",
}


def read_call(environ: dict[str, Any], lookup: Lookup) -> Call:
    """The call that a WSGI request is. Its body is read and put back."""
    service = _service(environ.get("HTTP_AUTHORIZATION", ""))
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    source = _source(environ)
    if target:
        return Call(service or target.split("_")[0].lower(), target.rsplit(".", 1)[-1], source)
    if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        form = {k: v[0] for k, v in parse_qs(read_body(environ).decode("latin-1")).items()}
        types, zones = _machines(form, lookup) if service == "ec2" else (frozenset[str](), frozenset[str]())
        return Call(service, form.get("Action", "?"), source, types, zones)
    return Call(service, _rest_action(environ["REQUEST_METHOD"], environ["PATH_INFO"]), source)


def _service(authorization: str) -> str:
    """The service out of a signature's credential scope: `Credential=KEY/date/region/service/aws4_request`."""
    match = re.search(r"Credential=[^/]*/[^/]*/[^/]*/([^/]+)/aws4_request", authorization)
    return match[1].lower() if match else ""


def _source(environ: Mapping[str, Any]) -> str:
    """Who calls: `lambda:<function>` and `poller:<function>` by their keys, anybody else by address."""
    match = re.search(rf"Credential=({LAMBDA_KEY}|{POLLER_KEY})([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    return f"{match[1][:-1]}:{match[2]}" if match else str(environ.get("REMOTE_ADDR", ""))


def _machines(form: Mapping[str, str], lookup: Lookup) -> tuple[frozenset[str], frozenset[str]]:
    ids = [value for name, value in form.items() if re.fullmatch(r"InstanceId(\.\d+)?", name)]
    types, zones = lookup(ids) if ids else (frozenset[str](), frozenset[str]())
    asked_type = {form["InstanceType"]} if "InstanceType" in form else set()
    asked_zone = {form["Placement.AvailabilityZone"]} if "Placement.AvailabilityZone" in form else set()
    return types | asked_type, zones | asked_zone


def _rest_action(method: str, path: str) -> str:
    for verb, pattern, action in _REST:
        if verb == method and re.fullmatch(pattern, path):
            return action
    return f"{method} {re.sub(r'/[^/]*[0-9a-f]{8}[^/]*', '/…', path)}"


def refusal(call: Call, fault: Fault, request_id: str) -> Answer:
    """The error in the service's own format."""
    status = _STATUS.get(fault.error, 400)
    line = f"{status} {_PHRASE[status]}"
    if call.service in _QUERY and call.action != "?":
        body = _ec2_xml(fault, request_id) if call.service == "ec2" else _query_xml(fault, request_id, status)
        return line, [("Content-Type", "text/xml")], body.encode()
    document = json.dumps({"__type": fault.error, "message": fault.message, "Message": fault.message}).encode()
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", fault.error)]
    return line, [*headers, ("x-amzn-RequestId", request_id)], document


def denial(environ: Mapping[str, Any], denied: Denied, request_id: str) -> Answer:
    """403 in the form of the service that the request is for, as far as it says which."""
    service = _service(environ.get("HTTP_AUTHORIZATION", ""))
    family = service if service in _QUERY else "json"
    fault = Fault("*", _NAMES.get((family, denied.code), denied.code), str(denied))
    return refusal(Call(service, "Denied"), fault, request_id)


def _ec2_xml(fault: Fault, request_id: str) -> str:
    error = f"<Error><Code>{escape(fault.error)}</Code><Message>{escape(fault.message)}</Message></Error>"
    return f"<Response><Errors>{error}</Errors><RequestID>{request_id}</RequestID></Response>"


def _query_xml(fault: Fault, request_id: str, status: int) -> str:
    side = "Sender" if status < 500 else "Receiver"
    error = f"<Type>{side}</Type><Code>{escape(fault.error)}</Code><Message>{escape(fault.message)}</Message>"
    return f"<ErrorResponse><Error>{error}</Error><RequestId>{request_id}</RequestId></ErrorResponse>"
