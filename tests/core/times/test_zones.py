"""Time zones: one list everywhere, whatever the system has."""

from __future__ import annotations

import zoneinfo

import pytest

from core.errors import SettingsError
from core.times import zones


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Asia/Kathmandu", "GB"])
def test_names_of_the_database_are_time_zones(name: str) -> None:
    assert zones.zone(name).key == name


@pytest.mark.parametrize(
    "name",
    [
        *("", "Europe", "Europe/", "America/Argentina", "Mars/Base", "europe/berlin", " UTC", "UTC+2", "Factory"),
        *("../Europe/Berlin", "/etc/localtime", "localtime", "posix/Europe/Berlin", "right/UTC", "tzdata.zi", "zones"),
    ],
)
def test_nothing_else_is(name: str) -> None:
    with pytest.raises(SettingsError, match="is not a time zone"):
        zones.zone(name)


def test_the_system_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    before = zones.names()
    zones.names.cache_clear()
    zones.zone.cache_clear()
    zoneinfo.reset_tzpath(())
    try:
        assert zones.names() == before
        assert all(zones.zone(name).key == name for name in before)
    finally:
        zoneinfo.reset_tzpath()


def test_a_part_of_the_world_names_what_is_in_it() -> None:
    assert "America/Argentina/Buenos_Aires" in zones.inside("America/Argentina")
    assert zones.inside("Europe/") == zones.inside("Europe") != ()
    assert zones.inside("Mars") == ()
