"""What `fab deploy` was asked for, and what it did: for programs, for people, and as an exit code."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

# Of `--plan`. 1 is any command's failure
WOULD_CHANGE: Final = 2
HOST_UNKNOWN: Final = 3


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    plan: bool = False
    key_file: Path | None = None
    password_file: Path | None = None


@dataclass
class Report:
    """What was done.

    `changes` are the steps in words, `diffs` what they would do to files (`machine`, `what`, `lines`), `api_key` only
    where a key was made and no file took it. `host_read` False: the host stays off, and nobody knows what it
    would change; with `lease` "" it does not answer, and the gateway cannot tell yet whether it is off.
    `chat_url` is "" without a chat page; `admin_password` is there only where its first account was
    made now, with a password of ours that no file took. `redirect_url` is what the
    provider of single sign-on must know, where its secret changed.
    """

    stack: str
    api_url: str
    changes: list[str] = field(default_factory=list)
    diffs: list[dict[str, Any]] = field(default_factory=list)  # of a plan
    host_read: bool = True
    lease: str = ""
    api_key: str = ""
    key_file: str = ""
    chat_url: str = ""
    admin_email: str = ""
    admin_password: str = ""
    admin_password_file: str = ""
    redirect_url: str = ""
    took_s: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """For `--json` (docs/json.md); what was not made or is not there is None."""
        told = {name: None if value == "" else value for name, value in asdict(self).items() if name != "stack"}
        return told | {"changed": bool(self.changes)}

    def exit_code(self, options: Options) -> int:
        """0, but of a plan: what would change, and whether that is known."""
        if not options.plan:
            return 0
        if not self.host_read:
            return HOST_UNKNOWN
        return WOULD_CHANGE if self.changes else 0

    def summary(self, options: Options) -> str:
        """The last line."""
        if options.plan:
            return self._plan_summary()
        where = f"API {self.api_url}" + (f", chat page {self.chat_url}" if self.chat_url else "")
        if not self.changes:
            return f"Nothing to change: host and gateway are as wanted, the host is {self.lease}. {where}"
        return f"Deployed: {_counted(self.changes)}, the host is {self.lease}. {where}"

    def _plan_summary(self) -> str:
        if not self.host_read and not self.lease:
            return (
                f"Gateway: {_counted(self.changes)} would be made. Host: unknown, it does not answer. Nothing was "
                "changed. `fab deploy` would change the gateway first, which can then tell whether the host is off."
            )
        if not self.host_read:
            return (
                f"Gateway: {_counted(self.changes)} would be made. Host: unknown, it is off. Nothing was changed. "
                f"`fab wake -s {self.stack}` and then this again shows the host's part."
            )
        return f"{_counted(self.changes)} would be made; nothing was." if self.changes else "Nothing would change."


def _counted(changes: list[str]) -> str:
    return f"{len(changes)} change{'' if len(changes) == 1 else 's'}"
