import io

import pytest
from botocore.parsers import create_parser
from botocore.session import get_session

from local.cloud import wire
from local.cloud.faults import Call, parse


def request(service="", *, method="POST", path="/", body=b"", **headers):
    scope = f"AWS4-HMAC-SHA256 Credential=test/20261120/us-east-1/{service}/aws4_request, SignedHeaders=host"
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "REMOTE_ADDR": "10.77.0.5",
        "HTTP_AUTHORIZATION": scope if service else "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **headers,
    }


def lookup(ids):
    assert list(ids) == ["i-1", "i-2"]
    return frozenset({"g6.xlarge"}), frozenset({"us-east-1a"})


FORM = "application/x-www-form-urlencoded; charset=utf-8"


def test_a_query_call_is_read_with_its_machines_and_its_body_put_back():
    body = b"Action=StartInstances&Version=2016-11-15&InstanceId.1=i-1&InstanceId.2=i-2"
    environ = request("ec2", body=body, CONTENT_TYPE=FORM)
    call = wire.read_call(environ, lookup)
    assert call == Call("ec2", "StartInstances", "10.77.0.5", frozenset({"g6.xlarge"}), frozenset({"us-east-1a"}))
    assert environ["wsgi.input"].read() == body


def test_a_function_s_calls_are_told_apart_from_the_computer_s():
    environ = request("dynamodb", HTTP_X_AMZ_TARGET="DynamoDB_20120810.GetItem")
    assert wire.read_call(environ, lookup).source == "10.77.0.5"
    environ["HTTP_AUTHORIZATION"] = environ["HTTP_AUTHORIZATION"].replace("=test/", "=lambda-demo-reaper-1/")
    assert wire.read_call(environ, lookup).source == "lambda:demo-reaper-1"
    environ["HTTP_AUTHORIZATION"] = environ["HTTP_AUTHORIZATION"].replace("=lambda-", "=poller-")
    assert wire.read_call(environ, lookup).source == "poller:demo-reaper-1"


def test_run_instances_is_known_by_what_it_asks_for():
    body = b"Action=RunInstances&InstanceType=g5.xlarge&Placement.AvailabilityZone=us-east-1b"
    call = wire.read_call(request("ec2", body=body, CONTENT_TYPE=FORM), lookup)
    assert (call.instance_types, call.zones) == ({"g5.xlarge"}, {"us-east-1b"})


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        (request("dynamodb", HTTP_X_AMZ_TARGET="DynamoDB_20120810.UpdateItem"), "dynamodb:UpdateItem"),
        (request("", HTTP_X_AMZ_TARGET="DynamoDB_20120810.GetItem"), "dynamodb:GetItem"),
        (request("lambda", path="/2015-03-31/functions/reaper/invocations"), "lambda:Invoke"),
        (request("lambda", path="/2015-03-31/functions/reaper", method="GET"), "lambda:GetFunction"),
        (request("scheduler", path="/schedules/minute"), "scheduler:CreateSchedule"),
        (request("lambda", path="/2015-03-31/event-source-mappings"), "lambda:CreateEventSourceMapping"),
        (
            request("lambda", path="/2015-03-31/event-source-mappings/a-b", method="PUT"),
            "lambda:UpdateEventSourceMapping",
        ),
        (request("sqs", HTTP_X_AMZ_TARGET="AmazonSQS.ReceiveMessage"), "sqs:ReceiveMessage"),
        (request("ssm", HTTP_X_AMZ_TARGET="AmazonSSM.GetParameter"), "ssm:GetParameter"),
        (request("s3", path="/bucket", method="PUT"), "s3:PUT /bucket"),
    ],
)
def test_json_and_rest_calls_are_named(environ, name):
    assert wire.read_call(environ, lookup).name == name


@pytest.mark.parametrize(
    ("service", "action", "error", "status"),
    [
        ("ec2", "StartInstances", "InsufficientInstanceCapacity", 500),
        ("ec2", "StartInstances", "IncorrectInstanceState", 400),
        ("ec2", "DescribeInstances", "RequestLimitExceeded", 503),
        ("dynamodb", "UpdateItem", "ProvisionedThroughputExceededException", 400),
        ("dynamodb", "GetItem", "ServiceUnavailable", 503),
        ("lambda", "Invoke", "TooManyRequestsException", 400),
        ("scheduler", "CreateSchedule", "ThrottlingException", 400),
        ("sns", "Publish", "Throttling", 400),
        ("sqs", "ReceiveMessage", "ServiceUnavailable", 503),
        ("ssm", "GetParameter", "ThrottlingException", 400),
        ("iam", "CreateRole", "ServiceUnavailable", 503),
    ],
)
def test_botocore_reads_the_refusal_as_the_service_s_own(service, action, error, status):
    line, headers, body = wire.refusal(Call(service, action), parse({"action": action, "error": error}), "req-1")
    model = get_session().get_service_model(service)
    parsed = create_parser(model.resolved_protocol).parse(
        {"status_code": int(line[:3]), "headers": {k.lower(): v for k, v in headers}, "body": body},
        model.operation_model(action).output_shape,
    )
    assert (parsed["Error"]["Code"], int(line[:3])) == (error, status)
    assert parsed["Error"]["Message"] == "injected by the embedded cloud"
