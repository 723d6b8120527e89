"""The cloud's one URL: moto's whole server, with counters, faults and the control endpoints in front.

Every request is signed with credentials that the cloud handed out (`credentials.py`), or it is answered 403.
`/_pilotlight/status` (GET), `/_pilotlight/calls` (GET; DELETE sets to zero), `/_pilotlight/fault` (GET, POST, DELETE).
moto checks and writes in separate steps, so two conditional writes at the same time could both win: calls to one
service are served one after the other. Lambda's Invoke is not: it may take minutes and calls the other services.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from core.errors import CloudError
from local.cloud import faults, signatures, wire
from local.cloud.credentials import Credentials, Holder, may
from local.cloud.faults import Call, FaultBoard
from local.cloud.signatures import Denied

CONTROL: Final = "/_pilotlight/"
_MOTO_PAGES: Final = ("/moto-api", "/latest/")
_TOGETHER: Final = {"sns": "sqs"}  # served as one: SNS puts messages into queues, within its own calls
_JSON: Final = [("Content-Type", "application/json")]
Start = Callable[..., Any]


class QuietHandler(MotoRequestHandler):
    """moto's request handler without a log line for every request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Nothing: the counters say what was called."""

    def address_string(self) -> str:
        """The caller's address, without asking DNS for its name."""
        return str(self.client_address[0])


class Calls:
    """How often each call was made, by whom, and when last. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last: dict[str, float] = {}

    def count(self, call: Call) -> None:
        """One more."""
        with self._lock:
            self._counts[call.source, call.name] += 1
            self._last[call.name] = time.time()

    def clear(self) -> None:
        """From zero again."""
        with self._lock:
            self._counts.clear()
            self._last.clear()

    def report(self) -> dict[str, Any]:
        """{"total": {call: n}, "by_source": {address: {call: n}}, "last": {call: seconds since 1970}}."""
        with self._lock:
            counts, last = dict(self._counts), dict(self._last)
        total: Counter[str] = Counter()
        sources: dict[str, dict[str, int]] = defaultdict(dict)
        for (source, name), number in sorted(counts.items()):
            total[name] += number
            sources[source][name] = number
        return {"total": dict(total), "by_source": sources, "last": last}


class Front:
    """The WSGI application."""

    def __init__(
        self,
        board: FaultBoard,
        find: Callable[[str], Credentials | None],
        status: Callable[[], Mapping[str, Any]],
        lookup: wire.Lookup,
        crash: Callable[[str], None],
    ) -> None:
        self._board = board
        self._find = find
        self._crash = crash
        self._status = status
        self._lookup = lookup
        self._calls = Calls()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._locks: dict[str, threading.RLock] = defaultdict(threading.RLock)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Serve one request, if somebody signed it who may make it."""
        try:
            signer = signatures.signer(environ, self._find, dt.datetime.now(dt.UTC))
            if environ["PATH_INFO"].startswith(CONTROL):
                return _send(start, self._control_for(signer, environ))
            call = wire.read_call(environ, self._lookup)
            _allow(signer, call, environ["PATH_INFO"])
        except Denied as denied:
            return _send(start, wire.denial(environ, denied, str(uuid.uuid4())))
        self._calls.count(call)
        fault = self._board.take(call)
        if fault is None:
            return self._serve(call, environ, start)
        if fault.applied:
            self._serve(call, environ, lambda *_args, **_kwargs: None)
        if fault.crash:
            self._crash(call.source.removeprefix("lambda:"))
        return _send(start, wire.refusal(call, fault, str(uuid.uuid4())))

    def _serve(self, call: Call, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        if call.name == "lambda:Invoke":
            return list(self._moto.get_application(environ)(environ, start))
        with self._locks[_TOGETHER.get(call.service, call.service)]:
            return list(self._moto.get_application(environ)(environ, start))

    def _control_for(self, signer: signatures.Signer, environ: dict[str, Any]) -> wire.Answer:
        if signer.credentials.holder is not Holder.COMPUTER or signer.service != signatures.CONTROL_SERVICE:
            raise Denied("AccessDenied", f"{CONTROL} is for this computer only")
        return self._control(environ)

    def _control(self, environ: dict[str, Any]) -> wire.Answer:
        name, method = environ["PATH_INFO"].removeprefix(CONTROL), environ["REQUEST_METHOD"]
        body = signatures.read_body(environ)
        try:
            found = self._controls().get((name, method))
            if found is None:
                return "404 Not Found", _JSON, json.dumps({"error": f"no {method} {CONTROL}{name}"}).encode()
            return "200 OK", _JSON, json.dumps(found(body), default=str).encode()
        except (CloudError, ValueError, TypeError) as error:
            return "400 Bad Request", _JSON, json.dumps({"error": str(error)}).encode()

    def _controls(self) -> dict[tuple[str, str], Callable[[bytes], Any]]:
        return {
            ("status", "GET"): lambda _: self._status(),
            ("calls", "GET"): lambda _: self._calls.report(),
            ("calls", "DELETE"): lambda _: self._calls.clear(),
            ("fault", "GET"): lambda _: self._board.waiting(),
            ("fault", "POST"): lambda body: self._board.put(faults.parse(json.loads(body))),
            ("fault", "DELETE"): lambda _: self._board.clear(),
        }


def _allow(signer: signatures.Signer, call: Call, path: str) -> None:
    """Denied where the holder may not make the call, and for moto's own pages, which could empty the cloud."""
    holder = signer.credentials.holder
    if path.startswith(_MOTO_PAGES) or not may(holder, call.service, call.action):
        raise Denied("AccessDenied", f"a {holder} of the embedded cloud may not call {call.name}")


def _send(start: Start, answer: wire.Answer) -> list[bytes]:
    status, headers, body = answer
    start(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]


def serve(host: str, port: int, app: Any) -> BaseWSGIServer:
    """A listening server on its own thread. CloudError where the port is taken."""
    try:
        server = make_server(host, port, app, threaded=True, request_handler=QuietHandler)
    except (OSError, SystemExit) as error:
        raise CloudError(
            f"Port {port} on {host} is in use ({error}). See who: `ss -ltnp 'sport = :{port}'`."
        ) from error
    threading.Thread(target=server.serve_forever, name=f"http-{port}", daemon=True).start()
    return server
