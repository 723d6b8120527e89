"""The provider as the engine drives it, without gRPC and without the engine: for tests under moto's `mock_aws`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
from pulumi.runtime.proto import provider_pb2

from local.provider.server import Provider
from local.provider.structs import to_plain, to_struct

Values = dict[str, Any]


class Refused(Exception):
    """What `context.abort` said."""


class Context:
    """gRPC's context, as far as the provider uses it."""

    def __init__(self) -> None:
        self.metadata: tuple[Any, ...] = ()

    def set_trailing_metadata(self, metadata: tuple[Any, ...]) -> None:
        self.metadata = metadata

    def abort(self, code: grpc.StatusCode, message: str) -> NoReturn:
        raise Refused(message)


def urn(token: str, name: str = "thing") -> str:
    return f"urn:pulumi:dev::lab::my:index:Box${token}::{name}"


@dataclass
class Made:
    """A resource in the state: its id, inputs and outputs."""

    token: str
    ident: str
    inputs: Values
    outputs: Values
    name: str = "thing"


@dataclass
class Driver:
    """Check, Diff, Create, Read, Update and Delete with plain values."""

    provider: Provider
    context: Context = field(default_factory=Context)

    def check(self, token: str, news: Values, olds: Values | None = None, name: str = "thing") -> Values:
        answer = self.provider.Check(
            provider_pb2.CheckRequest(
                urn=urn(token, name), news=to_struct(news), olds=to_struct(olds or {}), randomSeed=name.encode()
            ),
            self.context,
        )
        if answer.failures:
            raise Refused("; ".join(f"{f.property}: {f.reason}" for f in answer.failures))
        return to_plain(answer.inputs)

    def preview(self, token: str, news: Values) -> Values:
        request = provider_pb2.CreateRequest(
            urn=urn(token), properties=to_struct(self.check(token, news)), preview=True
        )
        return to_plain(self.provider.Create(request, self.context).properties)

    def create(self, token: str, news: Values, name: str = "thing") -> Made:
        inputs = self.check(token, news, name=name)
        request = provider_pb2.CreateRequest(urn=urn(token, name), properties=to_struct(inputs))
        answer = self.provider.Create(request, self.context)
        return Made(token, answer.id, inputs, to_plain(answer.properties), name)

    def refresh(self, made: Made) -> Made | None:
        request = provider_pb2.ReadRequest(
            id=made.ident, urn=urn(made.token), inputs=to_struct(made.inputs), properties=to_struct(made.outputs)
        )
        answer = self.provider.Read(request, self.context)
        if not answer.id:
            return None
        return Made(made.token, answer.id, to_plain(answer.inputs), to_plain(answer.properties), made.name)

    def diff(self, made: Made, news: Values, ignore: tuple[str, ...] = ()) -> Any:
        request = provider_pb2.DiffRequest(
            id=made.ident,
            urn=urn(made.token),
            old_inputs=to_struct(made.inputs),
            olds=to_struct(made.outputs),
            news=to_struct(news),
            ignoreChanges=list(ignore),
        )
        return self.provider.Diff(request, self.context)

    def update(self, made: Made, news: Values) -> Made:
        request = provider_pb2.UpdateRequest(
            id=made.ident,
            urn=urn(made.token),
            old_inputs=to_struct(made.inputs),
            olds=to_struct(made.outputs),
            news=to_struct(news),
        )
        answer = self.provider.Update(request, self.context)
        return Made(made.token, made.ident, news, to_plain(answer.properties), made.name)

    def delete(self, made: Made) -> None:
        request = provider_pb2.DeleteRequest(id=made.ident, urn=urn(made.token), properties=to_struct(made.outputs))
        self.provider.Delete(request, self.context)
