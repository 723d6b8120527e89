"""Whose credentials the embedded cloud's API answers, through its own front, without a socket."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials
from botocore.exceptions import ClientError

from local.cloud import credentials, signatures
from local.cloud.credentials import Holder, Keyring, draw, may
from local.cloud.faults import FaultBoard
from local.cloud.server import Front

URL = "http://10.77.0.1:5566"
FUNCTION = {
    "FunctionName": "f",
    "Runtime": "python3.12",
    "Role": "arn:aws:iam::123456789012:role/r",
    "Handler": "a.b",
    "Code": {"ZipFile": b"PK"},
}


class Api:
    """The front, and moto's place behind it: what reaches it is written down and answered with nothing."""

    def __init__(self) -> None:
        self.now = 0.0
        self.reached: list[str] = []
        self.keyring = Keyring(draw(Holder.COMPUTER), lambda: self.now)
        board = FaultBoard(lambda: self.now)
        self.front = Front(board, self.keyring.find, lambda: {"up": True}, lambda _: (frozenset(), frozenset()), print)
        self.front._moto = SimpleNamespace(get_application=lambda _: self._moto)  # type: ignore[assignment]

    def _moto(self, environ: dict[str, Any], start: Any) -> list[bytes]:
        self.reached.append(environ["PATH_INFO"])
        form = "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", "")
        start("200 OK", [("Content-Type", "text/xml" if form else "application/json")])
        return [b"<a><ListTopicsResult/><ResponseMetadata/></a>" if form else b"{}"]

    def send(self, request: Any) -> tuple[int, bytes]:
        """A request as botocore prepared it, as WSGI gives it to the front."""
        path = request.url.removeprefix(URL)
        body = request.body or b""
        environ = {
            "REQUEST_METHOD": request.method,
            "REQUEST_URI": path,
            "PATH_INFO": path.split("?")[0],
            "HTTP_HOST": URL.removeprefix("http://"),
            "REMOTE_ADDR": "10.77.0.9",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body.encode() if isinstance(body, str) else body),
        }
        for name, value in request.headers.items():
            key = name.upper().replace("-", "_")
            text = value.decode() if isinstance(value, bytes) else str(value)
            environ[key if key.startswith("CONTENT_") else f"HTTP_{key}"] = text
        seen: list[int] = []
        chunks = self.front(environ, lambda status, _headers: seen.append(int(status[:3])))
        return seen[0], b"".join(chunks)

    def client(self, service: str, given: credentials.Credentials) -> Any:
        """A boto3 client whose requests go to the front."""
        config = Config(retries={"total_max_attempts": 1})
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        keys = dict(zip(names, (given.key, given.secret, given.token or None), strict=True))
        made = boto3.client(service, endpoint_url=URL, region_name="us-east-1", config=config, **keys)

        def send(request: Any, **_: Any) -> AWSResponse:
            status, body = self.send(request)
            return AWSResponse(request.url, status, {}, SimpleNamespace(stream=lambda: iter([body])))

        made.meta.events.register("before-send.*.*", send)
        return made


@pytest.fixture
def api() -> Api:
    return Api()


def refusal(call: Any, **arguments: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    found = caught.value.response
    return found["ResponseMetadata"]["HTTPStatusCode"], found["Error"]["Code"]


def test_this_computer_machines_functions_and_pollers_are_answered(api: Api) -> None:
    api.client("ec2", api.keyring.computer).describe_vpcs()
    api.client("dynamodb", api.keyring.machine()).list_tables()
    api.client("lambda", api.keyring.machine()).invoke(FunctionName="arn:aws:lambda:us-east-1:1:function:f b")
    api.client("sns", api.keyring.function("reaper")).list_topics()
    api.client("sqs", api.keyring.poller("notifier")).list_queues()
    assert len(api.reached) == 5


@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("ec2", "describe_vpcs", "AuthFailure"),
        ("dynamodb", "list_tables", "UnrecognizedClientException"),
        ("lambda", "list_functions", "UnrecognizedClientException"),
        ("sns", "list_topics", "InvalidClientTokenId"),
    ],
)
def test_made_up_keys_are_refused_in_the_service_s_own_words(api: Api, service: str, call: str, code: str) -> None:
    stranger = draw(Holder.COMPUTER, "test")
    assert refusal(getattr(api.client(service, stranger), call)) == (403, code)
    assert api.reached == []


def test_a_known_key_without_its_secret_or_its_token_is_refused(api: Api) -> None:
    machine = api.keyring.machine()
    guessed = credentials.Credentials(Holder.MACHINE, machine.key, "guess", machine.token)
    assert refusal(api.client("sns", guessed).list_topics) == (403, "SignatureDoesNotMatch")
    bare = credentials.Credentials(Holder.MACHINE, machine.key, machine.secret, "")
    assert refusal(api.client("sns", bare).list_topics) == (403, "InvalidClientTokenId")


def test_a_request_without_a_signature_is_403(api: Api) -> None:
    for method, path in (("POST", "/2015-03-31/functions/f/invocations"), ("GET", "/moto-api/data.json")):
        status, body = api.send(AWSRequest(method, URL + path).prepare())
        assert (status, json.loads(body)["__type"]) == (403, "MissingAuthenticationToken")
    assert api.reached == []


def test_a_machine_s_credentials_end(api: Api) -> None:
    sns = api.client("sns", api.keyring.machine())
    sns.list_topics()
    api.now = credentials.MACHINE_LIFE_S
    assert refusal(sns.list_topics) == (403, "InvalidClientTokenId")


def test_an_old_request_cannot_be_sent_again(api: Api) -> None:
    own = api.keyring.computer
    request = AWSRequest("GET", URL + "/")
    SigV4Auth(BotoCredentials(own.key, own.secret), "sns", "us-east-1").add_auth(request)
    request.headers["X-Amz-Date"] = "20260101T000000Z"
    status, body = api.send(request.prepare())
    assert status == 403
    assert b"Request has expired" in body


def test_nobody_but_this_computer_changes_what_runs_on_it(api: Api) -> None:
    for given in (api.keyring.machine(), api.keyring.function("f")):
        functions = api.client("lambda", given)
        assert refusal(functions.create_function, **FUNCTION) == (403, "AccessDeniedException")
        changed = {"FunctionName": "f", "ZipFile": b"PK"}
        assert refusal(functions.update_function_code, **changed) == (403, "AccessDeniedException")
        role = {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}
        assert refusal(api.client("iam", given).create_role, **role) == (403, "AccessDenied")
    assert api.reached == []


def test_the_controls_are_this_computer_s_alone(api: Api) -> None:
    url = f"{URL}/_pilotlight/fault"
    body = b'{"action": "sns:ListTopics"}'
    for given in (api.keyring.machine(), api.keyring.function("f"), draw(Holder.COMPUTER)):
        signed = signatures.sign("POST", url, body, given, "us-east-1")
        assert api.send(AWSRequest("POST", url, signed, body).prepare())[0] == 403
    signed = signatures.sign("POST", url, body, api.keyring.computer, "us-east-1")
    assert api.send(AWSRequest("POST", url, signed, body).prepare())[0] == 200
    assert refusal(api.client("sns", api.keyring.computer).list_topics) == (503, "ServiceUnavailable")


def test_what_a_holder_may() -> None:
    assert may(Holder.POLLER, "sqs", "ReceiveMessage")
    assert not may(Holder.POLLER, "dynamodb", "GetItem")
    assert not may(Holder.MACHINE, "lambda", "POST /2015-03-31/functions//f/invocations")


def test_secrets_are_not_shown() -> None:
    made = draw(Holder.COMPUTER)
    assert made.secret not in repr(made)
    assert credentials.Credentials.from_json(made.to_json()) == made
