"""Lambda functions, and how they take asynchronous events."""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from local.provider.kind import Kind, Values, changed, given, tag_changes
from local.provider.properties import Difference
from local.provider.structs import is_archive, sha256_hex, zip_of

API = "2015-03-31"  # the version in every invoke ARN
CONFIGURATION = {
    "description": "Description",
    "handler": "Handler",
    "memorySize": "MemorySize",
    "role": "Role",
    "runtime": "Runtime",
    "timeout": "Timeout",
}


class Function(Kind):
    """A function whose code is an archive."""

    token = "aws:lambda/function:Function"
    name_property = "name"
    computed = (
        "arn", "codeSha256", "invokeArn", "lastModified", "qualifiedArn", "sourceCodeSize", "tagsAll", "version",
    )  # fmt: skip
    gone = ("ResourceNotFoundException",)

    def create(self, want: Values) -> str:
        """CreateFunction with the zip."""
        self.aws.client("lambda").create_function(
            FunctionName=want["name"],
            Code={"ZipFile": zip_of(want["code"])},
            Environment={"Variables": _variables(want)},
            Tags=want.get("tags") or {},
            Publish=bool(want.get("publish")),
            **given(Architectures=want.get("architectures")),
            **_configuration(want),
        )
        return str(want["name"])

    def finish(self, ident: str, want: Values) -> None:
        """Wait until it is active; then the concurrency, where one is reserved."""
        self.aws.client("lambda").get_waiter("function_active_v2").wait(
            FunctionName=ident, WaiterConfig={"Delay": 1, "MaxAttempts": 60}
        )
        self._concurrency(ident, want)

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetFunction. `code` is the state's archive as long as the cloud has the code that we sent."""
        client = self.aws.client("lambda")
        answer = client.get_function(FunctionName=ident)
        seen, tags = answer["Configuration"], answer.get("Tags") or {}
        region = self.aws.region
        reserved = client.get_function_concurrency(FunctionName=ident).get("ReservedConcurrentExecutions", -1)
        found = {name: seen.get(key) for name, key in CONFIGURATION.items()}
        return found | {
            "architectures": seen.get("Architectures"),
            "arn": seen["FunctionArn"],
            "code": _code(hint, seen["CodeSha256"]),
            "codeSha256": seen["CodeSha256"],
            "environment": {"variables": (seen.get("Environment") or {}).get("Variables") or {}},
            "invokeArn": f"arn:aws:apigateway:{region}:lambda:path/{API}/functions/{seen['FunctionArn']}/invocations",
            "lastModified": seen["LastModified"],
            "name": seen["FunctionName"],
            "qualifiedArn": f"{seen['FunctionArn']}:$LATEST",
            "reservedConcurrentExecutions": reserved,
            "sourceCodeSize": seen["CodeSize"],
            "tags": tags,
            "tagsAll": tags,
            "version": seen["Version"],
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """Configuration, then code (architectures go with code), concurrency and tags."""
        client, names = self.aws.client("lambda"), changed(changes)
        if names & {*CONFIGURATION, "environment"}:
            client.update_function_configuration(
                FunctionName=ident, Environment={"Variables": _variables(new)}, **_configuration(new)
            )
        if names & {"architectures", "code"}:
            client.update_function_code(
                FunctionName=ident, ZipFile=zip_of(new["code"]), **given(Architectures=new.get("architectures"))
            )
        if "reservedConcurrentExecutions" in names:
            self._concurrency(ident, new)
        arn, (put, drop) = (
            client.get_function(FunctionName=ident)["Configuration"]["FunctionArn"],
            tag_changes(old, new),
        )
        if drop:
            client.untag_resource(Resource=arn, TagKeys=drop)
        if put:
            client.tag_resource(Resource=arn, Tags=put)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteFunction."""
        if not state.get("skipDestroy"):
            self.aws.client("lambda").delete_function(FunctionName=ident)

    def _concurrency(self, ident: str, want: Values) -> None:
        client, reserved = self.aws.client("lambda"), want["reservedConcurrentExecutions"]
        if reserved >= 0:
            client.put_function_concurrency(FunctionName=ident, ReservedConcurrentExecutions=reserved)
        elif client.get_function_concurrency(FunctionName=ident).get("ReservedConcurrentExecutions") is not None:
            client.delete_function_concurrency(FunctionName=ident)


def _configuration(want: Values) -> Values:
    return given(**{key: want.get(name, "" if name == "description" else None) for name, key in CONFIGURATION.items()})


def _variables(want: Values) -> dict[str, str]:
    return (want.get("environment") or {}).get("variables") or {}


def _code(hint: Mapping[str, Any], sha256: str) -> Any:
    """The archive in the state, if the cloud's code is what that archive was; otherwise words that no archive equals.

    Right after an upload the archive itself is at hand; later the state's `codeSha256` says what was uploaded.
    """
    code, other = hint.get("code"), f"other code than Pulumi's, with SHA-256 {sha256}"
    if not is_archive(code):
        return other
    known = hint.get("codeSha256") or base64.b64encode(bytes.fromhex(sha256_hex(zip_of(code)))).decode()
    return code if known == sha256 else other


class FunctionEventInvokeConfig(Kind):
    """Retries and age of asynchronous events. The id is the function's name."""

    token = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
    gone = ("ResourceNotFoundException",)

    def create(self, want: Values) -> str:
        """PutFunctionEventInvokeConfig."""
        self._put(want)
        return str(want["functionName"])

    def look(self, ident: str, hint: Mapping[str, Any]) -> Values | None:
        """GetFunctionEventInvokeConfig."""
        seen = self.aws.client("lambda").get_function_event_invoke_config(FunctionName=ident)
        return {
            "functionName": ident,
            "maximumEventAgeInSeconds": seen.get("MaximumEventAgeInSeconds"),
            "maximumRetryAttempts": seen.get("MaximumRetryAttempts"),
        }

    def update(self, ident: str, old: Values, new: Values, changes: list[Difference]) -> None:
        """The same call again; without the old one, which moto would go on showing."""
        self.aws.client("lambda").delete_function_event_invoke_config(FunctionName=ident)
        self._put(new)

    def delete(self, ident: str, state: Mapping[str, Any]) -> None:
        """DeleteFunctionEventInvokeConfig."""
        self.aws.client("lambda").delete_function_event_invoke_config(FunctionName=ident)

    def _put(self, want: Values) -> None:
        self.aws.client("lambda").put_function_event_invoke_config(
            FunctionName=want["functionName"],
            MaximumRetryAttempts=want["maximumRetryAttempts"],
            **given(MaximumEventAgeInSeconds=want.get("maximumEventAgeInSeconds")),
        )
