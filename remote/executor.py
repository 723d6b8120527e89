"""Runs the verbs that were typed, after a look at the options before them and with a guarded standard output.

Fabric's and invoke's own options are for tasks that run commands by their contexts. The verbs do not: an option that
would be ignored, or would do something else than it says, is refused here, for every verb and the embedded cloud's too.
`fabric.yaml` names this class for `fab`, `remote/console.py` for `pilotlight`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from invoke import executor
from invoke.exceptions import Exit
from invoke.parser import ParseResult

from remote import output, verbs

_REFUSED: Final[Mapping[str, str]] = {  # by Fabric's and invoke's names; what to do instead
    "dry": "would change things all the same. To see what `deploy` would change: `fab deploy --plan`.",
    "hosts": "is not read: a verb finds its machines by the stack's name, `-s NAME`.",
    "identity": "is not read before the verb. Put it behind the verb: `fab VERB -s NAME -i KEY`.",
    "ssh-config": "is not read: the verbs ask `ssh -G`, which reads ~/.ssh/config.",
    "connect-timeout": "is not read. Leave it out.",
    "command-timeout": "is not read. Leave it out; `fab wake` has its own `--timeout`.",
    "prompt-for-login-password": "is not read: machines accept keys only.",
    "prompt-for-passphrase": "is not read. Load the key: `ssh-add FILE`.",
    "prompt-for-sudo-password": "is not read. Leave it out.",
}


class Executor(executor.Executor):
    """invoke's, without the options that the verbs do not have. Each verb runs once."""

    def execute(self, *tasks: Any) -> Any:
        """Run them. Exit with a message: an option before the verb, or words behind `--`, would not be heeded."""
        if self.core is not None:
            _check(self.core)
        for each in tasks:
            _help(each)
        with output.guarded():
            return super().execute(*tasks)


def _check(core: ParseResult) -> None:
    options = core[0].args
    for option, why in _REFUSED.items():
        if option in options and options[option].value:
            raise Exit(f"The option --{option} {why} Nothing was done.")
    if core.remainder:
        raise Exit("What stands behind `--` is not read. For a command on the host: `fab ssh -s NAME --command '…'`.")


def _help(context: Any) -> None:
    """`fab keys.add --help`: invoke takes the option for the name that the verb wants, and would make a key of it."""
    if any(argument.value in ("--help", "-h") for argument in context.positional_args):
        print_help(context.name)


def print_help(verb: str) -> None:
    """What `fab --help VERB` prints; ends the process."""
    from fabric.main import program

    program.run([verbs.PROGRAM, "--help", verb])
