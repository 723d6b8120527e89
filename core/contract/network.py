"""Ports, names and limits of what is reached over the network: HAProxy, relay, engines, chat page."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

# ---------------------------------------------------------------- ports
API_PORT: Final = 8000  # callers → HAProxy, OpenAI-compatible API
CHAT_PORT: Final = 3000  # callers → HAProxy, chat page
API_LOCAL_PORT: Final = 8001  # the chat page and `fab deploy`'s check → HAProxy, the API without TLS; private addresses
HTTPS_PORT: Final = 443  # with a domain: the chat page again, for who types the bare name
HTTP_PORT: Final = 80  # with a domain: sends callers on to TLS, and the certificate authority's challenges
SSH_PORT: Final = 22
ENGINE_PORT_FIRST: Final = 8100  # engines on the host: first, first+1, … in the order of the stack file
ENGINE_PORT_LAST: Final = 8115
# On the gateway's loopback: HAProxy → the relays, by name. Each is a unit of its own (ADR 29)
RELAY_PORTS: Final = MappingProxyType({"a": 9100, "b": 9102})
# what a relay sees, for programs on its machine
RELAY_HEALTHS: Final = tuple(f"http://127.0.0.1:{port}/health" for port in RELAY_PORTS.values())
INNER_PORT: Final = 9101  # on the gateway's loopback: relay → HAProxy → engine, never back to a relay
HAPROXY_METRICS_PORT: Final = 9105  # on the gateway's loopback
ACME_PORT: Final = 9110  # on the gateway's loopback: HAProxy → certbot, only while it asks for a certificate
WEBUI_PORT: Final = 3001  # HAProxy → Open WebUI: on the gateway's loopback, or on the host for the gateway alone
# ---------------------------------------------------------------- the chat page (Open WebUI)
WEBUI_TASK_HEADER: Final = "X-OWUI-Task"  # on each call of the page: a background call's kind, "" for a person's chat
WEBUI_CHAT_HEADER: Final = "X-OWUI-Chat"  # the chat's id: whoever sends it is shown status lines
WEBUI_KEY: Final = "webui"  # the name of the page's own API key: no person holds it
CHECK_KEY: Final = "deploy-check"  # lives in the running HAProxy for as long as `fab deploy` proves its work
TASK_KEYS: Final = (WEBUI_KEY, CHECK_KEY)  # whose WEBUI_TASK_HEADER is believed: a background call is not shaped
WEBUI_HEALTH: Final = "/health"  # the path at which it says that it is well
WEBUI_FILES: Final = "/api/v1/files"  # where its browser part uploads
WEBUI_BANNERS: Final = "/api/v1/configs/banners"  # what it shows above an empty chat; the relay puts the host's before
# ---------------------------------------------------------------- who calls: HAProxy tells the relay, callers cannot
KEY_HEADER: Final = "x-pilotlight-key"  # the key's name; never the key
USER_HEADER: Final = "x-pilotlight-user"  # who sits at the chat page, by its own key alone
QUIET_HEADER: Final = "x-pilotlight-quiet"  # there: the key is one that wakes nothing
API_KEY_HEADER: Final = "x-api-key"  # a key may stand here instead of in Authorization, as Anthropic has it
WEBUI_USER_HEADERS: Final = "X-OpenWebUI-"  # the page's own headers about who asks begin so
WEBUI_USER_HEADER: Final = f"{WEBUI_USER_HEADERS}User-Id"  # the account; a UUID
SCHEME_HEADER: Final = "x-pilotlight-scheme"  # "https" where the caller's connection to HAProxy is encrypted
# ---------------------------------------------------------------- shaped services (docs/services.md)
SESSION_HEADER: Final = "X-Session-Id"  # by callers: the session whose tokens `sessionTokens` counts
CACHE_HEADER: Final = "x-pilotlight-cache"  # in answers: hit, shared (with an equal request), miss
SHAPED_BYTES_MAX: Final = 2**20  # of a request's body: it is read as a whole in the relay's event loop
# ---------------------------------------------------------------- HAProxy names
BACKEND_RELAY: Final = "relay"  # value in routes.map that means: a relay takes it
RELAY_READY: Final = "/ready"  # of a relay: 200 where it takes new requests, 503 where it is about to end
RELAY_READY_FALL: Final = 2  # so many answers that are not 200, and HAProxy sends no new requests
ENGINE_HEADER: Final = "x-pilotlight-engine"  # from a relay to the inner frontend: which engine
NOT_SENT_HEADER: Final = "x-pilotlight-not-sent"  # and back: no byte of the request reached it
REQUEST_ID_HEADER: Final = "x-pilotlight-request"  # to a relay: the same where HAProxy sends a request again
SERVER_ACME: Final = "acme/certbot"  # backend/server; enabled only while a certificate is asked for
ACME_PATH: Final = "/.well-known/acme-challenge/"  # RFC 8555, 8.3
# who is on this machine or in its private network (RFC 1918, 6598); the security group keeps the internet out
PRIVATE_NETWORKS: Final = ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")


def backend_engine(engine: str) -> str:
    """HAProxy's backend for an engine; also the value in routes.map that opens the route."""
    return f"engine_{engine}"


# ---------------------------------------------------------------- the front door's limits (ADR 17)
API_CONNECTIONS_MAX: Final = 4000  # of callers; HAProxy holds the other frontends' connections apart
INNER_CONNECTIONS_MAX: Final = 4000  # relay → engines: as many as callers, so that none of them waits for another
CHAT_CONNECTIONS_MAX: Final = 1000  # of browsers
CHAT_SOURCE_CONNECTIONS_MAX: Final = 500  # of one address
METRICS_CONNECTIONS_MAX: Final = 100
PLAIN_CONNECTIONS_MAX: Final = 100  # of port 80
SOURCE_CONNECTIONS_MAX: Final = 2000  # of one address; an office behind NAT is one
STRANGER_CONNECTIONS_MAX: Final = 200  # of one address from which no valid key came within an hour
KEY_REQUESTS_MAX: Final = 1500  # in flight, waiting ones too; under a source's, so that the answer is a 429
USER_REQUESTS_MAX: Final = 100  # in flight, of one person at the chat page; all of them share the page's key
RATE_WINDOW_S: Final = 60  # a key's requests a minute are counted by the clock's minutes
KEY_MEMORY_S: Final = 24 * 86400  # HAProxy remembers a key's last use so long; its timers go to 24.8 days
ENGINE_CONNECTIONS_MAX: Final = 512  # to one engine, by each way: straight, and from the relay
RELEASED_MAX: Final = 128  # of those: of each relay, requests that waited; vLLM runs 256 at a time by default
QUEUE_LIMIT: Final = 1000  # of gateway.queueMax: one key may fill the queue and still be answered
PAGES_A_MINUTE_MAX: Final = 120  # of the dashboard, with its forms, from one address
LOG_INS_A_MINUTE_MAX: Final = 10  # tries, from one address
FORM_BYTES_MAX: Final = 4096  # of the dashboard's forms
URL_BYTES_MAX: Final = 8000
HEADERS_BYTES_MAX: Final = 64 * 2**10  # names and values together
HEADERS_MAX: Final = 100
HEADERS_WAIT_S: Final = 10  # for all headers of a request, from its first byte or the connection's begin
BODY_WAIT_S: Final = 30  # for the begin of its body, as much as tells the model
BODY_BYTES_MAX: Final = 32 * 2**20
CHUNKED_BYTES_MAX: Final = 16 * 2**10  # a longer body without Content-Length goes by way of the relay
TLS_SILENCE_S: Final = 60  # of a caller who owes bytes: a handshake, a body, or the reading of an answer
SILENCE_MAX_S: Final = 3600  # of an engine that owes an answer, or of a caller: then the connection is cut
HSTS_S: Final = 180 * 86400  # a browser asks for TLS by itself for so long
CHAT_BODY_BYTES_MAX: Final = 64 * 2**20  # of a file that somebody uploads; Open WebUI takes it in before it asks who
