"""`fab pin` and `fab unpin`: somebody wants the host on until a time, whether anybody asks or not."""

from __future__ import annotations

import getpass
import socket

from core import durations, moments
from core.errors import SettingsError
from remote.verbs.lease import Front, Record


def pin(at: Front, *, until: str = "", lasts: str = "", why: str = "") -> Record:
    """Pin until a time of the stack's clock (`18:00`) or for a duration (`2h`), and start the host where it is off.

    Returns the lease; `changed` False with `note`: why not. SettingsError: neither, both, or not readable.
    """
    if bool(until) == bool(lasts):
        raise SettingsError("Pin it `--until 18:00` or `--for 2h`: one of the two.")
    when = ("--for", str(durations.parse(lasts))) if lasts else ("--until", str(_moment(at, until)))
    return at.client.call("pin", "--who", who(), "--why", why, *when, "--start", timeout_s=60.0)


def _moment(at: Front, until: str) -> float:
    """By the table's clock, which is the one that ends the pin."""
    return moments.parse(until, at.zone, float(at.client.call("show")["now"]))


def unpin(at: Front) -> Record:
    """End the pin; `changed` False with `note` where there is none."""
    return at.client.call("unpin")


def who() -> str:
    """User and computer."""
    return f"{getpass.getuser()}@{socket.gethostname()}"
