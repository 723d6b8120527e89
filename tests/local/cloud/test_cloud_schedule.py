import datetime as dt

import pytest

from core.errors import CloudError
from local.cloud.schedule import Expression, classic_cron, fill_input


def at(text: str) -> float:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp()


NOON = at("2026-11-20T12:00:00")  # a Friday


@pytest.mark.parametrize(
    ("text", "after_s", "due_s"),
    [
        ("rate(1 minute)", NOON - 1, NOON),  # made at NOON: fires at once
        ("rate(1 minute)", NOON - 600, NOON),
        ("rate(1 minute)", NOON, NOON + 60),
        ("rate(1 minute)", NOON + 59.5, NOON + 60),
        ("rate(1 minute)", NOON + 3600, NOON + 3660),  # what was missed is not made up for
        ("rate(5 minutes)", NOON + 1, NOON + 300),
        ("rate(2 hours)", NOON, NOON + 7200),
        ("cron(30 12 * * ? *)", NOON, NOON + 1800),
        ("cron(0 9 ? * MON-FRI *)", NOON, at("2026-11-23T09:00:00")),
        ("cron(0 9 ? * 2 *)", NOON, at("2026-11-23T09:00:00")),  # 2 is Monday
        ("cron(0 9 ? * 1 *)", NOON, at("2026-11-22T09:00:00")),  # 1 is Sunday
        ("at(2026-11-20T12:00:05)", NOON, NOON + 5),
        ("at(2026-11-20T11:59:00)", NOON, None),
    ],
)
def test_when_a_schedule_is_due(text, after_s, due_s):
    assert Expression(text, "UTC", NOON).next_due(after_s) == due_s


def test_cron_is_in_its_own_time_zone_over_daylight_saving():
    berlin = Expression("cron(0 9 * * ? *)", "Europe/Berlin")
    assert berlin.next_due(at("2026-10-24T12:00:00")) == at("2026-10-25T08:00:00")  # clocks go back that night
    assert berlin.next_due(at("2026-10-23T12:00:00")) == at("2026-10-24T07:00:00")


@pytest.mark.parametrize(
    "text", ["rate(0 minutes)", "rate(minute)", "every minute", "cron(0 9 * * MON)", "cron(0 9 * * ? 2030)"]
)
def test_a_malformed_expression_is_refused(text):
    with pytest.raises(CloudError):
        Expression(text).next_due(NOON)


@pytest.mark.parametrize(
    ("aws", "classic"),
    [
        ("0 9 ? * 2-6 *", "0 9 * * 1-5"),
        ("0 9 ? * 1,7 *", "0 9 * * 0,6"),
        ("0 9 ? * MON *", "0 9 * * MON"),
        ("*/5 * * * ? *", "*/5 * * * *"),
        ("0 9 ? * 2#1 *", "0 9 * * 1#1"),
    ],
)
def test_weekdays_are_translated(aws, classic):
    assert classic_cron(aws) == classic


def test_the_input_gets_scheduler_s_own_words():
    filled = fill_input('{"time":"<aws.scheduler.scheduled-time>"}', arn="arn", due_s=NOON, execution_id="x")
    assert filled == '{"time":"2026-11-20T12:00:00Z"}'
