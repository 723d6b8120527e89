"""Lambda's event source mappings, from SQS queues."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from local.provider.kind import Kind, Values, changed, given, tag_changes
from local.provider.properties import Difference

MAPPING: Final = {
    "batchSize": "BatchSize",
    "enabled": "Enabled",
    "functionName": "FunctionName",
    "functionResponseTypes": "FunctionResponseTypes",
    "maximumBatchingWindowInSeconds": "MaximumBatchingWindowInSeconds",
}


class EventSourceMapping(Kind):
    """What polls a queue for a function. The id is its UUID."""

    token = "aws:lambda/eventSourceMapping:EventSourceMapping"
    computed = (
        "arn", "functionArn", "lastModified", "lastProcessingResult", "state", "stateTransitionReason", "tagsAll",
        "uuid",
    )  # fmt: skip
    gone = ("ResourceNotFoundException",)

    def create(self, want: Values) -> str:
        """CreateEventSourceMapping."""
        answer = self.aws.client("lambda").create_event_source_mapping(
            EventSourceArn=want["eventSourceArn"], Tags=want.get("tags") or {}, **_arguments(want)
        )
        return str(answer["UUID"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetEventSourceMapping."""
        client = self.aws.client("lambda")
        seen = client.get_event_source_mapping(UUID=ident)
        arn = seen.get("EventSourceMappingArn") or self.aws.arn("lambda", f"event-source-mapping:{ident}")
        tags = client.list_tags(Resource=arn).get("Tags") or {}
        return {
            "arn": arn,
            "batchSize": seen.get("BatchSize"),
            "enabled": seen["State"] in ("Enabled", "Enabling", "Creating", "Updating"),
            "eventSourceArn": seen["EventSourceArn"],
            "functionArn": seen["FunctionArn"],
            "functionName": seen["FunctionArn"],
            "functionResponseTypes": seen.get("FunctionResponseTypes"),
            "lastModified": str(seen.get("LastModified", "")),
            "lastProcessingResult": seen.get("LastProcessingResult", ""),
            "maximumBatchingWindowInSeconds": seen.get("MaximumBatchingWindowInSeconds"),
            "scalingConfig": {"maximumConcurrency": (seen.get("ScalingConfig") or {}).get("MaximumConcurrency")},
            "state": seen["State"],
            "stateTransitionReason": seen.get("StateTransitionReason", ""),
            "tags": tags,
            "tagsAll": tags,
            "uuid": ident,
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """UpdateEventSourceMapping, with everything; tags apart."""
        client = self.aws.client("lambda")
        if changed(changes) - {"tags"}:
            emptied = {
                "FunctionResponseTypes": [],
                "MaximumBatchingWindowInSeconds": 0,
                "ScalingConfig": {},
            }
            client.update_event_source_mapping(UUID=ident, **emptied | _arguments(new))
        arn, (put, drop) = self.aws.arn("lambda", f"event-source-mapping:{ident}"), tag_changes(old, new)
        if drop:
            client.untag_resource(Resource=arn, TagKeys=drop)
        if put:
            client.tag_resource(Resource=arn, Tags=put)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteEventSourceMapping."""
        self.aws.client("lambda").delete_event_source_mapping(UUID=ident)


def _arguments(want: Values) -> Values:
    most = (want.get("scalingConfig") or {}).get("maximumConcurrency")
    scaling = {"MaximumConcurrency": most} if most else None
    return given(**{key: want.get(name) for name, key in MAPPING.items()}, ScalingConfig=scaling)
