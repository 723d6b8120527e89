"""The codes that are stored, sent and compared: one spelling each, in one place.

Values are part of what others read (leases in the table, notifications, answers to callers): a name may change, a value
may not. A new one: a member here, and a row in docs/operate/troubleshooting.md; a test asks for the row.
"""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """Why a start failed: the lease's `failure`. An EC2 code that has no name here stands there as EC2 spells it."""

    CAPACITY = "capacity"
    QUOTA = "quota"
    KEY = "kms-key"
    TYPE = "unsupported-type"
    START_TIMEOUT = "start-timeout"
    START_REFUSED = "start-refused"
    GONE = "gone"  # the machine was terminated


class Alert(StrEnum):
    """What an operator is told is wrong: a decision's `alert`, the lease's `alerted`, a notification's fact `alert`.

    A failed start is told by its `Failure`.
    """

    BROKEN = "broken"
    BUDGET = "budget"
    CLOCK = "clock"
    COUNTERS = "counters"
    DUPLICATE = "duplicate"
    ENGINE_DEAD = "engine-dead"
    FOREIGN = "foreign"
    GONE = Failure.GONE
    HARD_CAP = "hard-cap"
    HARD_CAP_SOON = "hard-cap-soon"
    LOST = "lost"
    MAX_LEASE = "max-lease"
    MAX_LEASE_SOON = "max-lease-soon"
    NEW = "new"
    PLAIN_BROKEN = "plain-broken"
    PLAIN_REFUSED = "plain-refused"
    PLAIN_STOPPED = "plain-stopped"
    PLAIN_TAG = "plain-tag"
    PRICE = "price"
    REPLACED = "replaced"
    SILENT = "silent"
    TAG = "tag"
    UNREADABLE = "unreadable"


class Writer(StrEnum):
    """Which program wrote a step into a lease: `by` of leases and events. A person stands there by name."""

    AGENT = "agent"
    REAPER = "reaper"
    RELAY = "relay"


class ErrorCode(StrEnum):
    """`error.code` of what the relay answers itself. (HAProxy's own codes stand in its template.)"""

    ASLEEP = "asleep"
    BAD_REQUEST = "bad_request"
    BODIES_FULL = "bodies_full"
    ENGINE_BUSY = "engine_busy"
    ENGINE_CRASHED = "engine_crashed"
    ENGINE_DEAD = "engine_dead"
    ENGINE_ERROR = "engine_error"
    ENGINE_REDIRECTED = "engine_redirected"
    HOST_FAILED = "host_failed"
    INPUT_REFUSED = "input_refused"
    INSUFFICIENT_QUOTA = "insufficient_quota"
    INTERNAL_ERROR = "internal_error"
    INVALID_BODY = "invalid_body"
    INVALID_JSON = "invalid_json"
    INVALID_REQUEST = "invalid_request"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    MISSING_MODEL = "missing_model"
    MODEL_NOT_FOUND = "model_not_found"
    NO_CAPACITY = "no_capacity"
    NOT_DEPLOYED = "not_deployed"
    QUEUE_FULL = "queue_full"
    QUEUE_SHARE = "queue_share"
    REQUEST_TIMEOUT = "request_timeout"
    REQUEST_TOO_LARGE = "request_too_large"
    SESSION_LIMIT = "session_limit"
    TOKENS_PER_DAY = "tokens_per_day"
    UNKNOWN_URL = "unknown_url"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    WAKING = "waking"
