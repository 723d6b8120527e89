"""Tags that operations edit, and what counts where one cannot be read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from core.contract.tags import TAG_AUTO_STOP, TAG_MAX_LEASE, TAG_SCHEDULE
from core.lease import State
from core.overrides import limits
from core.policy import Action
from core.settings.model import Idle
from core.times.schedule import Schedule
from tests.core.policy_cases import NOON, OFFICE, decided, lease
from tests.samples import unit_settings

MALFORMED = [
    (TAG_AUTO_STOP, "30 minuts"),
    (TAG_AUTO_STOP, "0m"),
    (TAG_SCHEDULE, "always"),
    (TAG_SCHEDULE, "mum-fri 9-18"),
    (TAG_MAX_LEASE, "12"),
    (TAG_MAX_LEASE, "0s"),
]


class TestTags:
    @pytest.mark.parametrize(
        ("tag", "ago", "action"),
        [("10m", 599, Action.KEEP), ("10m", 600, Action.DRAIN), ("off", 9999, Action.KEEP), ("OFF", 9999, Action.KEEP)],
    )
    def test_auto_stop_overrides(self, tag: str, ago: float, action: Action) -> None:
        of = lease(State.RUNNING, since=NOON - 99999, ready_at=None, demand_at=NOON - ago)
        assert decided(of, facts={"tags": {TAG_AUTO_STOP: tag}}).action is action

    def test_max_lease_overrides(self) -> None:
        of = lease(State.RUNNING, ready_at=NOON - 9000, demand_at=NOON - 3600)
        assert decided(of, facts={"tags": {TAG_MAX_LEASE: "1h"}}).action is Action.FORCE
        assert (
            decided(of, facts={"tags": {TAG_MAX_LEASE: "off"}}, max_lease_s=60.0, stop_after_s=None).action
            is Action.KEEP
        )

    @pytest.mark.parametrize(("tag", "value"), MALFORMED)
    def test_a_malformed_tag_keeps_and_is_reported(self, tag: str, value: str) -> None:
        of = lease(State.RUNNING, demand_at=NOON - 4000, ready_at=NOON - 99999, since=NOON - 99999)
        decision = decided(of, facts={"tags": {tag: value}}, stop_after_s=1800.0, max_lease_s=7200.0)
        assert (decision.action, decision.alert) == (Action.KEEP, "tag")
        assert tag in decision.also
        assert value in decision.also
        assert tag not in decision.reason  # or it would stand in the lease's history for ever

    @pytest.mark.parametrize(("tag", "value"), MALFORMED)
    def test_a_malformed_tag_does_not_switch_max_lease_off(self, tag: str, value: str) -> None:
        of = lease(State.RUNNING, demand_at=NOON - 7200, ready_at=NOON - 99999, since=NOON - 99999)
        decision = decided(of, facts={"tags": {tag: value}}, max_lease_s=7200.0)
        assert (decision.action, decision.alert) == (Action.FORCE, "max-lease")

    @pytest.mark.parametrize(("tag", "value"), MALFORMED)
    def test_a_malformed_tag_leaves_the_others_alone(self, tag: str, value: str) -> None:
        good = {TAG_AUTO_STOP: "10m", TAG_MAX_LEASE: "3h", TAG_SCHEDULE: "daily 11:00-13:00"}
        found = limits(unit_settings(max_lease_s=7200.0), good | {tag: value})
        assert found.max_lease_s == (7200.0 if tag == TAG_MAX_LEASE else 3 * 3600.0)
        schedule = Schedule("0 11 * * *", "0 13 * * *", "UTC")
        assert found.schedule == (None if tag == TAG_SCHEDULE else schedule)
        assert found.stop_after_s is None, "kept running until it is corrected"
        assert tag in found.problem
        assert "maxLease still ends it" in found.problem

    @pytest.mark.parametrize(
        "wrong", [{"time_zone": "Europe"}, {"schedule_on": "9 o'clock"}, {"schedule_off": "0 18 * * foo"}]
    )
    @pytest.mark.parametrize("tags", [{}, {TAG_SCHEDULE: "daily 9-18"}])
    def test_a_schedule_that_an_older_version_took_does_not_end_the_pass(
        self, wrong: dict[str, str], tags: dict[str, str]
    ) -> None:
        of = lease(State.RUNNING, demand_at=NOON - 7200, ready_at=NOON - 99999, since=NOON - 99999)
        decision = decided(of, facts={"tags": tags}, **OFFICE | wrong, max_lease_s=7200.0)
        assert (decision.action, decision.alert) == (Action.FORCE, "max-lease")

    def test_every_malformed_tag_is_named(self) -> None:
        found = limits(unit_settings(), dict(MALFORMED))
        assert all(tag in found.problem and value in found.problem for tag, value in dict(MALFORMED).items())

    @pytest.mark.parametrize("key", ["stopAfter", "maxLease"])
    @pytest.mark.parametrize(
        "text",
        [
            *("0m", "0s", "", " ", "-5m", "30", "none", "30 minuts", "1h30", "OFF", "off", "30m", "4s", "5s", "299s"),
            *("5m", "366d", "367d", "9" * 30 + "d", "３０m"),
        ],
    )
    def test_a_tag_and_the_file_read_a_limit_alike(self, text: str, key: str) -> None:
        """Whatever a tag says is what `idle.stopAfter` and `idle.maxLease` would say, or both refuse it."""
        tag = {"stopAfter": TAG_AUTO_STOP, "maxLease": TAG_MAX_LEASE}[key]
        from_tag = limits(unit_settings(), {tag: text})
        try:
            from_file = Idle.model_validate({key: text})
        except ValidationError as error:
            refused = str(error.errors()[0]["ctx"]["error"])
        else:
            refused = ""
            wanted = from_file.stop_after if key == "stopAfter" else from_file.max_lease
            assert (from_tag.stop_after_s or 0.0 if key == "stopAfter" else from_tag.max_lease_s) == wanted
        assert (refused in from_tag.problem) if refused else not from_tag.problem
