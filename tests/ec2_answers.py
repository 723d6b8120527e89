"""Every answer to a power order that EC2 documents, with its HTTP status and what it means:
`core/capacity/power_errors.py`.

Common client errors, server errors, and the client errors that StartInstances, StopInstances and
ModifyInstanceAttribute can give (https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html);
throttles as botocore knows them; answers without a body, whose code botocore makes of the status.
"""

from __future__ import annotations

from typing import Any, Final

from core.capacity.power_errors import Kind

_CLIENT: Final[dict[Kind, str]] = {
    Kind.QUOTA: "VcpuLimitExceeded InstanceLimitExceeded MaxSpotInstanceCountExceeded VolumeLimitExceeded "
    "MaxIOPSLimitExceeded HostLimitExceeded AddressLimitExceeded NetworkInterfaceLimitExceeded ResourceLimitExceeded",
    Kind.KEY: "InvalidKMSKey.InvalidState Client.InvalidKMSKey.InvalidState InvalidKmsKey.NotFound KMSKeyNotAccessible"
    "Fault KMSAccessDeniedException KmsKeyDisabled CustomerKeyHasBeenRevoked Client.InternalError",
    Kind.TYPE: "Unsupported InvalidInstanceType InvalidInstanceAttributeValue UnsupportedInstanceTypeOnHost "
    "EncryptedVolumesNotSupported",
    Kind.NOT_YET: "IncorrectInstanceState IncorrectState InvalidInstanceState InvalidState IncorrectModificationState "
    "Throttling ThrottlingException ThrottledException EC2ThrottledException RequestThrottled "
    "RequestThrottledException TooManyRequestsException BandwidthLimitExceeded LimitExceededException SlowDown "
    "PriorRequestNotComplete ProvisionedThroughputExceededException TransactionInProgressException "
    "KMSThrottlingException RequestExpired ExpiredToken ExpiredTokenException",
    Kind.UNANSWERED: "RequestTimeout RequestTimeoutException",
    Kind.OTHER: "AuthFailure Blocked DryRunOperation IdempotentParameterMismatch IncompleteSignature InvalidAction "
    "InvalidCharacter InvalidClientTokenId InvalidPaginationToken InvalidParameter InvalidParameterCombination "
    "InvalidParameterValue InvalidQueryParameter MalformedQueryString MissingAction MissingAuthenticationToken "
    "MissingParameter OptInRequired PendingVerification UnauthorizedOperation Client.UnauthorizedOperation "
    "UnknownParameter UnsupportedInstanceAttribute UnsupportedOperation UnsupportedProtocol ValidationError "
    "InvalidInstanceID.NotFound InvalidInstanceID.Malformed OperationNotPermitted IncompatibleHostRequirements "
    "InsufficientFreeAddressesInSubnet InvalidVolume.NotFound InvalidAMIID.Unavailable NobodyKnowsThis 404",
}
_SERVER: Final[dict[Kind, str]] = {
    Kind.CAPACITY: "InsufficientInstanceCapacity Server.InsufficientInstanceCapacity InsufficientHostCapacity "
    "InsufficientReservedInstanceCapacity InsufficientReservedInstancesCapacity InsufficientCapacity "
    "InsufficientCapacityOnHost InsufficientCapacityOnOutpost InsufficientAddressCapacity InsufficientVolumeCapacity",
    Kind.NOT_YET: "RequestLimitExceeded Client.RequestLimitExceeded",
    Kind.UNANSWERED: "InternalError Server.InternalError InternalFailure InternalServerError ServerInternal "
    "KMSInternalException Unavailable ServiceUnavailable ServiceUnavailableException NobodyKnowsThisEither 500 502 503 "
    "504",
}
ANSWERS: Final[tuple[tuple[str, int, Kind], ...]] = (
    *((code, 400, kind) for kind, codes in _CLIENT.items() for code in codes.split()),
    *((code, 500, kind) for kind, codes in _SERVER.items() for code in codes.split()),
    ("NobodyKnowsThisThrottle", 429, Kind.NOT_YET),
    ("429", 429, Kind.NOT_YET),
)
WORDS: Final = "words of EC2's own"


def response(code: str, status: int, words: str = WORDS) -> dict[str, Any]:
    """The answer as botocore's ClientError carries it."""
    return {"Error": {"Code": code, "Message": words}, "ResponseMetadata": {"HTTPStatusCode": status}}
