"""Pulumi's mocks: what AWS would answer, and what the program asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc
import pulumi
import pytest
import yaml

from components import deployment
from components.aws.archive import ROOT
from core.settings import load

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzsuj+XW6uSLt3I6S1X9C4NTBbwZ8CRrW0hpmMxn5pF test"
DEPLOYMENT = "0123456789abcdef"
SIGNING_KEY = "5e" * 32
ARN = "arn:aws:test:us-east-1:123456789012"

SUBNET = {
    "vpcId": "vpc-0abc",
    "availabilityZone": "us-east-1b",
    "mapPublicIpOnLaunch": True,
    "availableIpAddressCount": 4000,
}
DEFAULT_ROUTE = {"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-0abc"}
Answer = dict[str, Any] | Callable[[Any], dict[str, Any]]  # or what makes one of the question's arguments
Answers = Mapping[str, Answer | str] | None


def _image(args: Any) -> dict[str, Any]:
    architecture = next((f["values"][0] for f in args["filters"] if f["name"] == "architecture"), "x86_64")
    disk = {"deviceName": "/dev/sda1", "ebs": {"volume_size": "8"}}
    found = {"architecture": architecture, "rootDeviceName": "/dev/sda1", "blockDeviceMappings": [disk]}
    named = next((f["values"][0] for f in args["filters"] if f["name"] == "image-id"), "ami-0abc")
    return {"id": named, **found}


def _offers(args: Any) -> dict[str, Any]:
    types = args["filters"][0]["values"]
    pairs = [(t, z) for t in types for z in ("us-east-1b", "us-east-1c")] + [(types[0], "us-east-1a")]
    return {"instanceTypes": [t for t, _ in pairs], "locations": [z for _, z in pairs]}


ANSWERS: dict[str, Answer] = {
    "aws:ec2/getAmi:getAmi": _image,
    "aws:ec2/getInstanceType:getInstanceType": {"defaultVcpus": 4},
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _offers,
    "aws:ec2/getRouteTables:getRouteTables": {"ids": ["rtb-0abc"]},
    "aws:ec2/getRouteTable:getRouteTable": {"routes": [{"cidrBlock": "172.31.0.0/16"}, DEFAULT_ROUTE]},
    "aws:ec2/getSubnet:getSubnet": lambda args: {**SUBNET, "id": args["id"]},
    "aws:ec2/getSubnets:getSubnets": {"ids": ["subnet-0bbb", "subnet-0aaa"]},
    "aws:ec2/getVpc:getVpc": {"id": "vpc-0abc"},
    "aws:kms/getKey:getKey": {
        "keyState": "Enabled",
        "keyUsage": "ENCRYPT_DECRYPT",
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
    },
    "aws:servicequotas/getServiceQuota:getServiceQuota": {"value": 64},
}


_STACKS: dict[str, dict[str, Any]] = {}  # outputs of other stacks, by full name


class _Refused(grpc.RpcError):
    """What the engine answers to a call that it refuses."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


def _outputs_of(name: str) -> dict[str, Any]:
    if name not in _STACKS:
        raise _Refused(f'invocation of pulumi:pulumi:readStackOutputs returned an error: unknown stack "{name}"')
    return {"name": name, "outputs": _STACKS[name], "secretOutputNames": []}


@pytest.fixture
def stacks() -> Iterator[dict[str, dict[str, Any]]]:
    """Outputs of other stacks by full name, `organization/pilotlight/<stack>`; a test puts them here."""
    yield _STACKS
    _STACKS.clear()


class Cloud(pulumi.runtime.Mocks):
    """Records resources and look-ups. Every type is offered in us-east-1b and -1c, the first in -1a too.

    `answers` replaces some of ANSWERS; a text is the error that the engine gives instead.
    """

    def __init__(self, answers: Answers = None) -> None:
        self.answers = {**ANSWERS, **(answers or {})}
        self.absent: frozenset[str] = frozenset()  # resources that are not there yet: a preview knows no id of theirs
        self.resources: list[pulumi.runtime.MockResourceArgs] = []
        self.calls: list[pulumi.runtime.MockCallArgs] = []
        self.options: dict[tuple[str, str], pulumi.ResourceOptions] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.resources.append(args)
        computed = {"arn": f"{ARN}:{args.name}", "name": args.inputs.get("name", f"{args.name}-0abc123")}
        match args.typ:
            case "random:index/randomId:RandomId":
                computed = {"hex": DEPLOYMENT}
            case "random:index/randomBytes:RandomBytes":
                computed = {"hex": SIGNING_KEY}
            case "aws:sqs/queue:Queue":
                computed |= {"url": f"https://sqs.test/{args.name}"}
            case "aws:ec2/instance:Instance":
                computed |= {"privateIp": "10.0.0.7"}
            case "aws:ec2/eip:Eip":
                computed |= {"publicIp": "203.0.113.9", "allocationId": "eipalloc-1"}
            case "aws:ec2/keyPair:KeyPair":
                computed |= {"keyName": args.name}
        return "" if args.name in self.absent else f"{args.name}-id", {**computed, **args.inputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        self.calls.append(args)
        if args.token == "pulumi:pulumi:readStackOutputs":
            return _outputs_of(args.args["name"])
        answer = self.answers[args.token]
        if isinstance(answer, str):
            raise _Refused(f"invocation of {args.token} returned an error: {answer}")
        return answer(args.args) if callable(answer) else answer

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Inputs by name of every resource whose type ends with `kind`."""
        return {r.name: dict(r.inputs) for r in self.resources if r.typ.split(":")[-1] == kind}


def _config(stack: str) -> dict[str, Any]:
    """A committed stack file's config, with what a user must set."""
    raw = yaml.safe_load((ROOT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    raw["pilotlight:host"]["sshPublicKey"] = KEY
    raw.setdefault("pilotlight:access", {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"]})
    return raw


_REGISTER = pulumi.resource.register_resource


def _noted(cloud: Cloud, resource: Any, kind: str, name: str, *rest: Any) -> None:
    """Mocks are not told a resource's options; the SDK's own registration is.

    The SDK registers the stack itself with the first program of a process only, so it is no part of what is compared.
    """
    if kind != "pulumi:pulumi:Stack":
        cloud.options[kind.rsplit(":", maxsplit=1)[-1], name] = rest[4]
    _REGISTER(resource, kind, name, *rest)


_BUILT: dict[str, tuple[Cloud, dict[str, Any]]] = {}  # what was built, by what was asked; nobody changes it

Build = Callable[..., tuple[Cloud, dict[str, Any]]]


@contextmanager
def _own_loops(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An event loop for one program, closed after it, with those that the SDK makes in threads and never closes."""
    made: list[asyncio.AbstractEventLoop] = []
    new_loop = asyncio.new_event_loop

    def noted() -> asyncio.AbstractEventLoop:
        made.append(new_loop())
        return made[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", noted)
    asyncio.set_event_loop(asyncio.new_event_loop())
    try:
        yield
    finally:
        for loop in made:
            loop.close()
        asyncio.set_event_loop(None)


Program = Callable[[], dict[str, Any]]
RunProgram = Callable[..., tuple[Cloud, dict[str, Any]]]


@pytest.fixture
def run_program(monkeypatch: pytest.MonkeyPatch) -> RunProgram:
    """`run_program(stack, program)` runs any program under mocks: (cloud, what it returned, resolved)."""

    def run(
        stack: str, program: Program, *, preview: bool = False, absent: Iterable[str] = (), answers: Answers = None
    ) -> tuple[Cloud, dict[str, Any]]:
        cloud = Cloud(answers)
        cloud.absent = frozenset(absent)
        monkeypatch.setattr("pulumi.resource.register_resource", partial(_noted, cloud))
        outputs: dict[str, Any] = {}

        @pulumi.runtime.test
        def tested() -> Any:
            return pulumi.Output.all(**program()).apply(outputs.update)

        with _own_loops(monkeypatch):
            pulumi.runtime.set_mocks(
                cloud, project="pilotlight", stack=stack, preview=preview, organization="organization"
            )
            tested()
        return cloud, outputs

    return run


@pytest.fixture
def build(run_program: RunProgram) -> Build:
    """`build(stack, section={…})` runs the program of a stack file under mocks, once: (cloud, outputs)."""

    def remembered(
        stack: str = "qwen7b", *, fresh: bool = False, answers: Answers = None, **changes: Any
    ) -> tuple[Cloud, dict[str, Any]]:
        key = stack + json.dumps(changes, sort_keys=True)
        if answers:
            return run(stack, answers=answers, **changes)
        if fresh or key not in _BUILT:
            _BUILT[key] = run(stack, **changes)
        return _BUILT[key]

    def run(
        stack: str, *, preview: bool = False, absent: Iterable[str] = (), answers: Answers = None, **changes: Any
    ) -> tuple[Cloud, dict[str, Any]]:
        raw = _config(stack)
        for section, value in changes.items():
            have = raw.get(f"pilotlight:{section}")
            merged = have | value if isinstance(value, dict) and isinstance(have, dict) else value
            raw[f"pilotlight:{section}"] = merged
        settings = load(raw, stack, secret_keys=["pilotlight:webui"])  # as after `config set --secret`
        return run_program(stack, lambda: deployment.build(settings), preview=preview, absent=absent, answers=answers)

    return remembered


@pytest.fixture
def config() -> Callable[[str], dict[str, Any]]:
    """`config(stack)`: a committed stack file's config, with what a user must set."""
    return _config
