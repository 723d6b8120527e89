"""`fab backup` and `fab restore`: thin, as in `remote/tasks.py`."""

from __future__ import annotations

import sys
import time

from invoke.collection import Collection
from invoke.context import Context
from invoke.tasks import task

from remote import paths
from remote.progress import Progress
from remote.tasks import IDENTITY, JSON, STACK, print_json
from remote.verbs import verb


@task(
    help=STACK
    | IDENTITY
    | JSON
    | {"to": "a file that is not there yet, or a folder (default: a file named by stack and time, in this folder)"}
)
@verb
def backup(_: Context, stack: str = "", identity: str = "", to: str = "", json: bool = False) -> None:
    """Copy the gateway's keys, chats and Redis into a file."""
    from remote.verbs import backup as verbs_backup

    progress = Progress(quiet=json)
    at = verbs_backup.front(stack, identity)
    path = verbs_backup.place(to, at.inventory.stack, time.time())
    made = verbs_backup.make(at, path, progress)
    if json:
        print_json("backup", at.inventory.stack, made.as_dict())
    else:
        print("\n".join(made.words()))


@task(
    positional=["file"],
    help=STACK
    | IDENTITY
    | JSON
    | {
        "file": "what `fab backup` wrote",
        "of": "the stack that the backup is of, where it is another one, or an earlier one of this name",
        "yes": "do not ask about what the gateway has and the backup has not",
    },
)
@verb
def restore(
    _: Context, file: str, *, stack: str = "", identity: str = "", of: str = "", yes: bool = False, json: bool = False
) -> None:
    """Give the gateway a backup's data; keeps what it had."""
    from core.errors import DeployError
    from remote.verbs import backup as verbs_backup
    from remote.verbs import restore as verbs_restore

    progress = Progress(quiet=json)
    at = verbs_backup.front(stack, identity)
    found = verbs_restore.read(at, paths.typed(file), of)
    plan = verbs_restore.plan(at, found, at.state.look())
    if plan.lost and not yes and not _agreed(plan.words):
        raise DeployError("Nothing was changed.")
    done = verbs_restore.restore(at, found, progress)
    if json:
        print_json("restore", at.inventory.stack, done.as_dict())
    else:
        print("\n".join([*plan.notes, *done.text()]))


def _agreed(words: str) -> bool:
    """Asks the person at the terminal; without one only `--yes` will do."""
    from core.errors import DeployError

    if not sys.stdin.isatty():
        raise DeployError(f"{words}\nNothing was changed. Add `--yes` if it is meant; what was there is kept.")
    print(f"{words}\nIt is kept beside the new. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


namespace = Collection(backup, restore)
