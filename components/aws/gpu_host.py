"""The machine with the GPU. Asleep is not drift: a stopped or type-swapped host changes nothing in `up` and `refresh`.

Image, instance type, user data, subnet and key are set once and then ignored, because the provider would replace the
machine for them, or stop, change and start it. What is ignored is not hidden: a type that differs is said in preview.
Never set `associate_public_ip_address`: a stopped machine reads back as without, and that means replacement
(hashicorp/terraform-provider-aws issue 33775). Nothing that depends on a public address is exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.aws import machine
from components.aws.policies import ROLE_HOST
from components.aws.roles import Tags
from core.capacity import ladder
from core.contract import tags
from core.times import durations


@dataclass(frozen=True, kw_only=True)
class GpuHostArgs(machine.MachineArgs):
    """Throughput in MiB/s, durations in seconds.

    `stop_after_s` None and `max_lease_s` 0 mean off; both are only the tags' first values, which operations may edit.
    """

    unit: str
    control_id: pulumi.Input[str]  # deployment id of the stack whose reaper drives the host
    instance_types: Sequence[str]
    disk_throughput_mibps: int
    kms_key_arn: str | None
    stop_after_s: float | None
    max_lease_s: float
    protect: bool
    skipped_types: ladder.Skipped  # on which the engines would not load
    has_address: bool  # where there is no gateway, callers need an address that stays


class GpuHost(pulumi.ComponentResource):
    """`instance`, and `address`: an Elastic IP where callers reach the host itself, else ""."""

    instance: aws.ec2.Instance
    address: pulumi.Output[str]

    def __init__(self, name: str, args: GpuHostArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:GpuHost", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        plain = args.identity.tags(ROLE_HOST, name)
        self.instance = self._instance(name, args, plain)
        if skipped := ladder.skipped_words(args.skipped_types):
            words = f"pilotlight:host.instanceTypes: {skipped}. The capacity ladder will never use what is skipped"
            pulumi.log.warn(words, resource=self.instance)
        # an Output, because the program waits for those
        self.first_up: pulumi.Output[str] = pulumi.Output.from_input(self._say_first_up(args))
        self.address = pulumi.Output.from_input("")
        if args.has_address:
            self.address = machine.fixed_address(name, self.instance.id, plain, child)
        self.instance.instance_type.apply(lambda actual: self._say_type(args.instance_types[0], actual))
        self.register_outputs({"instanceId": self.instance.id, "privateIp": self.instance.private_ip})

    def _instance(self, name: str, args: GpuHostArgs, plain: Tags) -> aws.ec2.Instance:
        return machine.instance(
            name,
            args,
            instance_type=args.instance_types[0],
            disk=machine.root_disk(args.disk_gib, args.disk_throughput_mibps, args.kms_key_arn),
            plain=plain,
            tags=host_tags(name, args),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=args.protect,
                ignore_changes=[*machine.IGNORED, "instanceType"],
                custom_timeouts=pulumi.CustomTimeouts(create=machine.CREATE_TIMEOUT),
            ),
        )

    async def _say_first_up(self, args: GpuHostArgs) -> str:
        """In a preview, where the machine is not there yet: only a later start climbs the ladder, `up` does not."""
        others = ladder.rungs(args.instance_types, args.instance_types[0], args.skipped_types)
        if not others or not pulumi.runtime.is_dry_run() or await self.instance.id.is_known():
            return ""
        words = ladder.first_up(args.instance_types[0], others[0])
        pulumi.log.info(words, resource=self.instance)
        return words

    def _say_type(self, wanted: str, actual: str) -> None:
        if wanted != actual:
            pulumi.log.info(
                f"the stack file prefers {wanted}, the host is {actual}; `up` leaves it so. "
                "The type of a stopped host is changed by `aws ec2 modify-instance-attribute`.",
                resource=self.instance,
            )


def host_tags(name: str, args: GpuHostArgs) -> dict[str, pulumi.Input[str]]:
    """The host's tags; the reaper reads auto-stop and max-lease live, so operations may edit them in the console."""
    stop = tag_value(args.stop_after_s)
    lease = tag_value(args.max_lease_s or None)
    limits = {tags.TAG_AUTO_STOP: stop, tags.TAG_MAX_LEASE: lease}
    driven = {tags.TAG_UNIT: args.unit, tags.TAG_CONTROL: args.control_id}
    return args.identity.tags(ROLE_HOST, name) | driven | limits


def tag_value(seconds: float | None) -> str:
    """A tag's value: `30m`, or `off` for None."""
    return "off" if seconds is None else durations.spell(seconds)
