"""Demand, by the engines' own counters: one rule for the agent's heartbeat and the dead-man's switch.

Tokens that went through since the last reading are demand, and so are requests in flight. An engine that was restarted
counts from 0 again. A first reading proves nothing: tokens of before are somebody else's business.
"""

from __future__ import annotations

from runtime.agent.engines import Counters


class DemandMeter:
    """Remembers what each engine's counters were."""

    def __init__(self) -> None:
        self._counters: dict[str, Counters] = {}

    def forget(self) -> None:
        """What was before is nobody's demand."""
        self._counters.clear()

    def asked(self, engine: str, now: Counters) -> bool:
        """Tokens went through this engine since its last reading."""
        before = self._counters.get(engine)
        self._counters[engine] = now
        if before is None:
            return False
        return now.tokens > (before.tokens if now.tokens >= before.tokens else 0.0)

    def in_use(self, engine: str, now: Counters) -> bool:
        """The same, or requests are in it."""
        asked = self.asked(engine, now)
        return asked or now.in_flight > 0
