import pytest

from core.errors import SettingsError
from core.times import durations


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("30m", 1800), ("1h30m", 5400), ("2d", 172800), ("1d1h1m1s", 90061), ("0s", 0)]
)
def test_parse_and_spell_are_inverse(text: str, seconds: float) -> None:
    assert durations.parse(text) == seconds
    assert durations.spell(seconds) == text


@pytest.mark.parametrize("text", ["30 minuts", "", "5", "m", "30m1h", "1.5h", "-1h", 30, None, "1h 30m"])
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(SettingsError, match=r"is not a duration; write e\.g\. 30m, 1h30m, 20s"):
        durations.parse(text)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["36501d", f"{'9' * 400}d", f"1d{'9' * 400}s"])
def test_a_huge_one_is_refused_and_not_repeated_at_length(text: str) -> None:
    with pytest.raises(SettingsError, match="is longer than 36500d") as refused:
        durations.parse(text)
    assert len(str(refused.value)) < 120


def test_one_longer_than_allowed_is_refused() -> None:
    assert durations.positive("2d", 2 * 86400.0) == 2 * 86400.0
    with pytest.raises(SettingsError, match='"49h" is longer than 2d; write'):
        durations.positive("49h", 2 * 86400.0)


@pytest.mark.parametrize("seconds", [float("inf"), float("nan")])
def test_what_is_no_number_of_seconds_is_our_error(seconds: float) -> None:
    for words in (durations.show, durations.spell):
        with pytest.raises(SettingsError, match="is not a duration"):
            words(seconds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-5, "0s"), (59.9, "59s"), (1760, "29m 20s"), (5400, "1h 30m"), (90061, "1d 1h")]
)
def test_show_has_the_two_largest_units(seconds: float, text: str) -> None:
    assert durations.show(seconds) == text
