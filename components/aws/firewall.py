"""Security groups: callers → gateway, gateway → host. The host has no inbound from outside.

Rules are resources of their own, so that a change of one caller's range is a change of one rule.
Without a gateway, callers reach the host itself.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pulumi
import pulumi_aws as aws

from components.aws.tags import Identity
from core.contract.network import (
    API_LOCAL_PORT,
    API_PORT,
    CHAT_PORT,
    ENGINE_PORT_FIRST,
    ENGINE_PORT_LAST,
    HTTP_PORT,
    HTTPS_PORT,
    SSH_PORT,
    WEBUI_PORT,
)

ROLE = "firewall"


ANYWHERE = ("0.0.0.0/0",)


class Tls(Enum):
    """Whether the gateway has a domain, and where its certificate comes from."""

    NONE = "none"
    ACME = "acme"
    OWN = "own"


@dataclass(frozen=True)
class FirewallArgs:
    """`cidrs` reach the API and the chat page, `ssh_cidrs` log in. `has_gateway` false opens these on the host.

    `chat_on` is the machine that the chat page runs on (`gateway`, `host`), None for none. With TLS callers reach port
    80 too, and 443 where there is a chat page; with a certificate by ACME the whole internet reaches port 80, since its
    authority asks from where it likes (HAProxy lets nobody else in there).
    """

    identity: Identity
    vpc_id: pulumi.Input[str]
    cidrs: Sequence[str]
    ssh_cidrs: Sequence[str]
    has_gateway: bool
    chat_on: str | None = "gateway"
    tls: Tls = Tls.NONE


class Firewall(pulumi.ComponentResource):
    """`host` is the host's group; `gateway` the gateway's, or None."""

    host: aws.ec2.SecurityGroup
    gateway: aws.ec2.SecurityGroup | None

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("pilotlight:index:Firewall", name, None, opts)
        self._name, self._args = name, args
        self._opts = pulumi.ResourceOptions(parent=self)
        self.host = self._group("host", "pilotlight: the machine with the GPU")
        self.gateway = None
        if args.has_gateway:
            self.gateway = self._group("gateway", "pilotlight: what callers talk to")
            self._from_group("host-engines", self.host, self.gateway, ENGINE_PORT_FIRST, ENGINE_PORT_LAST)
            self._from_group("host-ssh", self.host, self.gateway, SSH_PORT, SSH_PORT)
            if args.chat_on == "host":
                self._from_group("host-chat", self.host, self.gateway, WEBUI_PORT, WEBUI_PORT)
                self._from_group("gateway-api", self.gateway, self.host, API_LOCAL_PORT, API_LOCAL_PORT)
        front = self.gateway or self.host
        self._from_cidrs("api", front, args.cidrs, API_PORT)
        if args.chat_on:
            self._from_cidrs("chat", front, args.cidrs, CHAT_PORT)
        if args.tls is not Tls.NONE:
            if args.chat_on:
                self._from_cidrs("https", front, args.cidrs, HTTPS_PORT)
            self._from_cidrs("http", front, ANYWHERE if args.tls is Tls.ACME else args.cidrs, HTTP_PORT)
        self._from_cidrs("ssh", front, args.ssh_cidrs, SSH_PORT)
        self.register_outputs({"hostGroupId": self.host.id, "gatewayGroupId": self.gateway and self.gateway.id})

    def _group(self, of: str, description: str) -> aws.ec2.SecurityGroup:
        name = f"{self._name}-{of}"
        group = aws.ec2.SecurityGroup(
            name,
            description=description,
            vpc_id=self._args.vpc_id,
            tags=self._tags(name),
            opts=self._opts,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-out",
            security_group_id=group.id,
            ip_protocol="-1",
            cidr_ipv4="0.0.0.0/0",
            description="packages, models, AWS",
            tags=self._tags(f"{name}-out"),
            opts=self._opts,
        )
        return group

    def _from_group(
        self, what: str, to: aws.ec2.SecurityGroup, source: aws.ec2.SecurityGroup, first: int, last: int
    ) -> None:
        name = f"{self._name}-{what}"
        aws.vpc.SecurityGroupIngressRule(
            name,
            security_group_id=to.id,
            referenced_security_group_id=source.id,
            ip_protocol="tcp",
            from_port=first,
            to_port=last,
            description=what,
            tags=self._tags(name),
            opts=self._opts,
        )

    def _from_cidrs(self, what: str, to: aws.ec2.SecurityGroup, cidrs: Sequence[str], port: int) -> None:
        for cidr in cidrs:
            name = f"{self._name}-{what}-{cidr}"
            v4 = ipaddress.ip_network(cidr).version == 4
            aws.vpc.SecurityGroupIngressRule(
                name,
                security_group_id=to.id,
                cidr_ipv4=cidr if v4 else None,
                cidr_ipv6=None if v4 else cidr,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                description=what,
                tags=self._tags(name),
                opts=self._opts,
            )

    def _tags(self, name: str) -> dict[str, pulumi.Input[str]]:
        return self._args.identity.tags(ROLE, name)
