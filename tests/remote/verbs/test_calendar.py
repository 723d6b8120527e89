"""A forecast by days: equal days are one line, a week is a grid."""

from __future__ import annotations

from core.lease import State
from core.policy import Action
from core.policy.forecast import Span
from core.times import moments
from remote.verbs import calendar, explain
from remote.verbs.explain import Explained

ZONE = "Europe/Berlin"
DAY = 86400.0
MONDAY = moments.parse("2026-11-23 00:00", ZONE, 0.0)


def span(start: float, end: float, state: State, reason: str = "r") -> Span:
    return Span(start, end, state, "rule", Action.KEEP, reason)


def office_week(start: float, days: int) -> list[Span]:
    """Off, from Monday to Friday on 8:52 to 18:01 with a start and a stop, from `start` on."""
    spans, at = [], start
    for day in range(days + 1):
        midnight = MONDAY + day * DAY
        if moments.local(midnight, ZONE).weekday() > 4:
            continue
        for begins, ends, state in (
            (8.0 + 52 / 60, 9.0, State.STARTING),
            (9.0, 18.0, State.RUNNING),
            (18.0, 18.0 + 1 / 60, State.STOPPING),
        ):
            begins_at, ends_at = midnight + begins * 3600, min(midnight + ends * 3600, start + days * DAY)
            if ends_at <= at:
                continue
            if begins_at > at:
                spans.append(span(at, begins_at, State.STOPPED, "off: nobody asked"))
            spans.append(span(max(begins_at, at), ends_at, state, "the schedule says on"))
            at = ends_at
    return spans if at >= start + days * DAY else [*spans, span(at, start + days * DAY, State.STOPPED, "off")]


def words(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def test_equal_days_are_one_line() -> None:
    days = calendar.days(office_week(MONDAY, 9), ZONE)
    assert words(calendar.folded(days)) == [
        "Mon 23 – Fri 27 Nov on 08:52–18:01 the schedule says on",
        "Sat 28 – Sun 29 Nov off off: nobody asked",
        "Mon 30 Nov – Tue 1 Dec on 08:52–18:01 the schedule says on",
    ]


def test_a_day_that_is_not_looked_at_as_a_whole_says_so() -> None:
    noon = MONDAY + DAY / 2
    days = calendar.days(office_week(noon, 2), ZONE)
    assert words(calendar.folded(days)) == [
        "Mon 23 Nov from 12:00: on 12:00–18:01 the schedule says on",
        "Tue 24 Nov on 08:52–18:01 the schedule says on",
        "Wed 25 Nov until 12:00: on 08:52–12:00 the schedule says on",
    ]


def test_a_day_that_is_on_throughout_or_twice() -> None:
    all_day = calendar.days([span(MONDAY, MONDAY + DAY, State.RUNNING)], ZONE)
    assert all_day[0].hours == "on all day"
    hours = [span(MONDAY + h * 3600, MONDAY + (h + 2) * 3600, s) for h, s in ((0, State.RUNNING), (2, State.STOPPED))]
    hours += [span(MONDAY + 4 * 3600, MONDAY + DAY, State.RUNNING)]
    assert calendar.days(hours, ZONE)[0].hours == "on 00:00–02:00, 04:00–24:00"


def test_the_grid_has_a_row_a_day_and_a_character_a_half_hour() -> None:
    ruler, monday, *_, saturday = calendar.grid(calendar.days(office_week(MONDAY, 6), ZONE))
    assert ruler.index("09") == monday.index("█")
    assert monday == f"  Mon 23 Nov  {'·' * 18}{'█' * 18}{'·' * 12}"
    assert saturday == f"  Sat 28 Nov  {'·' * 48}"


def test_the_grid_is_empty_where_nothing_was_looked_at() -> None:
    row = calendar.grid(calendar.days(office_week(MONDAY + DAY / 2, 1), ZONE))[1]
    assert row == f"  Mon 23 Nov  {' ' * 24}{'█' * 12}{'·' * 12}"


def test_days_of_the_clocks_changes_have_their_own_length() -> None:
    october = moments.parse("2026-10-25 00:00", ZONE, 0.0)
    (day,) = calendar.days([span(october, october + 25 * 3600, State.RUNNING)], ZONE)
    assert (day.hours, len(calendar.grid([day])[1])) == ("on all day", len("  Sun 25 Oct  ") + 50)


def explained(days: int) -> list[str]:
    spans = office_week(MONDAY, days)
    return explain.lines(Explained("s", "the lease", ZONE, "office-hours", MONDAY, MONDAY + days * DAY, spans))


def test_explain_tells_a_week_by_days_and_a_day_by_spans() -> None:
    week, day = explained(7), explained(1)
    assert len(week) < 20
    assert any("█" in line for line in week)
    assert any("Mon 23 – Fri 27 Nov" in line for line in week)
    assert not any("█" in line for line in day)
    assert any(" starting " in line for line in day)
