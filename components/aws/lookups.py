"""Looking things up in AWS while the program runs: the answer, or one message that says why there is none.

A question that the stack cannot do without is `required`. One that only feeds a check is `if_allowed`: where AWS
refuses to tell, a warning takes the check's place. The SDK raises bare Exceptions with the provider's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final, TypeVar

import pulumi

from core.errors import SettingsError

T = TypeVar("T")


class Reason(StrEnum):
    """Why there is no answer."""

    REFUSED = "refused"  # the caller may not ask
    STRANGER = "stranger"  # AWS does not know the caller
    OTHER = "other"  # most often: there is no such thing


# Error codes of the EC2 API reference ("Common client errors"), of AWS's common errors, and of IAM's own sentence
_REFUSED: Final = re.compile(r"UnauthorizedOperation|AccessDenied|not authorized to perform|explicit deny")
_STRANGER: Final = re.compile(
    r"AuthFailure|ExpiredToken|RequestExpired|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch"
    r"|[Nn]o (valid )?credential|unable to validate AWS credentials|failed to refresh cached credentials"
)


class Refused(SettingsError):
    """AWS knows the caller and does not let them ask."""


def reason(words: str) -> Reason:
    """What an error's words are about."""
    if _STRANGER.search(words):
        return Reason.STRANGER
    return Reason.REFUSED if _REFUSED.search(words) else Reason.OTHER


def required(question: Callable[[], T], what: str, permission: str, otherwise: str = "") -> T:
    """The answer. Refused or SettingsError with what was looked for; `otherwise` is a way around, a sentence."""
    try:
        return question()
    except Exception as error:
        raise _no_answer(str(error), what, permission, otherwise) from error


def if_allowed(question: Callable[[], T], what: str, permission: str, consequence: str) -> T | None:
    """The answer; None and a warning where AWS refuses to tell. SettingsError where there is no such thing."""
    try:
        return required(question, what, permission)
    except Refused as refused:
        pulumi.log.warn(f"{refused} {consequence}")
        return None


def if_answered(question: Callable[[], T], what: str, permission: str, consequence: str) -> T | None:
    """The answer; None and a warning for whatever reason there is none."""
    try:
        return required(question, what, permission)
    except SettingsError as error:
        pulumi.log.warn(f"{error} {consequence}")
        return None


def _no_answer(words: str, what: str, permission: str, otherwise: str) -> SettingsError:
    match reason(words):
        case Reason.REFUSED:
            around = f" {otherwise}" if otherwise else ""
            return Refused(f"AWS refused to tell {what}: you are not allowed {permission}.{around} AWS says: {words}")
        case Reason.STRANGER:
            return SettingsError(
                f"AWS does not accept your credentials, so it did not tell {what}. Run `aws sso login` or "
                f"`aws configure`; `aws sts get-caller-identity` shows who you are. AWS says: {words}"
            )
        case _:
            return SettingsError(f"AWS did not find {what}: {words}")
