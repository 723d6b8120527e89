"""The embedded cloud itself, with real containers: what the rest of the tests stand on."""

from __future__ import annotations

import io
import json
import os
import pwd
import subprocess
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from core.errors import CloudError
from local import folders
from local.cloud import client, lifecycle, processes
from local.cloud.client import Cloud
from local.cloud.site import LABEL

pytestmark = pytest.mark.e2e

HANDLER = """
import os, time
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if event.get("fail"):
        raise ValueError("as asked")
    time.sleep(event.get("sleep", 0))
    print("event", event)
    return {"calls": calls, "event": event, "colour": os.environ["COLOUR"], "endpoint": os.environ["AWS_ENDPOINT_URL"]}
"""

TWO_CALLS = """
import boto3
def handler(event, context):
    sns = boto3.client("sns")
    sns.list_topics()
    sns.list_topics()
    return "both"
"""


SPY = """
import os, pathlib
def seen(path):
    try:
        return bool(pathlib.Path(path).read_text())
    except OSError as error:
        return type(error).__name__
def handler(event, context):
    return {"uid": os.getuid(), "groups": os.getgroups(), "files": {path: seen(path) for path in event["files"]}}
"""


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """What `true` returns as soon as it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def code_of(call: Callable[..., Any], **arguments: Any) -> str:
    """The error code that a call is refused with."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


class Machine:
    """One instance with an Elastic IP, of this test only."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        self.cloud = cloud
        self.ec2 = cloud.client("ec2")
        self.ec2.import_key_pair(KeyName=name, PublicKeyMaterial=Path(f"{cloud.ssh_key}.pub").read_bytes())
        image = self.ec2.describe_images(
            Owners=["099720109477"],
            Filters=[{"Name": "name", "Values": ["ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"]}],
        )["Images"][0]["ImageId"]
        run = self.ec2.run_instances(
            ImageId=image,
            InstanceType="g6.xlarge",
            MinCount=1,
            MaxCount=1,
            KeyName=name,
            MetadataOptions={"HttpTokens": "required"},
        )
        self.id = run["Instances"][0]["InstanceId"]
        self.first_state = run["Instances"][0]["State"]["Name"]
        self.eip = self.ec2.allocate_address(Domain="vpc")
        self.address = self.eip["PublicIp"]
        self.reaches("running")
        self.ec2.associate_address(AllocationId=self.eip["AllocationId"], InstanceId=self.id)

    def describe(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ec2.describe_instances(InstanceIds=[self.id])["Reservations"][0]["Instances"][0]
        return found

    def container(self) -> str:
        return next(m["container"] for m in self.cloud.status()["machines"] if m["id"] == self.id)

    def reaches(self, state: str) -> dict[str, Any]:
        until(lambda: self.describe()["State"]["Name"] == state)
        return self.describe()

    def ssh(self, command: str) -> str:
        options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=2"]
        flags = [part for option in options for part in ("-o", option)]
        line = ["ssh", "-i", self.cloud.ssh_key, *flags, f"ubuntu@{self.address}", command]

        def once() -> subprocess.CompletedProcess[str] | None:
            done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
            return None if done.returncode == 255 else done

        done = until(once)
        assert done.returncode == 0, done.stdout + done.stderr
        return str(done.stdout)

    def remove(self) -> None:
        self.ec2.terminate_instances(InstanceIds=[self.id])
        self.reaches("terminated")
        self.ec2.release_address(AllocationId=self.eip["AllocationId"])


@pytest.fixture(scope="module")
def machine(cloud: Cloud) -> Iterator[Machine]:
    made = Machine(cloud, f"key-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()
    assert made.container() == "none"


def test_a_machine_boots_answers_ssh_at_its_elastic_ip_and_resolves_names_as_the_computer(machine: Machine) -> None:
    assert machine.first_state == "pending"
    assert machine.ssh("systemctl is-system-running --wait || true").strip() == "running"
    host = machine.describe()["PrivateIpAddress"]
    assert machine.ssh("hostname").strip() == "ip-" + host.replace(".", "-")
    assert machine.ssh("sudo env | grep ^AWS_ENDPOINT_URL").strip() == f"AWS_ENDPOINT_URL={machine.cloud.endpoint}"
    names = Path("/etc/resolv.conf").read_text()
    if "nameserver 127." not in names:
        assert machine.ssh("cat /etc/resolv.conf") == names


def test_metadata_needs_a_token_and_knows_who_asks(machine: Machine) -> None:
    base = machine.cloud.metadata
    assert machine.ssh(f"curl -s -o /dev/null -w '%{{http_code}}' {base}/latest/meta-data/instance-id") == "401"
    token = f"$(curl -s -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {base}/latest/api/token)"
    read = f'curl -s -H "X-aws-ec2-metadata-token: {token}" {base}/latest/meta-data/'
    assert machine.ssh(f"{read}instance-id") == machine.id
    assert machine.ssh(f"{read}local-ipv4") == machine.describe()["PrivateIpAddress"]


def test_the_api_answers_nobody_whom_it_gave_no_credentials(machine: Machine) -> None:
    made_up = "AWS4-HMAC-SHA256 Credential=test/20261125/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature="
    header = f"-H 'Authorization: {made_up}{'0' * 64}' -H 'X-Amz-Date: 20261125T000000Z'"
    code = "curl -s -o /dev/null -w '%{http_code} '"
    for path in ("/2015-03-31/functions", "/_pilotlight/status", "/moto-api/data.json", "/"):
        asked = f"{machine.cloud.endpoint}{path}"
        assert machine.ssh(f"{code} {asked}; {code} {header} {asked}").split() == ["403", "403"], path


def test_stop_and_start_by_the_api(machine: Machine) -> None:
    machine.cloud.fault("stopping", delay_s=2)
    machine.ec2.stop_instances(InstanceIds=[machine.id])
    assert machine.describe()["State"]["Name"] == "stopping"
    assert code_of(machine.ec2.start_instances, InstanceIds=[machine.id]) == "IncorrectInstanceState"
    until(lambda: machine.container() == "exited")
    assert machine.describe()["State"]["Name"] == "stopping"  # the injected slowness
    stopped = machine.reaches("stopped")
    assert stopped["StateReason"]["Code"] == "Client.UserInitiatedShutdown"
    assert stopped["PublicIpAddress"] == machine.address
    machine.ec2.start_instances(InstanceIds=[machine.id])
    machine.reaches("running")
    assert machine.ssh("echo back").strip() == "back"


def test_a_power_off_inside_is_seen_outside_and_no_capacity_is_refused_once(machine: Machine) -> None:
    machine.ssh("echo kept | sudo tee /var/lib/kept; sudo systemctl poweroff --no-block")
    assert machine.reaches("stopped")["StateReason"]["Code"] == "Client.InstanceInitiatedShutdown"
    assert machine.container() == "exited"
    machine.cloud.fault("ec2:StartInstances", error="InsufficientInstanceCapacity", instance_type="g6.*")
    assert code_of(machine.ec2.start_instances, InstanceIds=[machine.id]) == "InsufficientInstanceCapacity"
    machine.ec2.start_instances(InstanceIds=[machine.id])
    machine.reaches("running")
    assert machine.ssh("cat /var/lib/kept").strip() == "kept"


def test_a_reboot_inside_comes_back_running(machine: Machine) -> None:
    before = machine.ssh("stat -c %Z /proc/1")
    machine.ssh("sudo systemctl reboot --no-block")
    until(lambda: machine.ssh("stat -c %Z /proc/1") != before)
    assert machine.describe()["State"]["Name"] == "running"


def test_conditional_writes_at_the_same_time_have_one_winner_each(cloud: Cloud) -> None:
    table, wins = f"t-{uuid.uuid4().hex[:8]}", []
    cloud.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"pk": {"S": "a"}}
    cloud.client("dynamodb").put_item(TableName=table, Item={**key, "epoch": {"N": "0"}})

    def race() -> None:
        dynamodb = cloud.client("dynamodb")
        for _ in range(40):
            epoch = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["epoch"]["N"]
            values = {":was": {"N": epoch}, ":is": {"N": str(int(epoch) + 1)}}
            try:
                dynamodb.update_item(
                    TableName=table,
                    Key=key,
                    UpdateExpression="SET epoch = :is",
                    ConditionExpression="epoch = :was",
                    ExpressionAttributeValues=values,
                )
                wins.append(epoch)
            except dynamodb.exceptions.ConditionalCheckFailedException:
                continue

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answer = cloud.client("dynamodb").get_item(TableName=table, Key=key)
    assert answer["Item"]["epoch"]["N"] == str(len(wins))
    assert len(set(wins)) == len(wins) > 0
    assert "date" in answer["ResponseMetadata"]["HTTPHeaders"]
    cloud.client("dynamodb").delete_table(TableName=table)


def test_a_write_can_be_lost_on_its_way_back(cloud: Cloud) -> None:
    sns = cloud.client("sns")
    name = f"topic-{uuid.uuid4().hex[:8]}"
    cloud.fault("sns:CreateTopic", error="ServiceUnavailable", applied=True)
    assert code_of(sns.create_topic, Name=name) == "ServiceUnavailable"
    found = [topic["TopicArn"] for topic in sns.list_topics()["Topics"] if topic["TopicArn"].endswith(name)]
    assert len(found) == 1
    sns.delete_topic(TopicArn=found[0])


class Function:
    """One Lambda function, of this test only."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.name = f"f-{uuid.uuid4().hex[:8]}"
        self.lambda_ = cloud.client("lambda")
        role = cloud.client("iam").create_role(RoleName=self.name, AssumeRolePolicyDocument="{}")
        self.role = role["Role"]["Arn"]
        made = self.lambda_.create_function(
            FunctionName=self.name,
            Runtime="python3.12",
            Role=self.role,
            Handler="code.handler",
            Timeout=2,
            Code={"ZipFile": archive(HANDLER)},
            Environment={"Variables": {"COLOUR": "green"}},
        )
        self.arn = made["FunctionArn"]

    def invoke(self, event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """FunctionError ("" if none) and the payload."""
        answer = self.lambda_.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        return answer.get("FunctionError", ""), json.load(answer["Payload"])

    def log(self) -> str:
        path = self.cloud.state / "lambda" / f"{self.name}.log"
        return path.read_text() if path.exists() else ""


def archive(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("code.py", source)
    return buffer.getvalue()


@pytest.fixture
def function(cloud: Cloud) -> Iterator[Function]:
    made = Function(cloud)
    yield made
    made.lambda_.delete_function(FunctionName=made.name)


def test_a_function_runs_stays_warm_fails_and_times_out_as_lambda_does(function: Function) -> None:
    error, first = function.invoke({"n": 1})
    assert (error, first["calls"], first["event"]) == ("", 1, {"n": 1})
    assert first["endpoint"] == function.cloud.endpoint
    assert function.invoke({})[1]["calls"] == 2
    error, failed = function.invoke({"fail": 1})
    assert (error, failed["errorType"], failed["errorMessage"]) == ("Unhandled", "ValueError", "as asked")
    error, late = function.invoke({"sleep": 9})
    assert error == "Unhandled"
    assert "Task timed out after 2.00 seconds" in late["errorMessage"]
    assert function.invoke({})[1]["calls"] == 1
    assert "event {'n': 1}" in function.log()


def test_a_function_runs_as_a_user_who_may_do_nothing(function: Function) -> None:
    function.lambda_.update_function_code(FunctionName=function.name, ZipFile=archive(SPY))
    state = function.cloud.state
    secrets = [str(state / name) for name in ("cloud.json", "credentials.json", "id_ed25519", "passphrase")]
    assert all(Path(path).read_text() for path in secrets)
    error, seen = function.invoke({"files": [*secrets, "/etc/shadow"]})
    assert error == ""
    if os.geteuid() == 0:
        assert (seen["uid"], seen["groups"]) == (pwd.getpwnam("nobody").pw_uid, [])
        assert set(seen["files"].values()) <= {"PermissionError", "FileNotFoundError"}, seen["files"]
    else:
        assert seen["uid"] == os.geteuid()


def test_a_function_can_be_killed_between_two_calls_and_its_calls_are_counted_as_its_own(function: Function) -> None:
    function.lambda_.update_function_code(FunctionName=function.name, ZipFile=archive(TWO_CALLS))
    assert function.invoke({}) == ("", "both")
    caller = f"lambda:{function.name}"
    assert function.cloud.calls()["by_source"][caller] == {"sns:ListTopics": 2}
    function.cloud.fault("sns:ListTopics", source=caller, applied=True, crash=True)
    error, died = function.invoke({})
    assert (error, died["errorType"]) == ("Unhandled", "Runtime.ExitError")
    assert function.cloud.calls()["by_source"][caller] == {"sns:ListTopics": 3}
    assert function.invoke({}) == ("", "both")


def test_changed_code_and_changed_environment_are_what_runs_next(function: Function) -> None:
    function.invoke({})
    update = function.lambda_.update_function_code
    update(FunctionName=function.name, ZipFile=archive("def handler(event, context): return 'new'"))
    assert function.invoke({}) == ("", "new")
    update(FunctionName=function.name, ZipFile=archive(HANDLER))
    function.lambda_.update_function_configuration(
        FunctionName=function.name, Environment={"Variables": {"COLOUR": "blue"}}
    )
    assert function.invoke({})[1]["colour"] == "blue"


def test_a_schedule_fires_with_its_time_and_a_disabled_one_does_not(function: Function) -> None:
    scheduler = function.cloud.client("scheduler")
    wanted = {
        "Name": function.name,
        "ScheduleExpression": "rate(1 minute)",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {
            "Arn": function.arn,
            "RoleArn": function.role,
            "Input": '{"time": "<aws.scheduler.scheduled-time>"}',
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        },
    }
    scheduler.create_schedule(**wanted, State="DISABLED")
    mine = next(s for s in function.cloud.status()["schedules"] if s["name"] == function.name)
    assert mine["next_due"] is None
    scheduler.update_schedule(**wanted, State="ENABLED")
    until(lambda: "'time': '20" in function.log())
    mine = next(s for s in function.cloud.status()["schedules"] if s["name"] == function.name)
    assert 0 < mine["next_due"] - time.time() <= 60
    scheduler.delete_schedule(Name=function.name)


def test_calls_are_counted_by_action_and_caller(cloud: Cloud) -> None:
    before = cloud.calls()["total"].get("sns:ListTopics", 0)
    cloud.client("sns").list_topics()
    after = cloud.calls()
    assert after["total"]["sns:ListTopics"] == before + 1
    assert any("sns:ListTopics" in calls for calls in after["by_source"].values())


# ------------------------------------------------------------ coming and going, on a cloud of their own
OTHER = "pilotlight-test-other"


@pytest.fixture
def other() -> Iterator[None]:
    lifecycle.down(OTHER)
    yield
    lifecycle.down(OTHER)


def remains() -> list[str]:
    """Everything of OTHER that is still there."""
    flags = ["--filter", f"label={LABEL}={OTHER}", "-q"]
    listed = [["docker", "ps", "-a", *flags], ["docker", "network", "ls", *flags], ["docker", "volume", "ls", *flags]]
    found = [line for command in listed for line in subprocess.check_output(command, text=True).split()]
    state = folders.state(OTHER)
    return [*found, *map(str, processes.of_cloud(OTHER)), *([str(state)] if state.exists() else [])]


@pytest.mark.usefixtures("other")
def test_up_twice_is_up_once_and_a_killed_cloud_is_built_anew_and_down_leaves_nothing() -> None:
    said: list[str] = []
    first = client.up(OTHER, said.append)
    assert (client.up(OTHER, said.append).boot_id, len(said)) == (first.boot_id, 1)
    assert "already up" in said[-1]
    Machine(first, "key")
    subprocess.run(["kill", "-9", *map(str, processes.of_cloud(OTHER))], check=True)
    second = client.up(OTHER, said.append)
    assert second.boot_id != first.boot_id
    assert "built anew" in said[-1]
    assert second.status()["machines"] == []
    Machine(second, "key")
    subprocess.run(["kill", "-9", *map(str, processes.of_cloud(OTHER))], check=True)
    assert client.down(OTHER).containers == 1
    assert remains() == []


@pytest.mark.usefixtures("other")
def test_an_up_that_fails_leaves_nothing_half_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle.sys, "executable", "/bin/false")
    with pytest.raises(CloudError, match="did not start"):
        client.up(OTHER)
    assert remains() == []
