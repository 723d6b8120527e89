"""Who is told: e-mail subscriptions, and a queue, a mapping and the notifier for webhooks; secrets stay secret."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import deployment
from components.aws import archive
from core.contract.documents import NOTIFIER_ENV_WEBHOOKS, NOTIFIER_HANDLER, Outputs

PLAIN = "https://ops.example.org/hook?token=s3cr3t"
SLACK = "https://hooks.slack.com/services/T0/B0/s3cr3t"
SIGNING_KEY = "5e" * 32  # what the mocks draw
HOOKS = {"webhooks": [PLAIN, {"url": SLACK}]}
SIGNATURE = "4dabf18193072939515e22adb298388d"  # Pulumi's mark of special values, and its value for secrets
SECRET = "1b47061264138c4ac30d75fd1eb44270"
KINDS = {"Queue", "QueuePolicy", "EventSourceMapping", "Parameter", "RandomBytes", "Webhooks"}


@pytest.fixture(autouse=True)
def notifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a notifier of its own, so that these tests are about what is made around it."""
    for name in ("core/contract.py", "core/settings/model.py", "runtime/__init__.py", "runtime/notifier/__init__.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.setattr(archive, "notifier_files", partial(archive.notifier_files, tmp_path))
    return tmp_path


def test_nothing_of_it_is_made_without_webhooks(build: Any) -> None:
    cloud, outputs = build()
    assert [r.name for r in cloud.resources if r.typ.rsplit(":", maxsplit=1)[-1] in KINDS] == []
    assert cloud.of("TopicSubscription") == {}
    assert Outputs.WEBHOOK_KEY not in outputs


def test_mail_is_a_subscription_an_address_and_stays_when_another_goes(build: Any) -> None:
    both, _ = build(notify={"email": ["a@example.org", "b@example.org"]})
    one, _ = build(notify={"email": ["b@example.org"]})
    subscriptions = both.of("TopicSubscription")
    assert {(s["protocol"], s["endpoint"], s["topic"].rpartition(":")[2]) for s in subscriptions.values()} == {
        ("email", "a@example.org", "qwen7b-alerts-topic"),
        ("email", "b@example.org", "qwen7b-alerts-topic"),
    }
    assert set(one.of("TopicSubscription")) < set(subscriptions)
    assert "Queue" not in {r.typ.rsplit(":", maxsplit=1)[-1] for r in both.resources}


def test_each_webhook_has_a_queue_and_all_share_the_dead_letters(build: Any) -> None:
    cloud, _ = build(notify=HOOKS)
    queues = cloud.of("Queue")
    assert set(queues) == {"qwen7b-webhooks-dead", "qwen7b-webhooks-0", "qwen7b-webhooks-1"}
    dead = queues.pop("qwen7b-webhooks-dead")
    assert dead["messageRetentionSeconds"] == 14 * 86400
    assert "redrivePolicy" not in dead
    for queue in queues.values():
        redrive = json.loads(queue["redrivePolicy"])
        assert redrive["deadLetterTargetArn"].endswith(":qwen7b-webhooks-dead")
        assert redrive["maxReceiveCount"] == 8
        assert queue["messageRetentionSeconds"] == 4 * 86400 < dead["messageRetentionSeconds"]


def test_only_the_topic_sends_to_a_queue_and_sends_it_raw(build: Any) -> None:
    cloud, outputs = build(notify=HOOKS)
    topic = outputs[Outputs.ALERTS_TOPIC]
    for name in ("qwen7b-webhooks-0", "qwen7b-webhooks-1"):
        policy = cloud.of("QueuePolicy")[f"{name}-policy"]
        assert policy["queueUrl"] == f"https://sqs.test/{name}"
        (statement,) = json.loads(policy["policy"])["Statement"]
        assert statement["Resource"].endswith(f":{name}")
        assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}
        subscription = cloud.of("TopicSubscription")[f"{name}-subscription"]
        assert (subscription["protocol"], subscription["rawMessageDelivery"]) == ("sqs", True)
        assert (subscription["topic"], subscription["endpoint"]) == (topic, statement["Resource"])


def test_the_notifier_and_its_mappings(build: Any) -> None:
    cloud, _ = build(notify=HOOKS)
    function = cloud.of("Function")["qwen7b-webhooks-notifier"]
    assert (function["runtime"], function["handler"]) == ("python3.12", NOTIFIER_HANDLER)
    assert function["architectures"] == ["arm64"]
    (parameter,) = cloud.of("Parameter")
    assert function["environment"]["variables"] == {NOTIFIER_ENV_WEBHOOKS: f"{parameter}-0abc123"}
    assert set(function["code"].assets) == {"core/contract.py", "runtime/__init__.py", "runtime/notifier/__init__.py"}
    mappings = cloud.of("EventSourceMapping")
    queues = cloud.of("Queue")
    for name in ("qwen7b-webhooks-0", "qwen7b-webhooks-1"):
        mapping = mappings[f"{name}-mapping"]
        assert mapping["eventSourceArn"].endswith(f":{name}")
        assert mapping["functionName"] == function["name"]
        assert mapping["functionResponseTypes"] == ["ReportBatchItemFailures"]
        assert 1 <= mapping["batchSize"] <= 10
        assert mapping["scalingConfig"] == {"maximumConcurrency": 2}
        assert function["timeout"] * 6 < queues[name]["visibilityTimeoutSeconds"]
    log = cloud.of("LogGroup")["qwen7b-webhooks-log"]
    assert (log["name"], log["retentionInDays"]) == (f"/aws/lambda/{function['name']}", 30)


def test_the_notifiers_role_knows_its_queues_and_its_parameter(build: Any) -> None:
    cloud, _ = build(notify=HOOKS)
    document = json.loads(cloud.of("RolePolicy")["qwen7b-webhooks-notifier-policy"]["policy"])
    resources = {
        s["Resource"].rpartition(":")[2] for s in document["Statement"] if s["Action"][0][:3] in ("sqs", "ssm")
    }
    assert resources == {"qwen7b-webhooks-0", "qwen7b-webhooks-1", "qwen7b-webhooks-parameter"}
    trust = json.loads(cloud.of("Role")["qwen7b-webhooks-notifier-role"]["assumeRolePolicy"])
    assert trust["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}


def test_the_parameter_is_what_the_notifier_reads(build: Any) -> None:
    cloud, outputs = build(notify=HOOKS)
    parameter = cloud.of("Parameter")["qwen7b-webhooks-parameter"]
    assert parameter["type"] == "SecureString"
    assert parameter["value"][SIGNATURE] == SECRET  # so the engine encrypts it in the state and hides it in a preview
    document = json.loads(parameter["value"]["value"])
    assert document["key"] == outputs[Outputs.WEBHOOK_KEY] == SIGNING_KEY
    assert {arn.rpartition(":")[2]: w for arn, w in document["webhooks"].items()} == {
        "qwen7b-webhooks-0": {"url": PLAIN, "format": "json"},
        "qwen7b-webhooks-1": {"url": SLACK, "format": "slack"},
    }
    assert cloud.of("RandomBytes")["qwen7b-webhooks-key"]["length"] == 32


def test_urls_and_key_are_in_the_parameter_and_nowhere_else(build: Any) -> None:
    cloud, _ = build(notify=HOOKS)
    for resource in cloud.resources:
        if resource.typ != "aws:ssm/parameter:Parameter":
            assert "s3cr3t" not in str(resource.inputs), resource.name
            assert SIGNING_KEY not in str(resource.inputs), resource.name
        assert "s3cr3t" not in resource.name


def test_the_exported_key_is_a_secret(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    secret: dict[str, bool] = {}
    made = deployment.build

    def noted(settings: Any) -> dict[str, Any]:
        outputs = made(settings)
        for name in (Outputs.WEBHOOK_KEY, Outputs.ALERTS_TOPIC):
            pulumi.Output.from_input(outputs[name].is_secret()).apply(partial(secret.__setitem__, name))
        return outputs

    monkeypatch.setattr(deployment, "build", noted)
    build(notify=HOOKS, fresh=True)
    assert secret == {Outputs.WEBHOOK_KEY: True, Outputs.ALERTS_TOPIC: False}


def test_every_url_is_a_secret_before_anything_is_made_of_it(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, and not only because it stands beside the key in the parameter."""
    made, wrapped = pulumi.Output.secret, []

    def noted(value: Any) -> Any:
        wrapped.append(value)
        return made(value)

    monkeypatch.setattr(pulumi.Output, "secret", staticmethod(noted))
    build(notify=HOOKS, fresh=True)
    assert [value for value in wrapped if isinstance(value, str)] == [PLAIN, SLACK]


def test_the_dead_letters_are_an_alarm_that_does_not_speak_of_its_end(build: Any) -> None:
    cloud, outputs = build(notify=HOOKS)
    alarm = cloud.of("MetricAlarm")["qwen7b-webhooks-undelivered"]
    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert alarm["dimensions"]["QueueName"].startswith("qwen7b-webhooks-dead")
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("GreaterThanOrEqualToThreshold", 1)
    assert alarm["treatMissingData"] == "notBreaching"
    assert alarm["alarmActions"] == [outputs[Outputs.ALERTS_TOPIC]]
    assert "okActions" not in alarm


def test_all_of_it_is_tagged_and_belongs_to_its_component(build: Any) -> None:
    cloud, _ = build(notify=HOOKS)
    untagged = {"QueuePolicy", "TopicSubscription", "RandomBytes", "RolePolicy"}
    mine = [r for r in cloud.resources if r.name.startswith("qwen7b-webhooks-")]
    assert {r.typ.rsplit(":", maxsplit=1)[-1] for r in mine} > KINDS - {"Webhooks"}
    for resource in mine:
        kind = resource.typ.rsplit(":", maxsplit=1)[-1]
        assert type(cloud.options[kind, resource.name].parent).__name__ == "Webhooks"
        if kind not in untagged:
            assert resource.inputs["tags"]["pilotlight:role"] == "webhooks", resource.name
            assert resource.inputs["tags"]["pilotlight:deployment"] == "0123456789abcdef", resource.name
