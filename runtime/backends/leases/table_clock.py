"""The table's time, from the Date header of its answers: whole seconds, refined by this machine's monotonic clock.

Every answer says that the table's time was in [date, date + 1 s) at some moment between sending and receiving. The
offset to the monotonic clock is moved only as far as the newest answer asks, and what is told never goes backwards.
"""

from __future__ import annotations

import email.utils
import threading
from collections.abc import Callable

from runtime.backends.leases import StoreUnavailable


class TableClock:
    """Turns Date headers into seconds since 1970. `monotonic` is this machine's clock; safe between threads."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        """Know nothing yet."""
        self.monotonic = monotonic
        self._offset: float | None = None
        self._last = 0.0
        self._lock = threading.Lock()

    def tell(self, date: str, sent: float) -> float:
        """The table's time now, given an answer's Date header and the monotonic time at which its request was sent."""
        try:
            second = email.utils.parsedate_to_datetime(date).timestamp()
        except ValueError as error:
            raise StoreUnavailable(f"The table answered with the Date header {date!r}, which is not a time.") from error
        with self._lock:
            received = self.monotonic()
            earliest, latest = second - received, second + 1.0 - sent
            offset = earliest if self._offset is None else min(max(self._offset, earliest), latest)
            self._offset = offset
            self._last = max(self._last, received + offset)
            return self._last
