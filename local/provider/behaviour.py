"""The table: what each property of each resource does when it changes, as the real provider does it.

The real provider is pulumi-aws 7, which bridges hashicorp/terraform-provider-aws; the source of each block is the
file named above it, under `internal/service/` of that repository. ForceNew (or RequiresReplace) there is `REPLACE`
here, Optional+Computed is `computed`, a Default is `default`; `RESTART` is `modifyInstanceAttributeWithStopStart`:
the provider stops the machine if it runs, changes it, and *starts* it in every case.
A property that is not in the table is refused by Check with a message that names this file.
"""

from __future__ import annotations

from typing import Final

from local.provider.behaviour_queues import EVENT_SOURCE_MAPPING, PARAMETER, QUEUE, QUEUE_POLICY
from local.provider.inline_rules import flatten
from local.provider.properties import Prop, Props, archive, document, policy
from local.provider.shorthands import (
    ARGUMENT,
    CHOSEN,
    FALSE,
    FIXED,
    FIXED_COMPUTED,
    NAME,
    NEVER,
    REGION,
    REPLACE,
    RESTART,
    TAGS,
)

# ec2/ec2_instance.go: schema of root_block_device, metadata_options
_ROOT: Props = {
    "volumeSize": CHOSEN,
    "volumeType": CHOSEN,
    "iops": CHOSEN,
    "throughput": CHOSEN,
    "deleteOnTermination": Prop(default=True),
    "encrypted": FIXED_COMPUTED,
    "kmsKeyId": FIXED_COMPUTED,
}
_METADATA: Props = dict.fromkeys(
    ("httpEndpoint", "httpTokens", "httpPutResponseHopLimit", "httpProtocolIpv6", "instanceMetadataTags"), CHOSEN
)

# ec2/ec2_instance.go: resourceInstance(), resourceInstanceUpdate()
INSTANCE: Props = {
    "ami": FIXED_COMPUTED,
    "associatePublicIpAddress": FIXED_COMPUTED,
    "availabilityZone": FIXED_COMPUTED,
    "disableApiStop": CHOSEN,
    "disableApiTermination": CHOSEN,
    "ebsOptimized": FIXED_COMPUTED,
    "iamInstanceProfile": CHOSEN,
    "instanceInitiatedShutdownBehavior": CHOSEN,
    "instanceType": Prop(RESTART, computed=True),
    "keyName": FIXED_COMPUTED,
    "metadataOptions": Prop(computed=True, fields=_METADATA),
    "monitoring": CHOSEN,
    "privateIp": FIXED_COMPUTED,
    "region": REGION,
    "rootBlockDevice": Prop(computed=True, fields=_ROOT),
    "sourceDestCheck": Prop(default=True),
    "subnetId": FIXED_COMPUTED,
    "tags": TAGS,
    "userData": Prop(RESTART, computed=True),
    "userDataReplaceOnChange": Prop(fill=False, unread=ARGUMENT),
    "volumeTags": CHOSEN,
    "vpcSecurityGroupIds": Prop(computed=True, is_set=True),
}

# ec2/vpc_security_group.go: resourceSecurityGroup(); a group made by the provider has no default egress rule
SECURITY_GROUP: Props = {
    "name": NAME,
    "description": Prop(REPLACE, fill="Managed by Pulumi", uneditable=NEVER),
    "egress": Prop(computed=True, normal=flatten),
    "ingress": Prop(computed=True, normal=flatten),
    "region": REGION,
    "revokeRulesOnDelete": Prop(fill=False, unread=ARGUMENT),
    "tags": TAGS,
    "vpcId": FIXED_COMPUTED,
}

# ec2/vpc_security_group_ingress_rule.go: ModifySecurityGroupRules; another *kind* of source replaces (ModifyPlan)
SECURITY_GROUP_RULE: Props = {
    "cidrIpv4": Prop(),
    "cidrIpv6": Prop(),
    "description": Prop(),
    "fromPort": Prop(),
    "ipProtocol": Prop(required=True),
    "referencedSecurityGroupId": Prop(),
    "region": REGION,
    "securityGroupId": Prop(REPLACE, required=True, uneditable=NEVER),
    "tags": TAGS,
    "toPort": Prop(),
}

# ec2/ec2_key_pair.go
KEY_PAIR: Props = {
    "keyName": NAME,
    "publicKey": Prop(REPLACE, required=True),
    "region": REGION,
    "tags": TAGS,
}

# ec2/ec2_eip.go
EIP: Props = {
    "domain": FIXED_COMPUTED,
    "instance": CHOSEN,
    "region": REGION,
    "tags": TAGS,
}

# ec2/ec2_eip_association.go
EIP_ASSOCIATION: Props = {
    "allocationId": FIXED_COMPUTED,
    "allowReassociation": Prop(REPLACE, unread=ARGUMENT),
    "instanceId": Prop(REPLACE, computed=True),
    "publicIp": FIXED_COMPUTED,
    "region": REGION,
}

# ec2/ebs_volume.go
VOLUME: Props = {
    "availabilityZone": Prop(REPLACE, required=True, uneditable=NEVER),
    "encrypted": FIXED_COMPUTED,
    "finalSnapshot": Prop(fill=False, unread=ARGUMENT),
    "iops": CHOSEN,
    "kmsKeyId": FIXED_COMPUTED,
    "region": REGION,
    "size": CHOSEN,
    "snapshotId": FIXED_COMPUTED,
    "tags": TAGS,
    "throughput": CHOSEN,
    "type": CHOSEN,
}

# ec2/ebs_volume_attachment.go
_ATTACHED: Final = "an attachment is made and ended, not changed"
VOLUME_ATTACHMENT: Props = {
    "deviceName": Prop(REPLACE, required=True, uneditable=_ATTACHED),
    "forceDetach": Prop(unread=ARGUMENT),
    "instanceId": Prop(REPLACE, required=True, uneditable=_ATTACHED),
    "region": REGION,
    "skipDestroy": Prop(unread=ARGUMENT),
    "stopInstanceBeforeDetaching": Prop(unread=ARGUMENT),
    "volumeId": Prop(REPLACE, required=True, uneditable=_ATTACHED),
}

# iam/role.go
ROLE: Props = {
    "assumeRolePolicy": Prop(required=True, normal=policy),
    "description": Prop(),
    "forceDetachPolicies": Prop(fill=False, unread=ARGUMENT),
    "maxSessionDuration": Prop(fill=3600),
    "name": NAME,
    "path": Prop(REPLACE, fill="/", uneditable=NEVER),
    "permissionsBoundary": Prop(),
    "tags": TAGS,
}

# iam/role_policy.go
ROLE_POLICY: Props = {
    "name": NAME,
    "policy": Prop(required=True, normal=policy),
    "role": Prop(REPLACE, required=True, uneditable=NEVER),
}

# iam/role_policy_attachment.go
ROLE_POLICY_ATTACHMENT: Props = {
    "policyArn": Prop(
        REPLACE, required=True, uneditable="it is attached or it is not: another one is another resource"
    ),
    "role": Prop(REPLACE, required=True, uneditable=NEVER),
}

# iam/policy.go
POLICY: Props = {
    "description": FIXED,
    "name": NAME,
    "path": Prop(REPLACE, fill="/", uneditable=NEVER),
    "policy": Prop(required=True, normal=policy),
    "tags": TAGS,
}

# iam/instance_profile.go
INSTANCE_PROFILE: Props = {
    "name": NAME,
    "path": Prop(REPLACE, fill="/", uneditable=NEVER),
    "role": Prop(),
    "tags": TAGS,
}

# dynamodb/table.go
TABLE_PROPS: Props = {
    "attributes": Prop(is_set=True, fields={"name": Prop(), "type": Prop()}, uneditable="only with an index"),
    "billingMode": Prop(default="PROVISIONED"),
    "deletionProtectionEnabled": FALSE,
    "hashKey": FIXED_COMPUTED,
    "name": NAME,
    "pointInTimeRecovery": Prop(computed=True, fields={"enabled": FALSE}),
    "rangeKey": FIXED,
    "readCapacity": CHOSEN,
    "region": REGION,
    "tags": TAGS,
    "ttl": Prop(computed=True, fields={"attributeName": Prop(), "enabled": FALSE}),
    "writeCapacity": CHOSEN,
}

# dynamodb/table_item.go
TABLE_ITEM: Props = {
    "hashKey": Prop(REPLACE, required=True, uneditable=NEVER),
    "item": Prop(required=True, normal=document),
    "rangeKey": FIXED,
    "region": REGION,
    "tableName": Prop(REPLACE, required=True, uneditable=NEVER),
}

# lambda/function.go
FUNCTION: Props = {
    "architectures": CHOSEN,
    "code": Prop(normal=archive),
    "description": Prop(),
    "environment": Prop(fields={"variables": Prop()}),
    "handler": Prop(),
    "memorySize": Prop(fill=128),
    "name": NAME,
    "publish": Prop(fill=False, unread=ARGUMENT),
    "region": REGION,
    "reservedConcurrentExecutions": Prop(fill=-1),
    "role": Prop(required=True),
    "runtime": Prop(),
    "skipDestroy": Prop(fill=False, unread=ARGUMENT),
    "tags": TAGS,
    "timeout": Prop(fill=3),
}

# lambda/function_event_invoke_config.go
FUNCTION_EVENT_INVOKE_CONFIG: Props = {
    "functionName": Prop(REPLACE, required=True, uneditable=NEVER),
    "maximumEventAgeInSeconds": Prop(),
    "maximumRetryAttempts": Prop(fill=2),
    "region": REGION,
}

# scheduler/schedule.go, scheduler/flex.go
SCHEDULE: Props = {
    "description": Prop(),
    "endDate": Prop(),
    "flexibleTimeWindow": Prop(required=True, fields={"maximumWindowInMinutes": Prop(), "mode": Prop()}),
    "groupName": FIXED_COMPUTED,
    "name": NAME,
    "region": REGION,
    "scheduleExpression": Prop(required=True),
    "scheduleExpressionTimezone": Prop(fill="UTC"),
    "startDate": Prop(),
    "state": Prop(fill="ENABLED"),
    "target": Prop(
        required=True,
        fields={
            "arn": Prop(),
            "deadLetterConfig": Prop(fields={"arn": Prop()}),
            "input": Prop(),
            "retryPolicy": Prop(
                fields={
                    "maximumEventAgeInSeconds": Prop(default=86400),
                    "maximumRetryAttempts": Prop(default=185),
                }
            ),
            "roleArn": Prop(),
        },
    ),
}

# sns/topic.go
TOPIC: Props = {
    "displayName": Prop(),
    "kmsMasterKeyId": Prop(),
    "name": NAME,
    "policy": Prop(computed=True, normal=policy),
    "region": REGION,
    "tags": TAGS,
}

# sns/topic_subscription.go
TOPIC_SUBSCRIPTION: Props = {
    "endpoint": Prop(REPLACE, required=True, uneditable=NEVER),
    "endpointAutoConfirms": Prop(fill=False, unread=ARGUMENT),
    "filterPolicy": Prop(normal=document),
    "protocol": Prop(REPLACE, required=True, uneditable=NEVER),
    "rawMessageDelivery": Prop(fill=False),
    "region": REGION,
    "topic": Prop(REPLACE, required=True, uneditable=NEVER),
}

# logs/group.go
LOG_GROUP: Props = {
    "name": NAME,
    "region": REGION,
    "retentionInDays": Prop(fill=0),
    "skipDestroy": Prop(fill=False, unread=ARGUMENT),
    "tags": TAGS,
}

# cloudwatch/metric_alarm.go
METRIC_ALARM: Props = {
    "actionsEnabled": Prop(fill=True),
    "alarmActions": Prop(is_set=True),
    "alarmDescription": Prop(),
    "comparisonOperator": Prop(required=True),
    "datapointsToAlarm": Prop(),
    "dimensions": Prop(),
    "evaluationPeriods": Prop(required=True),
    "extendedStatistic": Prop(),
    "insufficientDataActions": Prop(is_set=True),
    "metricName": Prop(),
    "metricQueries": Prop(
        is_set=True,
        fields={
            "expression": Prop(),
            "id": Prop(),
            "label": Prop(),
            "metric": Prop(
                fields={
                    "dimensions": Prop(),
                    "metricName": Prop(),
                    "namespace": Prop(),
                    "period": Prop(),
                    "stat": Prop(),
                    "unit": Prop(),
                }
            ),
            "period": Prop(),
            "returnData": FALSE,
        },
    ),
    "name": NAME,
    "namespace": Prop(),
    "okActions": Prop(is_set=True),
    "period": Prop(),
    "region": REGION,
    "statistic": Prop(),
    "tags": TAGS,
    "threshold": Prop(),
    "treatMissingData": Prop(fill="missing"),
    "unit": Prop(),
}

# pulumi-terraform-provider-random: resource_id.go, resource_bytes.go
_DRAWN: Final = Prop(REPLACE, unread="a random number exists in Pulumi's state only")
RANDOM_BYTES: Props = {
    "keepers": _DRAWN,
    "length": Prop(REPLACE, required=True, unread=_DRAWN.unread),
}
RANDOM_ID: Props = {
    "byteLength": Prop(REPLACE, required=True, unread=_DRAWN.unread),
    "keepers": _DRAWN,
    "prefix": _DRAWN,
}

TABLE: Final[dict[str, Props]] = {
    "aws:cloudwatch/logGroup:LogGroup": LOG_GROUP,
    "aws:cloudwatch/metricAlarm:MetricAlarm": METRIC_ALARM,
    "aws:dynamodb/table:Table": TABLE_PROPS,
    "aws:dynamodb/tableItem:TableItem": TABLE_ITEM,
    "aws:ebs/volume:Volume": VOLUME,
    "aws:ec2/eip:Eip": EIP,
    "aws:ec2/eipAssociation:EipAssociation": EIP_ASSOCIATION,
    "aws:ec2/instance:Instance": INSTANCE,
    "aws:ec2/keyPair:KeyPair": KEY_PAIR,
    "aws:ec2/securityGroup:SecurityGroup": SECURITY_GROUP,
    "aws:ec2/volumeAttachment:VolumeAttachment": VOLUME_ATTACHMENT,
    "aws:iam/instanceProfile:InstanceProfile": INSTANCE_PROFILE,
    "aws:iam/policy:Policy": POLICY,
    "aws:iam/role:Role": ROLE,
    "aws:iam/rolePolicy:RolePolicy": ROLE_POLICY,
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ROLE_POLICY_ATTACHMENT,
    "aws:lambda/eventSourceMapping:EventSourceMapping": EVENT_SOURCE_MAPPING,
    "aws:lambda/function:Function": FUNCTION,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": FUNCTION_EVENT_INVOKE_CONFIG,
    "aws:scheduler/schedule:Schedule": SCHEDULE,
    "aws:sns/topic:Topic": TOPIC,
    "aws:sns/topicSubscription:TopicSubscription": TOPIC_SUBSCRIPTION,
    "aws:sqs/queue:Queue": QUEUE,
    "aws:sqs/queuePolicy:QueuePolicy": QUEUE_POLICY,
    "aws:ssm/parameter:Parameter": PARAMETER,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": SECURITY_GROUP_RULE,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": SECURITY_GROUP_RULE,
    "random:index/randomBytes:RandomBytes": RANDOM_BYTES,
    "random:index/randomId:RandomId": RANDOM_ID,
}
