"""SNS topics and their subscriptions."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values, changed, tag_changes, tag_list, tag_map
from local.provider.properties import Difference

TOPIC = {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId", "policy": "Policy"}
GONE = ("NotFound", "NotFoundException")


class Topic(Kind):
    """A topic. The id is its ARN."""

    token = "aws:sns/topic:Topic"
    name_property = "name"
    computed = ("arn", "owner", "tagsAll")
    gone = GONE

    def create(self, want: Values) -> str:
        """CreateTopic."""
        attributes = {key: want[name] for name, key in TOPIC.items() if want.get(name)}
        answer = self.aws.client("sns").create_topic(
            Name=want["name"], Attributes=attributes, Tags=tag_list(want.get("tags"))
        )
        return str(answer["TopicArn"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetTopicAttributes."""
        client = self.aws.client("sns")
        seen = client.get_topic_attributes(TopicArn=ident)["Attributes"]
        tags = tag_map(client.list_tags_for_resource(ResourceArn=ident)["Tags"])
        return {
            **{name: seen.get(key) for name, key in TOPIC.items()},
            "arn": ident,
            "name": ident.rpartition(":")[2],
            "owner": seen.get("Owner", ""),
            "tags": tags,
            "tagsAll": tags,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """One call for each attribute."""
        client = self.aws.client("sns")
        for name in sorted(changed(changes) & set(TOPIC)):
            client.set_topic_attributes(TopicArn=ident, AttributeName=TOPIC[name], AttributeValue=new.get(name) or "")
        put, drop = tag_changes(old, new)
        if drop:
            client.untag_resource(ResourceArn=ident, TagKeys=drop)
        if put:
            client.tag_resource(ResourceArn=ident, Tags=tag_list(put))

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteTopic."""
        self.aws.client("sns").delete_topic(TopicArn=ident)


class TopicSubscription(Kind):
    """Who gets what a topic says. The id is its ARN."""

    token = "aws:sns/topicSubscription:TopicSubscription"
    computed = ("arn", "ownerId", "pendingConfirmation")
    gone = GONE

    def create(self, want: Values) -> str:
        """Subscribe."""
        attributes = {"RawMessageDelivery": str(want["rawMessageDelivery"]).lower()}
        if want.get("filterPolicy"):
            attributes["FilterPolicy"] = want["filterPolicy"]
        answer = self.aws.client("sns").subscribe(
            TopicArn=want["topic"],
            Protocol=want["protocol"],
            Endpoint=want["endpoint"],
            Attributes=attributes,
            ReturnSubscriptionArn=True,
        )
        return str(answer["SubscriptionArn"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetSubscriptionAttributes."""
        seen = self.aws.client("sns").get_subscription_attributes(SubscriptionArn=ident)["Attributes"]
        return {
            "arn": ident,
            "endpoint": seen["Endpoint"],
            "filterPolicy": seen.get("FilterPolicy"),
            "ownerId": seen.get("Owner", ""),
            "pendingConfirmation": seen.get("PendingConfirmation") == "true",
            "protocol": seen["Protocol"],
            "rawMessageDelivery": seen.get("RawMessageDelivery") == "true",
            "topic": seen["TopicArn"],
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """SetSubscriptionAttributes."""
        client, names = self.aws.client("sns"), changed(changes)
        values = {
            "rawMessageDelivery": ("RawMessageDelivery", str(new["rawMessageDelivery"]).lower()),
            "filterPolicy": ("FilterPolicy", new.get("filterPolicy") or "{}"),
        }
        for key, value in (values[name] for name in sorted(names & set(values))):
            client.set_subscription_attributes(SubscriptionArn=ident, AttributeName=key, AttributeValue=value)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """Unsubscribe."""
        self.aws.client("sns").unsubscribe(SubscriptionArn=ident)
