"""What an answer of EC2 to a power order means: one table for the reaper, the relay and `fab`. Pure.

Seven kinds, by what helps. Capacity: waiting, or another type. Quota, key, type: a person, and `fix` says what to do.
Not yet (throttled, still stopping) and unanswered (5xx, a time-out): the same order once more; the lease stays in
STARTING, and the order does not count (`core.lease.not_now`). Other: a person, with EC2's own words.
To know another code: its place in `_CODES`, a row in `tests/core/capacity/test_power_errors.py`.
Codes: https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (common and server errors, and those
that StartInstances, StopInstances and ModifyInstanceAttribute can give), botocore's `retries/standard.py` (throttles),
and, for a machine that falls back to `stopped`, the codes of StateReason
(https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_StateReason.html).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from core.codes import Failure


class Kind(StrEnum):
    """What an answer is about; the first four are failures of a start that have a name."""

    CAPACITY = Failure.CAPACITY
    QUOTA = Failure.QUOTA
    KEY = Failure.KEY
    TYPE = Failure.TYPE
    NOT_YET = "not-yet"  # EC2 did not take the order, and may take the next one
    UNANSWERED = "unanswered"  # whether EC2 took the order is not known
    OTHER = "other"


PASSING: Final = frozenset({Kind.NOT_YET, Kind.UNANSWERED})  # never a failure: the order is repeated
_NAMED: Final = frozenset({Kind.CAPACITY, Kind.QUOTA, Kind.KEY, Kind.TYPE})
_BY_KIND: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.CAPACITY: (
        "InsufficientInstanceCapacity",
        "InsufficientHostCapacity",
        "InsufficientReservedInstanceCapacity",
        "InsufficientReservedInstancesCapacity",
        "InsufficientCapacity",
        "InsufficientCapacityOnHost",
        "InsufficientCapacityOnOutpost",
        "InsufficientAddressCapacity",
        "InsufficientVolumeCapacity",
    ),
    Kind.QUOTA: (
        "VcpuLimitExceeded",
        "InstanceLimitExceeded",
        "MaxSpotInstanceCountExceeded",
        "VolumeLimitExceeded",
        "MaxIOPSLimitExceeded",
        "HostLimitExceeded",
        "AddressLimitExceeded",
        "NetworkInterfaceLimitExceeded",
        "ResourceLimitExceeded",
    ),
    # Only a StateReason has the first: "Client error on launch". Documented for a disk whose key EC2 may not use:
    # https://repost.aws/knowledge-center/kms-iam-ec2-permission
    Kind.KEY: ("Client.InternalError", "CustomerKeyHasBeenRevoked"),
    Kind.TYPE: (
        "Unsupported",
        "InvalidInstanceType",
        "InvalidInstanceAttributeValue",
        "UnsupportedInstanceTypeOnHost",
        "EncryptedVolumesNotSupported",
    ),
    Kind.NOT_YET: (
        "IncorrectInstanceState",
        "IncorrectState",
        "InvalidInstanceState",
        "InvalidState",
        "IncorrectModificationState",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "EC2ThrottledException",
        "KMSThrottlingException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "ProvisionedThroughputExceededException",
        "TransactionInProgressException",
        "SlowDown",
        "PriorRequestNotComplete",
        "RequestExpired",  # the credentials are about to be renewed, or a clock is
        "ExpiredToken",
        "ExpiredTokenException",
    ),
    Kind.UNANSWERED: (
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "KMSInternalException",
        "ServerInternal",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "Unavailable",
        "RequestTimeout",
        "RequestTimeoutException",
    ),
}
_CODES: Final = {code: kind for kind, codes in _BY_KIND.items() for code in codes}
_SIDES: Final = ("Client.", "Server.")  # StateReason's codes say whose fault it is
_KEY_PREFIXES: Final = ("InvalidKMSKey", "InvalidKmsKey", "KMS", "Kms")
_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500
_FIXES: Final[dict[Kind, str]] = {
    Kind.QUOTA: "This is a quota of the account, not capacity: ask for more under Service Quotas, Amazon EC2 (running "
    "On-Demand G and VT instances counts vCPUs), or stop other instances",
    Kind.KEY: "EC2 may not use the disk's KMS key: enable the key, or undo its deletion, and let its key policy grant "
    "the roles of the reaper and the gateway kms:CreateGrant for EC2; CloudTrail's event CreateGrant says what was "
    "refused",
    Kind.TYPE: "The zone or the image does not take this type: name another one in host.instanceTypes of the stack "
    "file and run `pulumi up`, then `fab deploy`",
}


def kind(code: str, status: int = 0) -> Kind:
    """What a code of EC2 is about, with or without `Client.` or `Server.` before it.

    `status` is the HTTP status, 0 where it is not known. The code decides first: EC2 says "no capacity" with a 500.
    """
    if code in _CODES:
        return _CODES[code]
    bare = code
    for side in _SIDES:
        bare = bare.removeprefix(side)
    if bare in _CODES:
        return _CODES[bare]
    if bare.startswith(_KEY_PREFIXES):
        return Kind.KEY
    status = int(bare) if bare.isdecimal() else status  # an answer without a body: botocore's code is the status
    if status == _TOO_MANY_REQUESTS:
        return Kind.NOT_YET
    return Kind.UNANSWERED if status >= _SERVER_ERROR else Kind.OTHER


def kind_of_words(state_reason: str) -> Kind:
    """What EC2's StateReason ("Server.InsufficientInstanceCapacity: …") is about; it is no answer to a call, so that
    an internal error of EC2's is `OTHER`: the order was taken, and counts.
    """
    code, colon, _ = state_reason.partition(":")
    found = kind(code.strip()) if colon else Kind.OTHER
    return Kind.OTHER if found in PASSING else found


def failure(code: str) -> str:
    """The lease's `failure` for a refusal: the kind where it has a name, else EC2's own code."""
    of = kind(code)
    return of.value if of in _NAMED else code


def fix(of: Kind) -> str:
    """What a person can do about it, as one sentence without a full stop; "" where only time helps."""
    return _FIXES.get(of, "")


def with_fix(words: str, of: Kind) -> str:
    """EC2's words and what to do about them."""
    return f"{words.rstrip('.')}. {fix(of)}" if fix(of) else words
