"""Standard output that cannot take what a verb says: a reader that has left (`| head -1`), a full disk, an encoding."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import Any, Final, TextIO

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
    before = sys.stdout, sys.stderr
    files = {number: _File(number) for number, stream in enumerate(before, 1) if stream is not None}
    sys.stdout = _watched(sys.stdout, files.get(1), errors="replace")
    sys.stderr = _watched(sys.stderr, files.get(2), errors="backslashreplace")
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except OSError:
        failed = {number: file.failed for number, file in files.items() if file.failed}
        if not failed:
            raise  # of something else
        _end(failed)
    finally:
        sys.stdout, sys.stderr = before


class _File(FileIO):
    """Standard output or error; remembers why it could not be written, which no other error of the program says."""

    def __init__(self, number: int) -> None:
        super().__init__(number, "wb", closefd=False)
        self.failed: OSError | None = None

    def write(self, data: Any, /) -> int:
        """As FileIO's."""
        try:
            return super().write(data)
        except OSError as error:
            self.failed = error
            raise


def _watched(stream: TextIO, file: _File | None, errors: str) -> TextIO:
    """The stream over `file`; one that is not the process's own (a test's) stays as it is."""
    if file is None or not isinstance(stream, TextIOWrapper) or stream not in (sys.__stdout__, sys.__stderr__):
        return stream
    stream.flush()
    at_once = stream.write_through  # PYTHONUNBUFFERED
    return TextIOWrapper(
        file if at_once else BufferedWriter(file),  # a raw file will do, as with `python -u`
        encoding=stream.encoding,
        errors=errors,
        line_buffering=stream.line_buffering,
        write_through=at_once,
    )


def _end(failed: Mapping[int, OSError]) -> None:
    """End the process; what is left in the buffers goes nowhere."""
    for number in failed:
        with open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), number)
    if any(isinstance(error, BrokenPipeError) for error in failed.values()):
        sys.exit(READER_LEFT)
    if 2 not in failed:
        print(f"{verbs.PROGRAM}: standard output cannot be written: {failed[1].strerror}.", file=sys.stderr)
    sys.exit(1)
