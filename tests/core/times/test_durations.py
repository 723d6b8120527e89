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


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (-5, "0s"), (59.9, "59s"), (1760, "29m 20s"), (5400, "1h 30m"), (90061, "1d 1h")]
)
def test_show_has_the_two_largest_units(seconds: float, text: str) -> None:
    assert durations.show(seconds) == text
