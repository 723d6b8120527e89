"""SQS queues and their policies."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.provider.kind import Kind, Values, changed, tag_changes
from local.provider.properties import Difference

QUEUE: Final = {
    "delaySeconds": "DelaySeconds",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}
_WORDS: Final = frozenset({"policy", "redrivePolicy"})  # the other attributes are numbers and booleans
GONE: Final = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


class Queue(Kind):
    """A queue. The id is its URL."""

    token = "aws:sqs/queue:Queue"
    name_property = "name"
    computed = ("arn", "tagsAll", "url")
    gone = GONE

    def create(self, want: Values) -> str:
        """CreateQueue with every attribute that the program names."""
        attributes = {key: _text(want[name]) for name, key in QUEUE.items() if want.get(name) is not None}
        answer = self.aws.client("sqs").create_queue(
            QueueName=want["name"], Attributes=attributes, tags=want.get("tags") or {}
        )
        return str(answer["QueueUrl"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetQueueAttributes."""
        client = self.aws.client("sqs")
        seen = _attributes(client, ident)
        tags = client.list_queue_tags(QueueUrl=ident).get("Tags") or {}
        return {
            **{name: _value(name, seen[key]) for name, key in QUEUE.items() if key in seen},
            "arn": seen["QueueArn"],
            "name": ident.rpartition("/")[2],
            "tags": tags,
            "tagsAll": tags,
            "url": ident,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """SetQueueAttributes with what changed; an attribute that is gone is set to nothing, as the provider does."""
        client = self.aws.client("sqs")
        attributes = {QUEUE[name]: _text(new.get(name)) for name in sorted(changed(changes) & set(QUEUE))}
        if attributes:
            _set(client, ident, attributes)
        put, drop = tag_changes(old, new)
        if drop:
            client.untag_queue(QueueUrl=ident, TagKeys=drop)
        if put:
            client.tag_queue(QueueUrl=ident, Tags=put)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteQueue."""
        self.aws.client("sqs").delete_queue(QueueUrl=ident)


class QueuePolicy(Kind):
    """Who may send. The id is the queue's URL."""

    token = "aws:sqs/queuePolicy:QueuePolicy"
    gone = GONE

    def create(self, want: Values) -> str:
        """SetQueueAttributes."""
        self.aws.client("sqs").set_queue_attributes(QueueUrl=want["queueUrl"], Attributes={"Policy": want["policy"]})
        return str(want["queueUrl"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetQueueAttributes; a queue without a policy has none."""
        found = _attributes(self.aws.client("sqs"), ident).get("Policy")
        return {"policy": found, "queueUrl": ident} if found else None

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """The same call again."""
        self.create(new)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """An empty policy is none."""
        self.aws.client("sqs").set_queue_attributes(QueueUrl=ident, Attributes={"Policy": ""})


def _attributes(client: Any, url: str) -> dict[str, str]:
    found: dict[str, str] = client.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return found


def _set(client: Any, url: str, attributes: dict[str, str]) -> None:
    """With the policy that there is: moto drops it in a call that does not name it, AWS leaves it."""
    kept = _attributes(client, url).get("Policy", "")
    client.set_queue_attributes(QueueUrl=url, Attributes={"Policy": kept, **attributes})


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else "" if value is None else str(value)


def _value(name: str, text: str) -> Any:
    if name in _WORDS:
        return text
    return text == "true" if text in ("true", "false") else int(text)
