"""The figures of one run, with the limits that we promise. `make demo` and `python -m bench.demo` print them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

LIMITS = {
    "first_answer_s": 600.0,
    "noop_deploy_s": 5.0,
    "stop_s": 90.0,
    "drain_to_stopped_s": 25.0,
    "wake_first_token_s": 60.0,
    "wake_overhead_s": 1.0,
    "relay_rss_mib": 240.0,
    "agent_rss_mib": 90.0,
    "chat_ready_s": 30.0,
    "chat_wake_answer_s": 60.0,
    "webui_rss_mib": 1000.0,
}
MEANING = {
    "first_answer_s": "demo start → first answer",
    "noop_deploy_s": "`fab deploy` that changes nothing",
    "stop_s": "idle for long enough → machine stopped",
    "drain_to_stopped_s": "asked to stop (DRAINING) → machine stopped",
    "wake_first_token_s": "request to a host that is off → first token",
    "wake_overhead_s": "of that pilotlight's own part (without the machine's boot and vLLM's start)",
    "relay_rss_mib": "both relays, resident",
    "agent_rss_mib": "agent, resident",
    "chat_ready_s": "deployed → the chat page answers",
    "chat_wake_answer_s": "message in the chat page to a machine that is off → first word seen",
    "webui_rss_mib": "chat page, resident",
}


@dataclass(frozen=True)
class Figures:
    """All in the unit of their names' ending; times from outside time stamps. None: not measured in this run."""

    first_answer_s: float
    noop_deploy_s: float
    stop_s: float
    drain_to_stopped_s: float
    wake_first_token_s: float
    wake_overhead_s: float
    relay_rss_mib: float
    agent_rss_mib: float
    chat_ready_s: float
    webui_rss_mib: float
    chat_wake_answer_s: float | None  # None without Chromium

    def flat(self) -> dict[str, float]:
        """For `--json`: one flat object of what was measured, rounded to what the clocks can tell."""
        return {k: round(v, 2) for k, v in dataclasses.asdict(self).items() if v is not None}


@dataclass(frozen=True)
class WakeTimes:
    """Outside time stamps of one wake, seconds since 1970."""

    asked: float
    ordered: float  # StartInstances reached EC2
    sshd_up: float
    engine_started: float
    engine_ready: float  # "Application startup complete"
    running: float  # the lease became RUNNING: the agent had a real answer from every engine
    first_token: float

    def overhead_s(self) -> float:
        """What the wake took beyond the machine's boot and vLLM's own start."""
        boot = self.sshd_up - self.ordered
        engine = self.engine_ready - self.engine_started
        return (self.first_token - self.asked) - boot - engine

    def breakdown(self, engine: str) -> str:
        """One line for a person. `boot` and `engine` are what `fab status` means by them (`remote/verbs/status.py`)."""
        return (
            f"Of that: {self.ordered - self.asked:.2f} s until the start was ordered, "
            f"boot {self.engine_started - self.ordered:.1f} s, "
            f"engine {engine} {self.running - self.engine_started:.1f} s, "
            f"{self.first_token - self.running:.2f} s until the first token"
        )
