"""Logs of several makers, and what is said of the lines that are no use."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import SettingsError
from core.replay import logs
from core.replay.logs import Read
from tests.references import ROOT

NINE = datetime(2026, 11, 25, 9, tzinfo=UTC).timestamp()


def ours(at: str, **changes: object) -> str:
    """A line of the gateway's access log (`remote/templates/haproxy.cfg.j2`)."""
    line = {
        "at": at,
        "caller": "10.0.0.7",
        "key": "ann",
        "user": "-",
        "model": "chat",
        "to": "engine_chat/host",
        "status": 200,
        "limit": "-",
        "ms_first_byte": 80,
        "ms": 2500,
        "bytes": 900,
        "ended": "--",
        "method": "POST",
        "path": "/v1/chat/completions",
    }
    return json.dumps(line | changes)


def read(*lines: str, zone: str = "UTC") -> Read:
    return logs.read(lines, name="a.log", zone=zone)


def moments(found: Read) -> list[float]:
    return [at - NINE for at in found.trace.arrivals.tolist()]


def test_our_own_log() -> None:
    found = read(ours("25/Nov/2026:09:00:00.250"), ours("25/Nov/2026:11:00:00.000", key="bob", ms=1000))
    assert moments(found) == [0.25, 7200]
    assert found.trace.durations.tolist() == [2.5, 1.0]
    assert len(set(found.trace.callers.tolist())) == 2
    assert found.used == found.lines == 2
    assert "2 times do not say their zone: taken as UTC (--zone)" in found.notes


def test_our_own_log_is_what_haproxy_is_told_to_write() -> None:
    """Its format, with HAProxy's variables filled in as HAProxy does."""
    template = (ROOT / "remote" / "templates" / "haproxy.cfg.j2").read_text()
    format_ = re.search(r"log-format '(\{\"at\".*\})'", template)
    assert format_ is not None
    said = {"%tr": "25/Nov/2026:09:00:00.250", "%ci": "10.0.0.7", "%b/%s": "engine_chat/host", "%ST": "200"}
    said |= {"%Tr": "80", "%Ta": "2500", "%B": "900", "%ts": "--", "%HM": "POST"}
    line = format_[1].replace("%[var(txn.path),bytes(0,200),json(utf8s)]", "/v1/chat/completions")
    line = re.sub(r"%\[[^\]]*\]", "ann", line)
    for variable, value in said.items():
        line = line.replace(variable, value)
    assert json.loads(line) == json.loads(ours("25/Nov/2026:09:00:00.250", user="ann", model="ann", limit="ann"))
    assert f"backend {logs.INNER}{{{{" in template


def test_a_journal_before_the_line_is_skipped() -> None:
    found = read(f"Nov 25 09:00:00 gw haproxy[7]: {ours('25/Nov/2026:09:00:00.000')}", ours("25/Nov/2026:10:30:00.000"))
    assert moments(found) == [0, 5400]


NGINX = '10.0.0.7 - - [25/Nov/2026:{at}] "POST /v1/chat/completions HTTP/1.1" 200 900 "-" "openai/1.0"'
HAPROXY = (
    "haproxy[7]: 10.0.0.7:33317 [25/Nov/2026:{at}] api engines/host 0/0/1/80/2500 200 900 - - ---- 1/1/0/0/0 0/0 "
    '"POST /v1/chat/completions HTTP/1.1"'
)


def test_nginx_and_haproxy() -> None:
    found = read(
        NGINX.format(at="10:00:00 +0100"),
        NGINX.format(at="09:10:00 +0000") + " 3.250",
        HAPROXY.format(at="11:00:00.500"),
    )
    assert moments(found) == [0, 600, 7200.5]
    assert found.trace.durations.tolist() == [logs.DURATION_S, 3.25, 2.5]
    assert "1 lines do not say how long it took: 5s each (--took)" in found.notes


def test_litellms_spend_logs_as_json_and_as_csv() -> None:
    line = {"startTime": "2026-11-25T09:00:00Z", "endTime": "2026-11-25T09:00:04Z", "user": "ann", "model": "x"}
    found = read("[", json.dumps(line) + ",", json.dumps(line | {"startTime": "2026-11-25 08:00:00+00:00"}), "]")
    assert moments(found) == [-3600, 0]
    assert found.trace.durations.tolist() == [3604, 4]
    table = read(
        "request_id,startTime,endTime,api_key",
        "1,2026-11-25T09:00:00+00:00,2026-11-25T09:00:04+00:00,k",
        '"2",2026-11-25T11:00:00+00:00,2026-11-25T11:00:01+00:00,k',
        "3,2026-11-25T11:00:00+00:00",
    )
    assert moments(table) == [0, 7200]
    assert table.left_out == {"not as many columns as the header has": 1}


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_read_on_one_line_and_indented(indent: int | None) -> None:
    """As LiteLLM's GET /spend/logs answers, and as `jq .` writes that."""
    line = {"startTime": "2026-11-25T09:00:00Z", "endTime": "2026-11-25T09:00:04Z", "user": "a[n]n", "metadata": {}}
    array = json.dumps([line, "text", line | {"startTime": "2026-11-25T08:00:00Z"}], indent=indent)
    found = read("", *("\ufeff" + array).splitlines(keepends=True))
    assert moments(found) == [-3600, 0]
    assert (found.used, found.lines, sum(found.left_out.values())) == (2, 3, 1)


def test_an_array_that_is_cut_is_read_as_far_as_it_has_lines() -> None:
    whole = [json.dumps({"at": NINE + at}) + "," for at in (0, 7200)]
    found = read("[", *whole, '{"at": 17')
    assert (found.used, found.left_out) == (2, {"broken JSON": 1})


def test_openais_usage_counts_by_the_minute_are_spread_and_by_the_day_are_refused() -> None:
    header = "start_time,end_time,num_model_requests,input_tokens"
    found = read(header, f"{NINE:.0f},{NINE + 60:.0f},3,10", f"{NINE + 3600:.0f},{NINE + 3660:.0f},1,10")
    assert moments(found) == [10, 30, 50, 3630]
    assert found.trace.since == NINE
    assert len(set(found.trace.callers.tolist())) == 4
    assert "rows are counts over 1 minutes: spread evenly, so shorter pauses cannot be seen" in found.notes
    with pytest.raises(SettingsError, match="counts over more than 1h: pauses cannot be seen in them"):
        read(header, f"{NINE:.0f},{NINE + 86400:.0f},300,10")


def test_json_lines_with_other_names_and_milliseconds() -> None:
    found = read(
        json.dumps({"timestamp": NINE * 1000, "latency_ms": 1500}),
        json.dumps({"ts": "2026-11-25T12:00:00+02:00", "took_s": "2"}),
    )
    assert moments(found) == [0, 3600]
    assert found.trace.durations.tolist() == [1.5, 2]


def test_times_without_a_zone_are_the_zones_that_was_said() -> None:
    lines = (json.dumps({"at": "2026-11-25T10:00:00"}), json.dumps({"at": "2026-11-25T12:00:00"}))
    assert moments(read(*lines, zone="Europe/Berlin")) == [0, 7200]
    assert "2 times do not say their zone: taken as Europe/Berlin (--zone)" in read(*lines, zone="Europe/Berlin").notes


def test_what_is_no_use_is_counted_with_its_reason_and_an_example() -> None:
    good = [ours("25/Nov/2026:09:00:00.000"), ours("25/Nov/2026:12:00:00.000")]
    bad = {
        '{"at": "25/Nov': "broken JSON",
        '{"at": }': "broken JSON",
        ours("-"): "no time in it",
        ours("yesterday"): "a time that cannot be read",
        ours("31/Nov/2026:09:00:00.000"): "a time that cannot be read",
        json.dumps({"at": 12}): "a time before 2000 or after 2100",
        ours("25/Nov/2026:09:00:00.000", method="GET", path="/"): "no generation (GET)",
        ours("25/Nov/2026:09:00:00.000", status=401): "refused with 401",
        json.dumps({"at": NINE, "path": "/v1/models"}): "no generation (a list of models)",
        ours("25/Nov/2026:09:00:00.000", path="/api/v1/chats/new"): "no generation (another path of the gateway)",
        ours(
            "25/Nov/2026:09:00:00.000", path="/v1/messages/count_tokens"
        ): "no generation (another path of the gateway)",
        ours("25/Nov/2026:09:00:00.000", to="inner_qwen7b/host"): (
            "the relay's own hop of a request that has a line already"
        ),
        "the server was restarted": "not a line of a known format",
    }
    for line, why in bad.items():
        found = read(good[0], line, good[1])
        assert (found.used, found.lines) == (2, 3), line
        assert found.left_out == {why: 1}, line
        assert found.first_left_out[why].startswith("line 2: ")


def test_out_of_order_gaps_and_short_logs_are_said() -> None:
    found = read(*(json.dumps({"at": NINE + at}) for at in (0, 7200, 3600, 20 * 86400)))
    assert moments(found) == [0, 3600, 7200, 20 * 86400]
    assert "1 lines are older than one before them: sorted" in found.notes
    assert any(note.startswith("1 gaps of more than 3 days, the first from 2026-11-25") for note in found.notes)
    short = read(*(json.dumps({"at": NINE + at}) for at in (0, 86400)))
    assert "the log covers 1.0 days: a month is reckoned from that; a week or more says more" in short.notes


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "a.log is empty"),
        (["", "  "], "a.log is empty"),
        (["name,age", "ann,7"], r"None of the 2 lines of a.log can be used: 2 not a line of a known format \(line 1"),
        (["at,who"], "None of the 1 lines of a.log can be used"),
        ([ours("25/Nov/2026:09:00:00.000")], "The requests lie within 2s"),
    ],
)
def test_a_log_without_a_request_says_why(lines: list[str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read(*lines)


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["2026-11-25T09:00:00Z", "25/Nov/2026:09:00:00 +9999", "99/Nov/2026:99:99:99", "1e999", "1" * 400]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
keys = st.sampled_from(
    ["at", "timestamp", "endTime", "ms", "duration_s", "user", "status", "path", "method", "n_requests"]
)
objects = st.dictionaries(keys, values, max_size=8).map(json.dumps)
rows = st.sampled_from(
    [
        "at,ms,user,num_model_requests,end_time",
        "2026-11-25T09:00:00Z,5,ann,2,2026-11-25T09:30:00Z",
        '1,"2,3',
        "\0,\0,\0,\0,\0",
        NGINX.format(at="99:99:99 +0000"),
        "[" * 3000,
        HAPROXY.format(at="09:00:00.500").replace("2500", "-1"),
    ]
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(lines=st.lists(st.one_of(objects, rows, st.text(max_size=60)), max_size=12))
def test_whatever_stands_in_a_log_it_is_used_or_left_out(lines: list[str]) -> None:
    good = [ours("25/Nov/2026:09:00:00.000"), ours("25/Nov/2026:12:00:00.000")]
    try:
        found = read(*good, *lines)
    except SettingsError as error:  # a time of another year is a time
        assert "366 days" in str(error)  # noqa: PT017
        return
    blank = sum(not line.strip().strip("\ufeff") or line.strip() in ("[", "]", "[]") for line in lines)
    headers = sum(line.startswith("at,ms") for line in lines)
    assert found.used + sum(found.left_out.values()) in range(len(lines) + 2 - blank - headers, len(lines) + 3)
    assert all(found.trace.since <= at <= found.trace.until for at in found.trace.arrivals.tolist())


@pytest.mark.parametrize("took", [1e300, 1_234_567_890_123, 86_401, -1])
def test_what_no_request_takes_is_not_believed(took: float) -> None:
    """Traefik's `Duration` is in nanoseconds."""
    found = read(*(json.dumps({"time": NINE + at, "Duration": took}) for at in (0, 7200)))
    assert found.trace.durations.tolist() == [logs.DURATION_S] * 2
    assert any(
        note.startswith("2 lines say that it took less than nothing, or longer than a day") for note in found.notes
    )


@pytest.mark.parametrize("at", ["25/Nov/1970:09:00:00 +0000", "25/Nov/2970:09:00:00 +0000"])
def test_a_clock_that_was_wrong_is_left_out_in_every_format(at: str) -> None:
    good = [NGINX.format(at=f"{hour}:00:00 +0000") for hour in (10, 12)]
    found = read(*good, NGINX.format(at="").replace("25/Nov/2026:", at))
    assert (found.used, found.left_out) == (2, {"a time before 2000 or after 2100": 1})


@pytest.mark.parametrize("at", ["25:00:00 +0000", "09:60:00 +0000", "09:00:61 +0000", "09:00:00 +9999"])
def test_an_hour_that_no_clock_shows_is_left_out(at: str) -> None:
    good = [NGINX.format(at=f"{hour}:00:00 +0000") for hour in (10, 12)]
    assert read(*good, NGINX.format(at=at)).left_out == {"a time that cannot be read": 1}


def test_days_without_a_time_are_no_requests_at_midnight() -> None:
    """LiteLLM's /spend/logs with a start_date and an end_date."""
    days = [json.dumps({"startTime": f"2026-11-{day:02}", "spend": 1.5, "users": {}}) for day in range(1, 29)]
    with pytest.raises(SettingsError, match="28 a day without a time: pauses cannot be seen"):
        read(*days)


@pytest.mark.parametrize("day", ["2026-10-25", "2026-03-29", "2026-11-25"])
def test_local_times_are_the_same_in_every_format_on_the_day_when_clocks_change(day: str) -> None:
    clf = f"{datetime.fromisoformat(day):%d/%b/%Y}"
    hours = [0, 1, 4, 23]
    web = read(*(HAPROXY.format(at=f"{h:02}:30:00").replace("25/Nov/2026", clf) for h in hours), zone="Europe/Berlin")
    plain = read(*(json.dumps({"at": f"{day}T{h:02}:30:00"}) for h in hours), zone="Europe/Berlin")
    assert moments(web) == moments(plain)


def test_a_terminal_does_not_obey_a_log() -> None:
    good = [json.dumps({"at": NINE + at}) for at in (0, 7200)]
    (shown,) = read(*good, "\x1b]0;mine\x07\x1b[2J").first_left_out.values()
    assert shown == "line 3: \ufffd]0;mine\ufffd\ufffd[2J"


@pytest.mark.parametrize(
    "line",
    [
        *("x" * 200_000, '"' + "x" * 200_000, "{" * 200_000, "1 " * 100_000, '{"at":' + "[" * 100_000 + "}"),
        NGINX.format(at="09:00:00 +0000").partition(" HTTP")[0] + "x" * 200_000,  # no end to its path
        "10.0.0.7 - - [" * 100_000,
    ],
)
def test_a_line_of_any_length_is_left_out_soon(line: str) -> None:
    good = [json.dumps({"at": NINE}), "at,user", json.dumps({"at": NINE + 7200})]
    found = read(*good, line)
    assert found.used == 2
    assert sum(found.left_out.values()) == 1


def test_a_log_of_years_is_refused_with_its_first_and_last_day() -> None:
    with pytest.raises(SettingsError, match="from 2001-09-09 to 2026-11-25, more than 366 days"):
        read(json.dumps({"at": 1_000_000_000}), json.dumps({"at": NINE}))
