"""The table's rows for queues and what reads them: SQS, Lambda's event source mappings, SSM. See `behaviour.py`."""

from __future__ import annotations

from local.provider.properties import Prop, Props, document, last_of_arn, policy
from local.provider.shorthands import CHOSEN, FIXED_COMPUTED, NAME, NEVER, REGION, REPLACE, TAGS

# lambda/event_source_mapping.go; function_name: suppressEquivalentFunctionNameOrARN; batch_size: DiffSuppressFunc
EVENT_SOURCE_MAPPING: Props = {
    "batchSize": Prop(default=10),
    "enabled": Prop(fill=True),
    "eventSourceArn": Prop(REPLACE, required=True, uneditable=NEVER),
    "functionName": Prop(required=True, normal=last_of_arn),
    "functionResponseTypes": Prop(is_set=True),
    "maximumBatchingWindowInSeconds": Prop(default=0),
    "region": REGION,
    "scalingConfig": Prop(fields={"maximumConcurrency": Prop()}),
    "tags": TAGS,
}

# sqs/queue.go; the defaults are those of its schema (defaults.go), not of SQS
QUEUE: Props = {
    "delaySeconds": Prop(fill=0),
    "maxMessageSize": Prop(fill=262144),
    "messageRetentionSeconds": Prop(fill=345600),
    "name": NAME,
    "policy": Prop(computed=True, normal=policy),
    "receiveWaitTimeSeconds": Prop(fill=0),
    "redrivePolicy": Prop(computed=True, normal=document),
    "region": REGION,
    "sqsManagedSseEnabled": CHOSEN,
    "tags": TAGS,
    "visibilityTimeoutSeconds": Prop(fill=30),
}

# sqs/queue_policy.go
QUEUE_POLICY: Props = {
    "policy": Prop(required=True, normal=policy),
    "queueUrl": Prop(REPLACE, required=True, uneditable=NEVER),
    "region": REGION,
}

# ssm/parameter.go; tier: CustomizeDiff replaces from Advanced to Standard, see `Parameter.also_replaces`
PARAMETER: Props = {
    "allowedPattern": Prop(),
    "dataType": FIXED_COMPUTED,
    "description": Prop(),
    "keyId": CHOSEN,
    "name": NAME,
    "region": REGION,
    "tags": TAGS,
    "tier": CHOSEN,
    "type": Prop(required=True),
    "value": Prop(required=True),
}
