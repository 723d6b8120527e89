"""One tree of errors. A command prints `str(error)` without a traceback and exits with 1.

A message says what happened, the offending value, and what is allowed or the next command to run.
"""

from __future__ import annotations

from collections.abc import Sequence


class PilotlightError(Exception):
    """Base of every error that a user can cause or mend. `str()` of it is the whole message."""

    @property
    def line(self) -> str:
        """The message in one line, for a cell of a table."""
        return str(self).splitlines()[0]


class SettingsError(PilotlightError):
    """A stack file holds a wrong value. The message names the path, the value and what is allowed.

    `keys`: of a message with several lines, the setting that each is about.
    """

    def __init__(self, message: str, keys: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keys = tuple(keys)

    @property
    def line(self) -> str:
        """The message in one line: the first, and the settings that it announces."""
        return " ".join([super().line, ", ".join(self.keys)]).rstrip()


class ContractError(PilotlightError):
    """A JSON document between deploy time and run time has a wrong shape or an unknown `schema_version`."""


class LeaseError(PilotlightError):
    """A lease item cannot be read: written by a newer version, or with missing fields."""


class SetupError(PilotlightError):
    """Something this computer needs is missing; the message holds the command that brings it."""


class CertificateError(PilotlightError):
    """The gateway's certificate could not be had, or HAProxy refused it."""


class CloudError(PilotlightError):
    """The embedded cloud cannot do what was asked."""


class DeployError(PilotlightError):
    """A machine could not be brought to the wanted state."""
