"""Standard output that cannot take what a verb says: a reader that has left (`| head -1`), a full disk, an encoding."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from typing import Final, TextIO

from remote import verbs

READER_LEFT: Final = 141  # 128 + SIGPIPE, as a shell reports of any program whose reader has left


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Run verbs. A reader that has left ends them in silence, any other failure of standard output with one message.

    What the output's encoding does not have is written as `?`.
    """
    if sys.stdout is None:  # `>&-`
        print(f"{verbs.PROGRAM}: standard output is closed.", file=sys.stderr)
        sys.exit(1)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError:
        failed = {stream: error for stream in (sys.stdout, sys.stderr) if (error := _failure(stream))}
        if not failed:
            raise  # of something else
        _end(failed)


def _failure(stream: TextIO | None) -> OSError | None:
    """What could not be written stays in the buffer, and fails again."""
    try:
        if stream is not None:
            stream.flush()
    except OSError as error:
        return error
    return None


def _end(failed: dict[TextIO, OSError]) -> None:
    for stream in failed:  # Python flushes both once more at its end
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), stream.fileno())
    if any(isinstance(error, BrokenPipeError) for error in failed.values()):
        sys.exit(READER_LEFT)
    error = next(iter(failed.values()))
    if sys.stderr not in failed:
        print(f"{verbs.PROGRAM}: standard output cannot be written: {error.strerror}.", file=sys.stderr)
    sys.exit(1)
