"""The plug-in protocol: gRPC ResourceProvider in, calls of a `Kind` out.

The engine sends plain values (accept* = False). Preview never reaches AWS, except for look-ups (Invoke) and Read.
"""

# ruff: noqa: ARG002 (a protocol names the arguments)

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import grpc
from botocore.exceptions import BotoCoreError, ClientError
from google.protobuf import any_pb2, empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2
from pulumi.runtime.rpc import UNKNOWN

from core.errors import CloudError
from local.provider.aws import Aws, Endpoint
from local.provider.checking import Naming, check
from local.provider.invokes import INVOKES
from local.provider.kind import Kind
from local.provider.kinds import KINDS
from local.provider.properties import DEFAULTS, Change, Difference, differences, project, without_ignored
from local.provider.structs import to_plain, to_struct

VERSIONS: Final = {"aws": "7.51.1", "random": "4.21.4"}  # those of the SDKs in requirements.txt
THREADS: Final = 32
MESSAGE_BYTES: Final = 400 << 20
_KINDS = provider_pb2.PropertyDiff.Kind
log = logging.getLogger("pilotlight.provider")


def kind_of(urn: str) -> str:
    """`urn:…::my:Box$aws:ec2/eip:Eip::name` → `aws:ec2/eip:Eip`."""
    return urn.split("::")[2].rsplit("$", maxsplit=1)[-1]


class Provider(provider_pb2_grpc.ResourceProviderServicer):
    """One package's plug-in (`aws` or `random`)."""

    def __init__(self, package: str, endpoint: Endpoint | None, region: str = "us-east-1") -> None:
        """`endpoint` as in `Aws`; `region` until Configure says otherwise."""
        self.package, self.endpoint, self.region = package, endpoint, region
        self.default_tags: dict[str, str] = {}
        self.regions: dict[str, Aws] = {}
        self._lock = threading.Lock()

    # ------------------------------------------------------------ about the plug-in
    def Handshake(self, request: Any, context: Any) -> Any:
        """Nothing to agree on."""
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: Any, context: Any) -> Any:
        """The engine found us by PULUMI_DEBUG_PROVIDERS."""
        return empty_pb2.Empty()

    def Cancel(self, request: Any, context: Any) -> Any:
        """The engine stops; calls under way end by themselves."""
        return empty_pb2.Empty()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        """The version of the real provider that this one stands in for."""
        return plugin_pb2.PluginInfo(version=VERSIONS[self.package])

    def GetSchema(self, request: Any, context: Any) -> Any:
        """Name and version only: programs use the real SDKs."""
        return provider_pb2.GetSchemaResponse(
            schema=f'{{"name":"{self.package}","version":"{VERSIONS[self.package]}"}}'
        )

    def CheckConfig(self, request: Any, context: Any) -> Any:
        """Everything is taken; what has no meaning here is ignored."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        """Another region replaces the provider, and so its resources; nothing else matters."""
        old, new = to_plain(request.olds).get("region"), to_plain(request.news).get("region")
        if not old or not new or old == new:
            return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME, replaces=["region"], diffs=["region"]
        )

    def Configure(self, request: Any, context: Any) -> Any:
        """Region and default tags."""
        values = to_plain(request.args)
        region = values.get("region") or request.variables.get("aws:config:region")
        if region and region != UNKNOWN:
            self.region = region
        tags = values.get("defaultTags")
        self.default_tags = (tags.get("tags") or {}) if isinstance(tags, Mapping) else {}
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    # ------------------------------------------------------------ resources
    def Check(self, request: Any, context: Any) -> Any:
        """Normalised inputs, or what is wrong with them."""
        token = kind_of(request.urn)
        if token not in KINDS:
            reason = f"the embedded cloud has no {token}; it has {', '.join(KINDS)}. Add one in local/provider/"
            return provider_pb2.CheckResponse(failures=[provider_pb2.CheckFailure(reason=reason)])
        name = request.urn.rpartition("::")[2]
        news, olds = to_plain(request.news), to_plain(request.olds)
        inputs, wrong = check(KINDS[token], Naming(name, request.randomSeed), news, olds, self.default_tags)
        failures = [provider_pb2.CheckFailure(property=p, reason=reason) for p, reason in wrong]
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    def Diff(self, request: Any, context: Any) -> Any:
        """What differs, leaf by leaf, and whether it replaces."""
        kind, new = KINDS[kind_of(request.urn)], to_plain(request.news)
        old = to_plain(request.old_inputs) or to_plain(request.olds)
        found = without_ignored(differences(kind.props(), old, new), list(request.ignoreChanges))
        extra = kind.also_replaces(old, new)
        replaces = {d.path[0] for d in found if d.change is Change.REPLACE or d.path[0] in extra}
        answer = provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted({d.path[0] for d in found}),
            replaces=sorted(replaces),
            deleteBeforeReplace=bool(replaces) and _same_own_name(kind, old, new),
            hasDetailedDiff=True,
        )
        for difference in found:
            detail = answer.detailedDiff[difference.text]
            detail.kind, detail.inputDiff = _detail(difference, difference.path[0] in replaces), True
        return answer

    def Create(self, request: Any, context: Any) -> Any:
        """Make it. An error after the id exists is a partial failure: the state keeps what there is."""
        want = to_plain(request.properties)
        kind = self._kind(request.urn, want)
        if request.preview:
            return provider_pb2.CreateResponse(properties=to_struct(_foreseen(kind, want)))
        with self._told(request.urn, context):
            ident = kind.create(want)
        try:
            kind.finish(ident, want)
            outputs = self._outputs(kind, ident, want)
        except (ClientError, BotoCoreError, CloudError) as error:
            _partial(context, ident, want, f"{kind.token}: {error}")
        return provider_pb2.CreateResponse(id=ident, properties=to_struct(outputs))

    def Read(self, request: Any, context: Any) -> Any:
        """Inputs and outputs from the cloud; empty where there is nothing any more."""
        state, inputs = to_plain(request.properties), to_plain(request.inputs)
        kind = self._kind(request.urn, state)
        with self._told(request.urn, context):
            seen = kind.read(request.id, state)
        if seen is None:
            return provider_pb2.ReadResponse()
        found = project(kind.props(), seen, inputs)
        outputs = {**_unread(kind, state), **_region(kind), **seen}
        return provider_pb2.ReadResponse(id=request.id, properties=to_struct(outputs), inputs=to_struct(found))

    def Update(self, request: Any, context: Any) -> Any:
        """Change in place what differs and is not ignored."""
        new, state = to_plain(request.news), to_plain(request.olds)
        old = to_plain(request.old_inputs) or state
        kind = self._kind(request.urn, state)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct({**state, **_public(new)}))
        with self._told(request.urn, context):
            found = without_ignored(differences(kind.props(), old, new), list(request.ignoreChanges))
            if found:
                kind.update(request.id, old, new, found)
            outputs = self._outputs(kind, request.id, _public(new))
            _insist(kind, outputs, new, list(request.ignoreChanges))
        return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        """Remove it."""
        state = to_plain(request.properties)
        with self._told(request.urn, context):
            self._kind(request.urn, state).remove(request.id, state)
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        """A look-up function."""
        if request.tok not in INVOKES:
            reason = f"the embedded cloud has no {request.tok}; it has {', '.join(INVOKES)}. Add it in local/provider/"
            return provider_pb2.InvokeResponse(failures=[provider_pb2.CheckFailure(reason=reason)])
        args = to_plain(request.args)
        with self._told(request.tok, context):
            found = INVOKES[request.tok](self._aws(args.get("region")), args)
        return provider_pb2.InvokeResponse(**{"return": to_struct({**args, **found})})

    # ------------------------------------------------------------ inside
    def _aws(self, region: str | None) -> Aws:
        name = region if region and region != UNKNOWN else self.region
        with self._lock:
            if name not in self.regions:
                self.regions[name] = Aws(name, self.endpoint)
            return self.regions[name]

    def _kind(self, urn: str, values: Mapping[str, Any]) -> Kind:
        return KINDS[kind_of(urn)](self._aws(values.get("region")))

    def _outputs(self, kind: Kind, ident: str, want: dict[str, Any]) -> dict[str, Any]:
        seen = kind.read(ident, want)
        if seen is None:
            raise CloudError(f"{kind.token} {ident} vanished while it was made. Run `pulumi refresh`.")
        return {**_unread(kind, want), **_region(kind), **seen}

    @contextmanager
    def _told(self, what: str, context: Any) -> Iterator[None]:
        """Errors of AWS and ours as one message of the engine; anything else is a defect and keeps its traceback."""
        try:
            yield
        except (ClientError, BotoCoreError, CloudError) as error:
            name = kind_of(what) if what.startswith("urn:") else what
            log.warning("%s: %s", name, error)
            context.abort(grpc.StatusCode.UNKNOWN, f"{name}: {error}")


def _same_own_name(kind: type[Kind], old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """The bridge's rule: a name that the program chose cannot exist twice, so the old resource goes first."""
    name = kind.name_property
    return bool(name) and name not in (new.get(DEFAULTS) or ()) and old.get(name) == new.get(name)


def _detail(difference: Difference, replaces: bool) -> Any:
    name = difference.kind.upper() + ("_REPLACE" if replaces else "")
    return _KINDS.Value(name)


def _public(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in values.items() if not k.startswith("__")}


def _insist(kind: Kind, outputs: Mapping[str, Any], new: Mapping[str, Any], ignore: list[str]) -> None:
    """The cloud must show what it accepted: a stand-in that takes a change and forgets it is not passed over."""
    left = without_ignored(differences(kind.props(), project(kind.props(), outputs, new), new), ignore)
    if left:
        names = ", ".join(d.text for d in left)
        raise CloudError(
            f"the embedded cloud took the change of {names} but does not show it. Replace the resource "
            "(`pulumi up --replace URN`), or teach local/provider/ to say it in a way that moto keeps."
        )


def _region(kind: Kind) -> dict[str, str]:
    return {"region": kind.aws.region} if "region" in kind.props() else {}


def _unread(kind: Kind, values: Mapping[str, Any]) -> dict[str, Any]:
    """What only the program knows; `code` is an archive and cannot be read back as one."""
    names = {name for name, prop in kind.props().items() if prop.unread} | {"code"}
    return {name: values[name] for name in names if name in values}


def _foreseen(kind: Kind, want: Mapping[str, Any]) -> dict[str, Any]:
    """A preview's outputs: the inputs, and unknown for what the cloud will choose."""
    open_names = [*kind.computed, *(n for n, p in kind.props().items() if p.computed)]
    return dict.fromkeys(open_names, UNKNOWN) | _public(want)


def _partial(context: Any, ident: str, want: dict[str, Any], message: str) -> NoReturn:
    known = to_struct(want)
    failure = provider_pb2.ErrorResourceInitFailed(id=ident, properties=known, inputs=known, reasons=[message])
    detail = any_pb2.Any()
    detail.Pack(failure)
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail])
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError("abort raises")


def serve(package: str, host: str, endpoint: Endpoint | None, port: int = 0) -> tuple[Any, int]:
    """Start a plug-in's gRPC server; returns it and its port."""
    options = [("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)]
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(package, endpoint), server)
    bound = server.add_insecure_port(f"{host}:{port}")
    if not bound:
        raise CloudError(f"The provider {package} cannot listen on {host}:{port}. Is another one running there?")
    server.start()
    return server, bound
