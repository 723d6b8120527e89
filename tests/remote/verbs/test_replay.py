"""`fab replay`: prices, flags, words and pictures; what is reckoned is tested in tests/core/replay."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from invoke.context import Context

from core.errors import DeployError, PilotlightError, SettingsError
from core.money.prices import PriceUnknown
from core.profiles import PROFILES
from core.replay import advice
from core.settings.model import Idle
from core.times.schedule import Schedule
from remote import replay_tasks
from remote.verbs import replay as verbs
from remote.verbs.replay import Asked, Replayed

BEGIN = 1_795_000_000


def asked(**flags: Any) -> Asked:
    return Asked(**({"log": "batch", "days": "3"} | flags))


def told(found: Replayed) -> str:
    return "\n".join([*verbs.head(found), *verbs.tail(found)])


@pytest.mark.parametrize(
    ("flags", "error", "message"),
    [
        (
            {"log": "/no/a.log"},
            DeployError,
            "The log /no/a.log cannot be read: No such file or directory. Without a log",
        ),
        ({"log": "/"}, DeployError, "The log / cannot be read: Is a directory"),
        ({"days": "0"}, SettingsError, "0 days: write a number from 1 to 366"),
        ({"seed": "one"}, SettingsError, '--seed "one" is not a whole number'),
        ({"host": "p9.xlarge"}, PriceUnknown, "p9.xlarge"),
        ({"region": "eu-nowhere-1"}, PriceUnknown, "eu-nowhere-1"),
        ({"stack": "workstation"}, PriceUnknown, r"machine of your own .*say what an hour of it costs, e\.g\. `--hour"),
        ({"hour": "16.80"}, SettingsError, '--hour: "16.80" names no currency'),
        ({"hour": "¥16.80"}, SettingsError, "--hour is in ¥: say what a minute of waiting costs in it"),
        (
            {"hour": "¥16.80", "waiting": "$1"},
            SettingsError,
            "The host is in ¥ and --waiting in USD: write both in one",
        ),
        ({"waiting": "€1"}, SettingsError, "The host is in USD and --waiting in EUR"),
        ({"hour": "0 USD"}, SettingsError, "write an amount above 0"),
        ({"begin": "5s"}, SettingsError, "A start of 5s: write one from 1m to 1h"),
        ({"zone": "Berlin"}, SettingsError, "'Berlin' is not a time zone"),
        ({"schedule": "whenever"}, SettingsError, "whenever"),
    ],
)
def test_a_wrong_flag_is_one_message(flags: dict[str, str], error: type[PilotlightError], message: str) -> None:
    with pytest.raises(error, match=message):
        verbs.replay(asked(**flags))


def test_ones_own_price_counts_in_its_own_currency() -> None:
    found = verbs.replay(asked(hour="¥16.80", waiting="¥3"))
    assert "an hour of the host costs 16.8 ¥; a start takes 3m; a caller's minute of waiting costs 3 ¥" in told(found)
    assert found.references.always_on == pytest.approx(16.8 * 730)
    assert "USD" not in told(found)
    assert verbs.replay(asked(stack="workstation", hour="$0.10")).own == "workstation as it is"


def test_waiting_that_costs_nothing_is_let_wait_and_a_dear_one_is_not() -> None:
    assert verbs.replay(asked(waiting="0 USD")).best.setting.limit_s == 60
    dear = verbs.replay(asked(log="service", waiting="1000 USD")).best
    assert dear.setting.limit_s is None or dear.setting.limit_s > 3600


def test_a_stacks_file_gives_prices_and_stands_in_the_table() -> None:
    found = verbs.replay(asked(stack="qwen7b"))
    assert found.own == "qwen7b as it is"
    assert found.own in {result.setting.name for result in found.results}
    assert found.terms.standing_month > 5
    words = told(found)
    assert "what goes on while it is off" in words
    assert "qwen7b as it is it is" not in words
    assert "in stacks/Pulumi.qwen7b.yaml: pilotlight:idle: {" in words


def test_what_is_recommended_is_the_cheapest_of_all_that_a_stack_file_can_say() -> None:
    found = verbs.replay(asked(days="14", log="office"))
    assert found.best.total == min(result.total for result in found.results if result.setting.kind != "adaptive")
    words = told(found)
    assert f"recommended: {found.best.setting.name}" in words
    assert "stopping sooner" in words
    front = found.front
    assert [r.cost for r in front] == sorted(r.cost for r in front)
    assert [r.cold_hits for r in front] == sorted((r.cold_hits for r in front), reverse=True)
    for result in found.settable:
        assert any(r.cost <= result.cost and r.cold_hits <= result.cold_hits for r in front)


def test_a_schedule_of_ones_own_is_replayed_beside_office_hours() -> None:
    names = {r.setting.name for r in verbs.replay(asked(schedule="daily 1:30-4:00")).results}
    assert {"schedule, stopAfter 5m", "office-hours, stopAfter 5m", "stopAfter 5m"} <= names


def test_what_is_written_for_the_stack_file_means_that_setting() -> None:
    when = Schedule("0 8 * * *", "0 20 * * *", "Europe/Berlin")
    for setting in advice.settings(when, "Europe/Berlin"):
        if setting.kind == advice.ADAPTIVE:
            continue
        written = yaml.safe_load(verbs.stack_lines(setting, "Europe/Berlin"))["pilotlight:idle"]
        idle = Idle.model_validate(written)
        profile = PROFILES[idle.profile]
        assert (idle.stop_after or None) == setting.limit_s, setting  # 0: off
        start_at = idle.schedule.start_at if idle.schedule else profile.schedule.start_at
        assert start_at == (setting.schedule.on if setting.schedule else ""), setting
        assert idle.time_zone == ("Europe/Berlin" if setting.schedule else "UTC")
        assert (idle.max_lease == 0) == (setting.limit_s is None)


def test_a_log_is_read_and_what_was_left_out_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"at": BEGIN + n * 5000, "ms": 2000, "user": "ann"}) for n in range(40)]
    Path("a.log").write_text("\n".join([*lines, "{", '{"user": "bob"}']) + "\n")
    replay_tasks.replay(Context(), "a.log", picture="p", all=True)
    out = capsys.readouterr().out
    assert "a.log: 40 requests in 2.3 days, 2026-11-18 to 2026-11-20 (UTC)" in out
    assert "40 of 42 lines used" in out
    assert "left out: 1 no time in it, the first line 42" in out
    assert "note: the log covers 2.3 days" in out
    assert "stopAfter 1h30m" in out
    assert "pictures: p.png, p.svg, p-idle.png, p-idle.svg" in out
    assert ">clairvoyant" in Path("p-idle.svg").read_text()
    assert ">Pareto front<" in Path("p.svg").read_text()


def test_a_log_that_logrotate_packed_is_read_and_a_broken_one_is_one_message(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({"at": BEGIN + n * 5000}) for n in range(40))
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(gzip.compress(lines.encode()))
    assert len(verbs.replay(Asked(str(packed))).trace.arrivals) == 40
    packed.write_bytes(packed.read_bytes()[:-20])
    with pytest.raises(DeployError, match=r"The log .*a\.log\.gz cannot be read: "):
        verbs.replay(Asked(str(packed)))


@pytest.mark.parametrize("name", ["a.log", "a.log.gz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_a_log_is_what_its_first_bytes_say_whatever_its_name(
    tmp_path: Path, name: str, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    lines = mark + "\r\n".join(json.dumps({"at": BEGIN + n * 5000}) for n in range(40))
    (tmp_path / name).write_bytes(pack(lines.encode(encoding)))
    assert len(verbs.replay(Asked(str(tmp_path / name))).trace.arrivals) == 40


def test_no_figure_is_cut_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "60")
    replay_tasks.replay(Context(), "office", picture="none", all=True)
    text = capsys.readouterr().out
    assert "…" not in text
    found = verbs.replay(Asked("office"))
    assert all(f"{figure:,.2f}" in text for result in found.results for figure in (result.cost, result.total))


def test_an_empty_log_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "a.log").touch()
    with pytest.raises(SettingsError, match=r"a\.log is empty"):
        verbs.replay(Asked(str(tmp_path / "a.log")))
