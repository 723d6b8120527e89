"""The whole program under mocks: what a stack makes, resource by resource."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.contract.documents import Outputs, UnitSettings
from tests.core.test_settings_sign_on import ACCESS, OIDC

DEPLOYMENT = "0123456789abcdef"
OURS = {"Alerts", "Control", "DataVolume", "Firewall", "GatewayHost", "GpuHost", "Unit"}
UNTAGGED = {  # resources that AWS has no tags for
    "random:index/randomId:RandomId",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:ec2/eipAssociation:EipAssociation",
    "aws:ec2/volumeAttachment:VolumeAttachment",
    "aws:dynamodb/tableItem:TableItem",
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
    "aws:scheduler/schedule:Schedule",
}


def ingress(cloud: Any) -> set[tuple[str, str, str, int, int]]:
    """(group, protocol, source, first port, last port) of every inbound rule."""
    rules = cloud.of("SecurityGroupIngressRule").values()
    return {
        (
            r["securityGroupId"],
            r["ipProtocol"],
            r.get("cidrIpv4") or r.get("cidrIpv6") or r["referencedSecurityGroupId"],
            int(r["fromPort"]),
            int(r["toPort"]),
        )
        for r in rules
    }


def test_ports_with_a_gateway(build: Any) -> None:
    cloud, _ = build(access={"cidrs": ["203.0.113.0/24", "2001:db8::/32"], "sshCidrs": ["203.0.113.7/32"]})
    host, gateway = "qwen7b-firewall-host-id", "qwen7b-firewall-gateway-id"
    assert ingress(cloud) == {
        (gateway, "tcp", "203.0.113.0/24", 8000, 8000),
        (gateway, "tcp", "203.0.113.0/24", 3000, 3000),
        (gateway, "tcp", "2001:db8::/32", 8000, 8000),
        (gateway, "tcp", "2001:db8::/32", 3000, 3000),
        (gateway, "tcp", "203.0.113.7/32", 22, 22),
        (host, "tcp", gateway, 8100, 8115),
        (host, "tcp", gateway, 22, 22),
    }
    assert {g["vpcId"] for g in cloud.of("SecurityGroup").values()} == {"vpc-0abc"}


DOMAIN = {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"], "domain": "llm.example.org"}
OWN = DOMAIN | {"certificateFile": "/a.pem", "keyFile": "/a.key"}


@pytest.mark.parametrize(
    ("access", "webui", "more"),
    [
        (DOMAIN, {}, {("0.0.0.0/0", 80), ("203.0.113.0/24", 443)}),  # who certifies it asks from anywhere
        (OWN, {}, {("203.0.113.0/24", 80), ("203.0.113.0/24", 443)}),
        (DOMAIN, "none", {("0.0.0.0/0", 80)}),
        ({**DOMAIN, "cidrs": ["0.0.0.0/0"]}, "none", {("0.0.0.0/0", 80)}),
    ],
    ids=["acme", "own", "no chat page", "everybody"],
)
def test_ports_and_addresses_with_a_domain(build: Any, access: Any, webui: Any, more: set[tuple[str, int]]) -> None:
    cloud, outputs = build(access=access, webui=webui)
    gateway = {(source, first) for group, _, source, first, _ in ingress(cloud) if "gateway" in group}
    known = {(c, p) for c in access["cidrs"] for p in (8000, *([] if webui == "none" else [3000]))}
    assert gateway == known | more | {("203.0.113.7/32", 22)}
    assert outputs[Outputs.API_URL] == "https://llm.example.org:8000/v1"
    assert outputs[Outputs.CHAT_URL] == ("" if webui == "none" else "https://llm.example.org:3000")


def test_ports_without_a_gateway(build: Any) -> None:
    cloud, outputs = build(gateway="none")
    host = "qwen7b-firewall-host-id"
    assert ingress(cloud) == {
        (host, "tcp", "203.0.113.0/24", 8000, 8000),
        (host, "tcp", "203.0.113.7/32", 22, 22),
    }
    assert outputs[Outputs.CHAT_URL] == ""
    assert set(cloud.of("Instance")) == {"qwen7b-host"}
    assert cloud.of("EipAssociation")["qwen7b-host-address"]["instanceId"] == "qwen7b-host-id"
    assert outputs[Outputs.GATEWAY_INSTANCE_ID] == ""
    assert outputs[Outputs.API_URL] == "http://203.0.113.9:8000/v1"
    relay = json.loads(cloud.of("RolePolicy")["qwen7b-host-policy"]["policy"])
    assert any(s["Action"] == ["ec2:StartInstances"] for s in relay["Statement"])


def test_the_chat_page_on_the_host_is_reached_by_the_gateway_alone(build: Any) -> None:
    cloud, outputs = build(webui={"host": "host"})
    host, gateway = "qwen7b-firewall-host-id", "qwen7b-firewall-gateway-id"
    assert ingress(cloud) == {
        (gateway, "tcp", "203.0.113.0/24", 8000, 8000),
        (gateway, "tcp", "203.0.113.0/24", 3000, 3000),
        (gateway, "tcp", "203.0.113.7/32", 22, 22),
        (gateway, "tcp", host, 8001, 8001),  # the page calls the API as everybody does, without TLS
        (host, "tcp", gateway, 8100, 8115),
        (host, "tcp", gateway, 22, 22),
        (host, "tcp", gateway, 3001, 3001),
    }
    assert outputs[Outputs.CHAT_URL] == "http://203.0.113.9:3000"


def test_without_a_chat_page_its_port_is_closed(build: Any) -> None:
    cloud, outputs = build(webui="none")
    assert not {rule for rule in ingress(cloud) if rule[3] in (3000, 3001)}
    assert outputs[Outputs.CHAT_URL] == ""


def test_the_first_accounts_password_is_a_secret_output(build: Any) -> None:
    _, outputs = build(webui={"adminPassword": "correct horse"})
    assert outputs[Outputs.WEBUI_PASSWORD] == "correct horse"


def test_the_secret_of_single_sign_on_is_a_secret_output(build: Any) -> None:
    _, outputs = build(access=ACCESS, webui={"oidc": OIDC | {"clientSecret": "the client's secret"}})
    assert outputs[Outputs.WEBUI_OIDC_SECRET] == "the client's secret"


def test_outbound_is_open(build: Any) -> None:
    cloud, _ = build()
    rules = cloud.of("SecurityGroupEgressRule").values()
    assert {(r["securityGroupId"], r["ipProtocol"], r["cidrIpv4"]) for r in rules} == {
        ("qwen7b-firewall-host-id", "-1", "0.0.0.0/0"),
        ("qwen7b-firewall-gateway-id", "-1", "0.0.0.0/0"),
    }
    assert all("fromPort" not in r for r in rules)


def test_the_host(build: Any) -> None:
    cloud, _ = build()
    host = cloud.of("Instance")["qwen7b-host"]
    assert host["instanceType"] == "g6.xlarge"
    assert host["ami"] == "ami-0abc"
    assert host["subnetId"] == "subnet-0aaa"
    assert host["vpcSecurityGroupIds"] == ["qwen7b-firewall-host-id"]
    assert host["keyName"] == "qwen7b-key"
    assert host["instanceInitiatedShutdownBehavior"] == "stop"
    assert host["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
    }
    assert host["rootBlockDevice"] == {
        "volumeType": "gp3",
        "volumeSize": 120,
        "throughput": 500,
        "encrypted": True,
        "deleteOnTermination": True,
    }
    assert "associatePublicIpAddress" not in host


def test_a_customers_key_encrypts_the_host_and_may_be_granted(build: Any) -> None:
    arn = "arn:aws:kms:us-east-1:123456789012:key/1234abcd"
    cloud, _ = build(host={"kmsKeyArn": arn})
    assert cloud.of("Instance")["qwen7b-host"]["rootBlockDevice"]["kmsKeyId"] == arn
    policies = cloud.of("RolePolicy")
    with_grant = {name for name, p in policies.items() if "kms:CreateGrant" in p["policy"]}
    assert with_grant == {"qwen7b-control-reaper-policy", "qwen7b-gateway-policy"}


def test_the_gateway(build: Any) -> None:
    cloud, outputs = build()
    gateway = cloud.of("Instance")["qwen7b-gateway"]
    assert gateway["instanceType"] == "t4g.small"
    assert gateway["metadataOptions"]["httpTokens"] == "required"
    assert gateway["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert gateway["rootBlockDevice"]["encrypted"] is True
    assert gateway["iamInstanceProfile"].startswith("qwen7b-gateway-profile")
    association = cloud.of("EipAssociation")["qwen7b-gateway-address"]
    assert (association["instanceId"], association["allocationId"]) == ("qwen7b-gateway-id", "eipalloc-1")
    assert outputs[Outputs.GATEWAY_ADDRESS] == "203.0.113.9"


@pytest.mark.parametrize(("stack", "protected"), [("qwen7b", True), ("demo", False)])
def test_what_up_leaves_alone(build: Any, stack: str, protected: bool) -> None:
    cloud, _ = build(stack)
    host = cloud.options["Instance", f"{stack}-host"]
    assert set(host.ignore_changes) == {"ami", "instanceType", "userData", "userDataBase64", "subnetId", "keyName"}
    assert bool(host.protect) is protected
    assert not [path for path in host.ignore_changes if path.startswith("rootBlockDevice")], (
        "another key replaces the host, which protect refuses: it must not be passed over"
    )
    assert host.custom_timeouts.create == "10m"
    gateway = cloud.options["Instance", f"{stack}-gateway"]
    assert "instanceType" not in gateway.ignore_changes
    assert {"ami", "subnetId"} <= set(gateway.ignore_changes)
    assert "volumeTags" in gateway.ignore_changes, "they are the tags of the data volume too, which has its own"
    assert bool(cloud.options["RandomId", f"{stack}-deployment"].protect) is protected


@pytest.mark.parametrize(("stack", "protected"), [("qwen7b", True), ("demo", False)])
def test_what_outlives_the_gateway_is_on_a_volume_of_its_own(build: Any, stack: str, protected: bool) -> None:
    cloud, outputs = build(stack)
    name = f"{stack}-gateway-data"
    volume = cloud.of("Volume")[name]
    assert (volume["size"], volume["type"], volume["encrypted"]) == (10, "gp3", True)
    assert volume["availabilityZone"] == "us-east-1b", "known before the gateway is: another one changes nothing"
    assert bool(cloud.options["Volume", name].protect) is protected
    attachment = cloud.of("VolumeAttachment")[name]
    assert (attachment["volumeId"], attachment["instanceId"]) == (f"{name}-id", f"{stack}-gateway-id")
    assert attachment["stopInstanceBeforeDetaching"]
    assert cloud.options["VolumeAttachment", name].delete_before_replace, "a volume is attached to one machine"
    assert outputs[Outputs.GATEWAY_VOLUME_ID] == f"{name}-id"


def test_snapshots_are_found_by_a_tag_that_nothing_else_has(build: Any) -> None:
    cloud, _ = build()
    (lifecycle,) = cloud.of("LifecyclePolicy").values()
    details = lifecycle["policyDetails"]
    (schedule,) = details["schedules"]
    assert (schedule["retainRule"], schedule["copyTags"]) == ({"count": 7}, True)
    (tag,) = details["targetTags"].items()
    tags = [resource.inputs.get("tags") or {} for resource in cloud.resources]
    tags += [resource.inputs.get("volumeTags") or {} for resource in cloud.resources]
    assert [found["Name"] for found in tags if tag in found.items()] == ["qwen7b-gateway-data"]


@pytest.mark.parametrize(
    ("stack", "gateway", "volumes", "policies"),
    [
        ("qwen7b", {"snapshots": 0}, 1, 0),
        ("qwen7b", {"dataGiB": 0}, 0, 0),
        ("qwen7b", "none", 0, 0),
        ("demo", {}, 1, 0),  # moto has no Data Lifecycle Manager
    ],
)
def test_no_volume_and_no_snapshots_where_they_are_not_wanted(
    build: Any, stack: str, gateway: Any, volumes: int, policies: int
) -> None:
    cloud, outputs = build(stack, gateway=gateway)
    assert (len(cloud.of("Volume")), len(cloud.of("VolumeAttachment"))) == (volumes, volumes)
    assert len(cloud.of("LifecyclePolicy")) == policies
    assert bool(outputs[Outputs.GATEWAY_VOLUME_ID]) is bool(volumes)


def test_every_resource_carries_stack_and_deployment(build: Any) -> None:
    cloud, _ = build()
    real = [r for r in cloud.resources if not r.typ.startswith("pilotlight:")]
    for resource in real:
        if resource.typ in UNTAGGED:
            assert "tags" not in resource.inputs
            continue
        tags = resource.inputs["tags"]
        assert tags["pilotlight:deployment"] == DEPLOYMENT, resource.name
        assert tags["pilotlight:stack"] == "qwen7b", resource.name
        assert tags["pilotlight:role"], resource.name
    volumes = [r.inputs["volumeTags"] for r in real if r.typ == "aws:ec2/instance:Instance"]
    assert all(tags["pilotlight:deployment"] == DEPLOYMENT for tags in volumes)


@pytest.mark.parametrize(
    ("stack", "idle", "stop", "lease"),
    [
        ("qwen7b", {}, "30m", "12h"),
        ("demo", {}, "20s", "2h"),
        ("qwen7b", {"stopAfter": "off", "maxLease": "off"}, "off", "off"),
        ("qwen7b", {"stopAfter": "1h30m"}, "1h30m", "12h"),
    ],
)
def test_tags_that_operations_edit(build: Any, stack: str, idle: dict[str, Any], stop: str, lease: str) -> None:
    cloud, _ = build(stack, idle=idle)
    tags = cloud.of("Instance")[f"{stack}-host"]["tags"]
    assert (tags["pilotlight:auto-stop"], tags["pilotlight:max-lease"]) == (stop, lease)
    assert (tags["pilotlight:unit"], tags["pilotlight:role"]) == (f"{stack}/host", "host")


@pytest.mark.parametrize(("stack", "kept"), [("qwen7b", True), ("demo", False)])
def test_the_table(build: Any, stack: str, kept: bool) -> None:
    cloud, _ = build(stack)
    table = cloud.of("Table")[f"{stack}-control-table"]
    assert (table["hashKey"], table["rangeKey"], table["billingMode"]) == ("pk", "sk", "PAY_PER_REQUEST")
    assert {(a["name"], a["type"]) for a in table["attributes"]} == {("pk", "S"), ("sk", "S")}
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["deletionProtectionEnabled"] is kept


def test_the_settings_item_is_what_the_reaper_reads(build: Any) -> None:
    cloud, _ = build("qwen05b")
    item = json.loads(cloud.of("TableItem")["qwen05b-unit-settings"]["item"])
    assert (item["pk"], item["sk"]) == ({"S": "qwen05b/host"}, {"S": "settings"})
    listed = json.loads(cloud.of("TableItem")["qwen05b-unit-listed"]["item"])
    assert listed == {"pk": {"S": "units"}, "sk": {"S": "qwen05b/host"}, "body": item["body"]}
    settings = UnitSettings.from_json(item["body"]["S"])
    assert settings.instance_id == "qwen05b-host-id"
    assert settings.alerts_topic_arn.endswith("qwen05b-alerts-topic")
    assert (settings.profile, settings.schedule_on, settings.time_zone) == (
        "office-hours",
        "0 9 * * mon-fri",
        "Europe/Berlin",
    )


def test_the_reaper(build: Any) -> None:
    cloud, outputs = build()
    reaper = cloud.of("Function")["qwen7b-control-reaper"]
    assert reaper["name"] == outputs[Outputs.REAPER] == f"qwen7b-reaper-{DEPLOYMENT}"
    assert (reaper["runtime"], reaper["handler"]) == ("python3.12", "runtime.reaper.lambda_handler.handler")
    assert reaper["architectures"] == ["arm64"]
    assert (reaper["timeout"], reaper["memorySize"]) == (50, 256)
    assert reaper["environment"]["variables"] == {
        "TABLE": outputs[Outputs.TABLE],
        "DEPLOYMENT_ID": DEPLOYMENT,
        "ALERTS_TOPIC": outputs[Outputs.ALERTS_TOPIC],
    }
    assert "reservedConcurrentExecutions" not in reaper
    log = cloud.of("LogGroup")["qwen7b-control-log"]
    assert (log["name"], log["retentionInDays"]) == (f"/aws/lambda/{reaper['name']}", 30)


def test_no_old_event_is_retried_in_either_place(build: Any) -> None:
    cloud, _ = build()
    events = cloud.of("FunctionEventInvokeConfig")["qwen7b-control-reaper-events"]
    assert (events["maximumRetryAttempts"], events["maximumEventAgeInSeconds"]) == (0, 60)
    schedule = cloud.of("Schedule")["qwen7b-control-schedule"]
    assert schedule["scheduleExpression"] == "rate(1 minute)"
    assert schedule["flexibleTimeWindow"] == {"mode": "OFF"}
    assert schedule["target"]["retryPolicy"] == {"maximumRetryAttempts": 0, "maximumEventAgeInSeconds": 60}
    assert json.loads(schedule["target"]["input"]) == {"scheduled_at": "<aws.scheduler.scheduled-time>"}


def test_one_alarm_watches_the_reaper(build: Any) -> None:
    cloud, outputs = build()
    (name, alarm), *others = cloud.of("MetricAlarm").items()
    assert (name, others) == ("qwen7b-control-silent", [])
    queries = {q["id"]: q for q in alarm["metricQueries"]}
    assert queries["succeeded"]["expression"] == "FILL(invocations, 0) - FILL(errors, 0)"
    assert [q["id"] for q in alarm["metricQueries"] if q.get("returnData")] == ["succeeded"]
    for query, metric in (("invocations", "Invocations"), ("errors", "Errors")):
        seen = queries[query]["metric"]
        assert (seen["namespace"], seen["metricName"], seen["stat"]) == ("AWS/Lambda", metric, "Sum")
        assert seen["dimensions"] == {"FunctionName": outputs[Outputs.REAPER]}
        assert seen["period"] * alarm["evaluationPeriods"] == 600
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("LessThanThreshold", 1)
    told = [outputs[Outputs.ALERTS_TOPIC]]
    assert alarm["alarmActions"] == alarm["okActions"] == told


def test_the_alarm_does_not_fire_for_the_time_before_there_was_a_reaper_and_tells_when_it_loses_sight(
    build: Any,
) -> None:
    cloud, outputs = build()
    alarm = cloud.of("MetricAlarm")["qwen7b-control-silent"]
    assert alarm["treatMissingData"] == "missing", "a new alarm begins with insufficient data, which is no change"
    assert alarm["insufficientDataActions"] == [outputs[Outputs.ALERTS_TOPIC]]


def test_roles_are_trusted_to_one_service_each(build: Any) -> None:
    cloud, _ = build()
    trusted = {
        name: json.loads(role["assumeRolePolicy"])["Statement"][0]["Principal"]["Service"]
        for name, role in cloud.of("Role").items()
    }
    assert trusted == {
        "qwen7b-control-reaper-role": "lambda.amazonaws.com",
        "qwen7b-control-schedule-role": "scheduler.amazonaws.com",
        "qwen7b-host-role": "ec2.amazonaws.com",
        "qwen7b-gateway-role": "ec2.amazonaws.com",
        "qwen7b-gateway-data-snapshots-role": "dlm.amazonaws.com",
    }
    assert {p["role"] for p in cloud.of("RolePolicy").values()} == {f"{name}-id" for name in trusted}


def test_scheduler_takes_its_role_for_this_account_only(build: Any) -> None:
    cloud, _ = build()
    (statement,) = json.loads(cloud.of("Role")["qwen7b-control-schedule-role"]["assumeRolePolicy"])["Statement"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def test_outputs_are_those_of_the_contract(build: Any) -> None:
    _, outputs = build()
    names = {value for key, value in vars(Outputs).items() if key.isupper()}
    sometimes = {Outputs.WEBHOOK_KEY, Outputs.WEBUI_PASSWORD, Outputs.WEBUI_OIDC_SECRET}  # where the file has them
    assert set(outputs) == names - sometimes
    assert all(isinstance(value, str) and value for value in outputs.values())


def test_children_belong_to_their_component(build: Any) -> None:
    cloud, _ = build()
    parents = {key: type(options.parent).__name__ for key, options in cloud.options.items()}
    on_top = {key for key, parent in parents.items() if parent not in OURS}
    assert {kind for kind, _ in on_top} == {*OURS, "RandomId", "KeyPair"}
    assert parents["Instance", "qwen7b-host"] == "GpuHost"
    assert parents["Table", "qwen7b-control-table"] == "Control"


def test_a_preview_asks_and_makes_nothing_up(build: Any) -> None:
    cloud, _ = build(preview=True)
    assert "qwen7b-host" in cloud.of("Instance")


def test_look_ups_come_before_the_first_resource(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.aws import network
    from core.errors import SettingsError

    def nothing(_: Any) -> Any:
        raise SettingsError("AWS did not find it")

    monkeypatch.setattr(network, "find", nothing)
    made: list[Any] = []
    monkeypatch.setattr("components.aws.deployment._identity", made.append)
    with pytest.raises(SettingsError, match="did not find"):
        build(fresh=True)
    assert made == []


@pytest.mark.parametrize(
    ("types", "device", "said"),
    [
        (["g6.xlarge", "g5.xlarge"], "gpu", []),
        (
            ["g6.xlarge", "g4dn.xlarge"],
            "gpu",
            [
                "pilotlight:host.instanceTypes: g4dn.xlarge skipped: 16 GiB of GPU memory, g6.xlarge has 24. "
                "The capacity ladder will never use what is skipped"
            ],
        ),
        (["g6.xlarge", "g4dn.xlarge"], "cpu", []),
    ],
)
def test_a_rung_that_will_never_be_used_is_said_in_preview(
    build: Any, monkeypatch: pytest.MonkeyPatch, types: list[str], device: str, said: list[str]
) -> None:
    warnings: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", lambda message, **_: warnings.append(message))
    engine = {"model": "org/model", "maxModelLen": 2048, "device": device, "flags": {"gpu-memory-utilization": 0.45}}
    cloud, _ = build(fresh=True, preview=True, host={"instanceTypes": types}, engines={"a": engine, "qwen7b": engine})
    assert [each for each in warnings if not each.startswith("whether org/model fits")] == said
    assert (len(warnings) > len(said)) is (device == "gpu")  # of a model that nobody has looked up that is said
    body = next(i for i in cloud.of("TableItem").values() if "g6.xlarge" in str(i))
    assert ('\\"skipped_types\\": {}' in body["item"]) is (not said)


def test_the_outputs_say_which_settings_were_applied(build: Any) -> None:
    """What `fab deploy` compares with the file; only what `pulumi up` applies counts."""
    (_, as_is), (_, more) = build(), build(gateway={"queueMax": 7})
    assert as_is[Outputs.SETTINGS_DIGEST] == more[Outputs.SETTINGS_DIGEST]
    assert build(host={"diskGiB": 200})[1][Outputs.SETTINGS_DIGEST] != as_is[Outputs.SETTINGS_DIGEST]
