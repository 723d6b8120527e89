"""What the relay refuses. One function a refusal; the design's section 8 is the table.

A refusal is raised before the first byte, and becomes a response; after a queued stream's 200 it becomes an event.
What it looks like in the dialect of the path: `shapes.py`.
To add one: a function here, with the status that makes an SDK do the right thing (SDKs retry 408, 409, 429 and 5xx
three times unless `x-should-retry: false`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from core.codes import ErrorCode, Failure
from core.contract.dialects import Dialect
from core.engines import health
from core.times import durations
from runtime.gateway import shapes

RETRY_AFTER_S: Final = 60


class Refusal(Exception):
    """An answer that is not the engine's. `retry_after_s` None: no Retry-After; `should_retry` False: SDKs must not."""

    def __init__(
        self,
        status: int,
        code: ErrorCode,
        message: str,
        *,
        type_: str = "server_error",
        param: str | None = None,
        retry_after_s: int | None = None,
        should_retry: bool = True,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s
        self.should_retry = should_retry
        self.error: dict[str, Any] = {"message": message, "type": type_, "param": param, "code": code}

    def headers(self) -> dict[str, str]:
        """The headers that tell SDKs whether and when to try again."""
        found: dict[str, str] = {}
        if self.retry_after_s is not None:
            # an SDK waits no longer than a minute, and asks again; who is not to try again is told the true time
            found["Retry-After"] = str(
                min(self.retry_after_s, RETRY_AFTER_S) if self.should_retry else self.retry_after_s
            )
        if not self.should_retry:
            found["x-should-retry"] = "false"
        return found

    def body(self, dialect: Dialect = Dialect.OPENAI) -> dict[str, Any]:
        """The refusal as an answer's JSON."""
        return shapes.body(self.error, self.status, dialect)

    def events(self, dialect: Dialect, *, model: str, sent: int = 0) -> bytes:
        """The refusal as the end of a stream that has begun, of which `sent` of the engine's events were passed on."""
        return shapes.events(self.error, self.status, dialect, model=model, sent=sent)


def invalid(message: str, *, code: ErrorCode = ErrorCode.INVALID_REQUEST, param: str | None = None) -> Refusal:
    """400: the body is not what the endpoint takes."""
    return Refusal(400, code, message, type_="invalid_request_error", param=param)


def not_json(detail: str) -> Refusal:
    """400: what cannot be read names no model, so it wakes nothing."""
    return invalid(f"The body must be a JSON object: {detail}", code=ErrorCode.INVALID_JSON)


def unreadable(status: int) -> Refusal:
    """What aiohttp refuses before a handler is asked; HAProxy lets hardly any of it through."""
    return Refusal(status, ErrorCode.BAD_REQUEST, "The request is not valid HTTP.", type_="invalid_request_error")


def unsupported_encoding(encoding: str) -> Refusal:
    """415: HAProxy says the same."""
    message = f"The Content-Encoding of a body may be gzip, deflate or identity, and is {encoding[:40]}."
    return Refusal(415, ErrorCode.UNSUPPORTED_ENCODING, message, type_="invalid_request_error")


def too_slow(limit_s: float) -> Refusal:
    """408: the body did not arrive."""
    message = f"The body did not arrive within {limit_s:.0f} s."
    return Refusal(408, ErrorCode.REQUEST_TIMEOUT, message, type_="invalid_request_error", should_retry=False)


def bodies_full(limit_bytes: int) -> Refusal:
    """429: no room for another body, of this key or at all."""
    message = (
        f"Bodies that arrive or wait take as much memory as they may ({limit_bytes // 2**20} MiB, half of it for one "
        "key). Send this again later."
    )
    return Refusal(429, ErrorCode.BODIES_FULL, message, type_="requests", retry_after_s=5)


def too_large(limit_bytes: int) -> Refusal:
    """413: more body than the relay holds."""
    message = f"The body is longer than {limit_bytes // 2**20} MiB."
    return Refusal(413, ErrorCode.REQUEST_TOO_LARGE, message, type_="invalid_request_error")


def unknown_model(model: str, services: Sequence[str]) -> Refusal:
    """404: names the valid ones."""
    message = f"The model `{model[:80]}` does not exist. Known are: {', '.join(services)}."
    return Refusal(404, ErrorCode.MODEL_NOT_FOUND, message, type_="invalid_request_error", param="model")


def unknown_path(path: str) -> Refusal:
    """404: HAProxy's allow-list and ours differ, or somebody came in by the loopback."""
    return Refusal(404, ErrorCode.UNKNOWN_URL, f"Unknown path {path[:80]}.", type_="invalid_request_error")


def method_not_allowed(detail: str) -> Refusal:
    """405: HAProxy says the same."""
    return Refusal(405, ErrorCode.METHOD_NOT_ALLOWED, detail, type_="invalid_request_error")


def internal() -> Refusal:
    """500: a defect of ours."""
    return Refusal(500, ErrorCode.INTERNAL_ERROR, "The relay made an error. Its log says which: fab logs.")


def asleep(why: str) -> Refusal:
    """503 for calls that do not wake: background calls, and a relay that may not wake."""
    return Refusal(503, ErrorCode.ASLEEP, why, should_retry=False)


def not_deployed(unit: str) -> Refusal:
    """503: there is no lease."""
    stack = unit.split("/", maxsplit=1)[0]
    message = f"No lease for {unit}. Is it deployed? Run `fab deploy -s {stack}`."
    return Refusal(503, ErrorCode.NOT_DEPLOYED, message, should_retry=False)


def waking(state: str, eta_s: float | None) -> Refusal:
    """503 after a wait as long as `queue_timeout_s`: still not awake, come back."""
    left = f"; about {max(1, round(eta_s))} s left" if eta_s is not None else ""
    after = RETRY_AFTER_S if eta_s is None else max(1, round(eta_s))
    return Refusal(503, ErrorCode.WAKING, f"The host is not awake yet (it is {state}){left}.", retry_after_s=after)


def restarting() -> Refusal:
    """503: this relay ends (a deploy); its successor is there in a second."""
    return Refusal(503, ErrorCode.WAKING, "The relay is restarting.", retry_after_s=1)


def queue_full(limit: int) -> Refusal:
    """429: as many callers wait as the relay holds."""
    message = f"{limit} requests wait at this gateway already, as many as may (gateway.queueMax)."
    return Refusal(429, ErrorCode.QUEUE_FULL, message, type_="requests", retry_after_s=RETRY_AFTER_S)


def queue_share(places: int) -> Refusal:
    """429: the queue is full, and another caller has fewer places."""
    message = (
        f"The queue is full (gateway.queueMax), and {places} of its places were yours: the newest one went to a caller "
        "who has fewer. Send this again later."
    )
    return Refusal(429, ErrorCode.QUEUE_SHARE, message, type_="requests", retry_after_s=RETRY_AFTER_S)


def engine_busy(ahead: int) -> Refusal:
    """503: the host is awake, and this request waited for its turn as long as is allowed."""
    message = f"The engine is busy with others' requests, and {ahead} wait before this one. Send it again later."
    return Refusal(503, ErrorCode.ENGINE_BUSY, message, retry_after_s=RETRY_AFTER_S)


def input_refused(found: Sequence[str]) -> Refusal:
    """400: names what must not be in a request, and never what it was."""
    message = f"This service takes no request with: {', '.join(found)}. Take that out and send it again."
    return Refusal(400, ErrorCode.INPUT_REFUSED, message, type_="invalid_request_error", param="messages")


def shaped_body_too_large(limit_bytes: int) -> Refusal:
    """413: a shaped service reads a request as a whole."""
    message = f"This service changes or checks requests, so it takes no body longer than {limit_bytes // 2**10} KiB."
    return Refusal(413, ErrorCode.REQUEST_TOO_LARGE, message, type_="invalid_request_error")


def too_long_to_summarize(length: int, limit: int) -> Refusal:
    """413: more parts than are read for one request."""
    message = f"The text has {length} characters; this service summarizes texts of about {limit} at most."
    return Refusal(413, ErrorCode.REQUEST_TOO_LARGE, message, type_="invalid_request_error", param="messages")


def session_limit(used: int, limit: int) -> Refusal:
    """429 that no later try changes: a new session does."""
    message = f"This session has used {used} of its {limit} tokens. Begin a new chat."
    return Refusal(429, ErrorCode.SESSION_LIMIT, message, type_="tokens", should_retry=False)


def shaped_chat_only(service: str) -> Refusal:
    """400: what is added and checked is a chat's."""
    message = f"The service `{service}` answers POST /v1/chat/completions only."
    return invalid(message, param="model")


def tokens_spent(limit: int, used: int, held: int, needed: int, reset_s: float) -> Refusal:
    """429: a key's tokens of the day. `used` are spent, `held` belong to its requests in flight, `needed` is what this
    one could take. Where those in flight may leave enough, it is worth another try.
    """
    left = durations.show(reset_s)
    when = f"The limit is {limit} tokens a day (tokens-per-day of this key); it resets at 00:00 UTC, in {left}."
    if used + needed <= limit:
        message = (
            f"{used} tokens are used and {held} are reserved for requests in flight; this one may take {needed}. "
            f"{when} Try again when one of them has ended, or ask for a smaller max_tokens."
        )
        return Refusal(429, ErrorCode.TOKENS_PER_DAY, message, type_="tokens", retry_after_s=5)
    message = f"{used} tokens are used, and this request may take {needed}. {when}"
    if used < limit:
        message += f" {limit - used} are left: a shorter prompt or a smaller max_tokens may fit."
    until = max(1, round(reset_s))
    return Refusal(429, ErrorCode.TOKENS_PER_DAY, message, type_="tokens", retry_after_s=until, should_retry=False)


def no_capacity() -> Refusal:
    """503 without Retry-After: the cloud has no such machine now, and nothing says when."""
    message = f"The cloud has no capacity for this host now. It is tried again while requests come. {_TO_OPERATOR}"
    return Refusal(503, ErrorCode.NO_CAPACITY, message, should_retry=False)


def budget_spent(until: float, now: float) -> Refusal:
    """429 as OpenAI says it: no money, so no retry; the reset is the budget's, not a limit of rate."""
    when = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M} UTC"
    message = (
        f"The budget is spent, so the host is not started. It resets at {when} (in {durations.show(until - now)})."
    )
    return Refusal(429, ErrorCode.INSUFFICIENT_QUOTA, message, type_="insufficient_quota", should_retry=False)


# Why a host cannot be started, by the lease's `failure`. The lease's `reason` has the cloud's own words (account ids,
# names of roles and keys): those are for the operator (lease, `fab status`, notifications), never for callers.
_WHY: Final[Mapping[str, str]] = {
    Failure.QUOTA: "a quota of its cloud account is used up",
    Failure.KEY: "its disk is encrypted with a key that may not be used",
    Failure.TYPE: "its machine type is not available",
    Failure.START_TIMEOUT: "it did not get ready in time",
    Failure.START_REFUSED: "its machine stopped again after each start",
    Failure.GONE: "its machine no longer exists",
}
_TO_OPERATOR: Final = "Its operator sees the cause with `fab status`."


def host_failed(failure: str) -> Refusal:
    """503: the cloud refused the start for a reason that waiting does not mend. `failure` is the lease's code."""
    why = _WHY.get(failure, "the cloud refused the start")
    return Refusal(503, ErrorCode.HOST_FAILED, f"The host cannot be started: {why}. {_TO_OPERATOR}", should_retry=False)


def engine_dead(engine: str, silent_s: float) -> Refusal:
    """503: the host is awake, and the engine that answers this model is not."""
    message = (
        f"The host is running, but {health.words(engine, silent_s)}. It is being restarted; if that does not help, the "
        "host is turned off, and the next request starts it again."
    )
    return Refusal(503, ErrorCode.ENGINE_DEAD, message, retry_after_s=RETRY_AFTER_S)


def engine_crashed(detail: str) -> Refusal:
    """502: the request reached the engine and is never sent again."""
    message = f"The engine ended the connection before the answer was complete ({detail}). It was not sent again."
    return Refusal(502, ErrorCode.ENGINE_CRASHED, message)


def sent_before() -> Refusal:
    """502: HAProxy sent a request again whose relay was killed after it may have reached the engine."""
    message = "The relay ended while the engine had this request. It was not sent again."
    return Refusal(502, ErrorCode.ENGINE_CRASHED, message)


def engine_redirected(status: int) -> Refusal:
    """502: HAProxy says the same where the engine is reached without the relay. Where it points stays with us."""
    message = f"The engine answered with a redirect ({status}), which is not followed."
    return Refusal(502, ErrorCode.ENGINE_REDIRECTED, message, should_retry=False)
