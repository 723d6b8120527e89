"""`fab explain`: what the policy decides now, and would decide minute by minute if nobody asked. Changes nothing.

From the lease as it stands, or, of a stack that was never made or on request, from the stack file alone, and it says
which. Of a stack that is made and does not answer nothing is assumed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from core.errors import DeployError, SettingsError
from core.money.ledger import Ledger
from core.policy import Action, Facts
from core.policy.forecast import START_GUESS_S, Span, forecast, unborn
from core.times import moments
from core.times.bounds import YEAR_S
from core.times.durations import show
from remote import stack_files
from remote.stack_files import NotMade
from remote.verbs import calendar
from remote.verbs import status as verbs_status
from remote.verbs.lease import Record, front, settings_of

LONGEST_S: Final = YEAR_S  # a forecast asks the policy for every minute: 10 s for a year
FOLD_S: Final = 48 * 3600.0  # a forecast of this length is told by days


@dataclass(frozen=True)
class Explained:
    """The forecast, and what it stands on."""

    stack: str
    source: str  # `the lease`, or why the stack file alone
    zone: str
    profile: str
    now: float
    until: float
    spans: Sequence[Span]

    def as_dict(self) -> Record:
        """For `--json` (docs/json.md): every span, times as ISO 8601 in the stack's time zone."""
        return {
            "source": self.source,
            "time_zone": self.zone,
            "profile": self.profile,
            "from": moments.iso(self.now, self.zone),
            "to": moments.iso(self.until, self.zone),
            "spans": [_plain(span, self.zone) for span in self.spans],
        }


def explain(stack: str, *, for_s: float, identity: str = "", offline: bool = False) -> Explained:
    """The forecast of a stack over `for_s` seconds.

    Raises:
        SettingsError: the stack's file holds a wrong value. DeployError: there is no such stack, or whether its host is
            on cannot be known.
    """
    if offline:
        return from_file(stack, for_s=for_s, now=time.time(), reason="asked to look at no machine")
    try:
        return _deployed(stack, for_s, identity)
    except (NotMade, SettingsError) as error:
        return from_file(stack, for_s=for_s, now=time.time(), reason=error.line.rstrip(".:"))
    except DeployError as error:
        stack_files.settings_of(stack)  # no such stack, or a wrong value: said as that
        raise DeployError(
            f"now: unknown. {error}\nWhat the stack file alone says, as if the host were off: "
            f"`fab explain -s {stack} --offline`."
        ) from error


def _deployed(stack: str, for_s: float, identity: str) -> Explained:
    at = front(stack, identity)
    seen = verbs_status.see(at)
    if seen.lease is None:
        raise DeployError(f"There is no lease yet. Run `fab deploy -s {stack}`.")
    wake = verbs_status.last_wake(seen.events)
    start_s = wake.took_s if wake and wake.took_s else START_GUESS_S
    until = seen.now + for_s
    facts, books = verbs_status.facts(seen), verbs_status.books(seen)
    spans = forecast(seen.lease, facts, seen.settings, now=seen.now, until=until, start_s=start_s, ledger=books)
    return Explained(stack, "the lease", seen.settings.time_zone, seen.settings.profile, seen.now, until, spans)


def from_file(stack: str, *, for_s: float, now: float, reason: str) -> Explained:
    """The forecast of a host that is off and that nobody wants, by the stack file alone."""
    settings = settings_of(stack_files.settings_of(stack))
    until = now + for_s
    spans = forecast(unborn(settings.unit, now), Facts("stopped"), settings, now=now, until=until, ledger=Ledger())
    source = f"the stack file alone ({reason})"
    return Explained(stack, source, settings.time_zone, settings.profile, now, until, spans)


def _plain(span: Span, zone: str) -> Record:
    return {
        "from": moments.iso(span.start, zone),
        "to": moments.iso(span.end, zone),
        "phase": span.phase,
        "state": span.state.value,
        "rule": span.rule,
        "action": span.action.value,
        "reason": span.reason,
    }


# ---------------------------------------------------------------- for people
def lines(explained: Explained) -> list[str]:
    """The forecast, a line a span: `Mon 23 Nov 09:00 – 18:00  on  the schedule says on for another 9h`.

    From FOLD_S on a grid of the days, and a line for each run of equal days.
    """
    first = explained.spans[0]
    for_s = explained.until - explained.now
    head = [
        f"{explained.stack}: profile {explained.profile}, times in {explained.zone}; from {explained.source}",
        f"now: {first.reason}" if first.action is Action.KEEP else f"now: {first.action.value}, {first.reason}",
        f"the next {show(for_s)}, if nobody asks:",
    ]
    if for_s < FOLD_S:
        return head + [line(span, explained.zone) for span in explained.spans]
    days = calendar.days(explained.spans, explained.zone)
    return [*head, *calendar.grid(days), "", *calendar.folded(days), "", "every span, with its reason: `--json`"]


def line(span: Span, zone: str) -> str:
    """One span; the day of its end only where it is another."""
    same = moments.day(span.start, zone) == moments.day(span.end, zone)
    end = moments.clock(span.end, zone) if same else moments.show(span.end, zone)
    when = f"{moments.show(span.start, zone)} – {end}"
    return f"  {when:<36}  {span.phase:<8}  {span.reason}"
