"""The dashboard's paths. HAProxy lets them in without an API key, within limits of their own (`haproxy.cfg.j2`).

GET shows; POST changes, and only with a session and its token, from a page of ours. Nothing here wakes a host by being
looked at. To add a path: a handler, its route in `add_to`, and the path in HAProxy's list.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from core.contract.documents import RelayConfig
from core.contract.network import FORM_BYTES_MAX, SCHEME_HEADER
from core.errors import PilotlightError
from runtime.backends.leases import StoreUnavailable
from runtime.backends.power import PowerUnanswered
from runtime.gateway.dashboard import pages, show
from runtime.gateway.dashboard.buttons import BUTTONS, Press, lasts_s
from runtime.gateway.dashboard.pages import Parts
from runtime.gateway.dashboard.sessions import SESSION_S, Session, Sessions
from runtime.gateway.dashboard.stream import Streams
from runtime.gateway.dashboard.unit import DashboardUnit
from runtime.gateway.dashboard.usage import UsageReader

log = logging.getLogger(__name__)

COOKIE: Final = "pilotlight_session"
SAID: Final = "pilotlight_said"  # what became of the last button, until the next page
SAID_S: Final = 60
FORM: Final = "application/x-www-form-urlencoded"
SECURITY: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with none at all, a browser would not say where a form comes from
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FILES: Final = {"style.css": "text/css", "live.js": "text/javascript"}
Form = Mapping[str, str]


class Dashboard:
    """The handlers, over the gateway's units and the sessions of operators."""

    def __init__(
        self,
        config: RelayConfig,
        units: Sequence[DashboardUnit],
        sessions: Sessions,
        *,
        usage: UsageReader,
        streams: Streams,
    ) -> None:
        self._units = {unit.name: unit for unit in units}
        self._sessions, self._usage, self._streams = sessions, usage, streams
        self._stack, self._chat_url = config.stack, config.chat_url
        pages.prepare()
        self._static = {name: pages.static(name) for name in _FILES}

    def add_to(self, app: web.Application) -> None:
        """The routes; HAProxy knows `/` and all below `/dashboard/`."""
        app.router.add_get("/", self.page)
        app.router.add_get("/dashboard/events", self.events)
        app.router.add_get("/dashboard/log-in", self.form)
        app.router.add_post("/dashboard/log-in", self.log_in)
        app.router.add_post("/dashboard/log-out", self.log_out)
        app.router.add_post("/dashboard/do", self.do)
        app.router.add_get("/dashboard/{name:style.css|live.js}", self.file)

    def close(self) -> None:
        """The relay ends: open pages connect to the next one."""
        self._streams.close()
        for unit in self._units.values():
            unit.close()

    # ------------------------------------------------------------ what is shown
    async def page(self, request: web.Request) -> web.Response:
        """GET /: the operator's page, or the visitor's."""
        session = self._session(request)
        if session is None:
            parts, busy = self._visitor()
            return _html(pages.visitor(parts, busy=busy))
        parts, busy = await self._operator(session)
        said = self._sessions.unseal(session, request.cookies.get(SAID, ""))
        response = _html(
            pages.operator(
                parts, session, stack=self._stack, chat_url=self._chat_url, busy=busy or bool(said), said=said
            )
        )
        if SAID in request.cookies:
            response.del_cookie(SAID, path="/")
        return response

    async def events(self, request: web.Request) -> web.StreamResponse:
        """GET /dashboard/events: the page's parts as they change."""
        session = self._session(request)
        if self._streams.full(visitor=session is None):
            return _text("Too many pages are open; this one is not kept up to date.", 503, {"Retry-After": "30"})
        look = partial(self._parts_of, request, begun_by=session)
        return await self._streams.serve(request, look, visitor=session is None, headers=SECURITY)

    async def _parts_of(self, request: web.Request, *, begun_by: Session | None) -> Parts | None:
        """None where whoever opened the page is no longer logged in."""
        session = self._session(request)
        if (session is None) != (begun_by is None):
            return None
        return self._visitor()[0] if session is None else (await self._operator(session))[0]

    def _visitor(self) -> tuple[Parts, bool]:
        seen = show.visitor([unit.look() for unit in self._units.values()])
        return pages.visitor_parts(seen), seen.preparing

    async def _operator(self, session: Session) -> tuple[Parts, bool]:
        looks = [(unit, unit.look()) for unit in self._units.values()]
        hosts = [show.host(look, await unit.past(look)) for unit, look in looks]
        busy = any(host.tone == "busy" or host.progress is not None for host in hosts)
        usage = await self._usage.last_day(hosts[0].zone)
        return pages.operator_parts(hosts, usage, session), busy

    async def file(self, request: web.Request) -> web.Response:
        """GET /dashboard/style.css and the script; they change with a deploy only."""
        name = request.match_info["name"]
        headers = {**SECURITY, "Cache-Control": "no-cache"}
        return web.Response(body=self._static[name], content_type=_FILES[name], charset="utf-8", headers=headers)

    # ------------------------------------------------------------ who it is
    def _session(self, request: web.Request) -> Session | None:
        return self._sessions.find(request.cookies.get(COOKIE, ""))

    async def form(self, request: web.Request) -> web.Response:
        """GET /dashboard/log-in."""
        return _see("/") if self._session(request) else _html(pages.log_in())

    async def log_in(self, request: web.Request) -> web.Response:
        """POST /dashboard/log-in with `key`: a session for an operator's key, and nothing for any other."""
        form = await _form(request)
        if isinstance(form, web.Response):
            return form
        session = self._sessions.begin(form.get("key", "").strip())
        if session is None:
            log.info("log-in refused")
            return _html(pages.log_in(wrong="This is no key of an operator. It may be wrong, expired or revoked."), 403)
        log.info("logged in", extra={"facts": {"who": session.name}})
        response = _see("/")
        self._put(request, response, COOKIE, session.cookie, int(SESSION_S))
        return response

    async def log_out(self, request: web.Request) -> web.Response:
        """POST /dashboard/log-out: this browser forgets the session."""
        session, form = self._session(request), await _form(request)
        if isinstance(form, web.Response):
            return form
        if session is not None and not self._sessions.allows(session, form.get("csrf", "")):
            return _stale()
        response = _see("/")
        response.del_cookie(COOKIE, path="/")
        return response

    # ------------------------------------------------------------ what is done
    async def do(self, request: web.Request) -> web.Response:
        """POST /dashboard/do with `unit`, `button`, the session's token, and for a pin how long it lasts."""
        session, form = self._session(request), await _form(request)
        if isinstance(form, web.Response):
            return form
        if session is None:
            return _see("/dashboard/log-in")
        if not self._sessions.allows(session, form.get("csrf", "")):
            return _stale()
        unit, button = self._units.get(form.get("unit", "")), form.get("button", "")
        lasts = lasts_s(form.get("lasts", "")) if button == "pin" else 0.0
        if unit is None or button not in BUTTONS or lasts is None:
            return _text("There is no such button.", 400)
        said = await self._press(unit, button, Press(session.name, lasts))
        response = _see("/")
        self._put(request, response, SAID, self._sessions.seal(session, said), SAID_S)
        return response

    async def _press(self, unit: DashboardUnit, name: str, press: Press) -> str:
        button = BUTTONS[name]
        try:
            answer = await unit.do(lambda operations: button.do(operations, press))
        except (StoreUnavailable, PowerUnanswered, PilotlightError) as error:
            log.warning("button", extra={"facts": {"unit": unit.name, "button": name, "error": str(error)}})
            return f"It could not be done now: {error}"
        facts = {"unit": unit.name, "button": name, "who": press.who, "changed": answer["changed"]}
        log.info("button", extra={"facts": facts})
        return button.said(answer)

    def _put(self, request: web.Request, response: web.Response, name: str, value: str, seconds: int) -> None:
        """A cookie that no script reads and no other site sends."""
        secure = request.headers.get(SCHEME_HEADER) == "https"
        response.set_cookie(name, value, max_age=seconds, path="/", httponly=True, samesite="Strict", secure=secure)


# ---------------------------------------------------------------- requests and answers
async def _form(request: web.Request) -> Form | web.Response:
    """A small form of a page of ours, each field once; else the answer that refuses it."""
    if not _from_here(request):
        return _text("This form was not sent by the dashboard's own page.", 403)
    if request.content_type != FORM or (request.content_length or 0) > FORM_BYTES_MAX:
        return _text(f"A form of at most {FORM_BYTES_MAX} bytes is expected.", 400)
    body = b""
    async for piece in request.content.iter_any():  # a slow connection brings it in several
        body += piece
        if len(body) > FORM_BYTES_MAX:
            return _text(f"A form of at most {FORM_BYTES_MAX} bytes is expected.", 400)
    try:
        return {name: values[-1] for name, values in parse_qs(body.decode(), max_num_fields=10).items()}
    except ValueError:
        return _text("The form cannot be read.", 400)


def _from_here(request: web.Request) -> bool:
    """As far as a browser says; a program that says nothing needs the token all the same."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=SECURITY)


def _text(text: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(text=f"{text}\n", status=status, headers={**SECURITY, **(headers or {})})


def _see(path: str) -> web.Response:
    """After a form: the browser loads `path`, and a reload sends nothing twice."""
    return web.Response(status=303, headers={**SECURITY, "Location": path})


def _stale() -> web.Response:
    return _text("This page is older than your session. Go back, load it again, and try once more.", 403)
