"""Where a domain must point before a certificate authority is asked."""

import pytest

from core.certificates import not_here

HERE = "203.0.113.9"


@pytest.mark.parametrize(
    ("found", "part"),
    [
        ((HERE,), ""),
        ((), "has no address yet. Make an A record llm.example.org → 203.0.113.9"),
        (("198.51.100.1",), "points to 198.51.100.1, and the gateway is 203.0.113.9"),
        (("198.51.100.1", "2001:db8::1"), "points to 198.51.100.1, 2001:db8::1, and the gateway is"),
        ((HERE, "198.51.100.1"), "points to 198.51.100.1 too"),
        ((HERE, "2001:db8::1"), "without AAAA records"),
    ],
)
def test_it_points_at_the_gateway_and_nowhere_else(found: tuple[str, ...], part: str) -> None:
    said = not_here("llm.example.org", HERE, found)
    assert part in said
    assert bool(said) is bool(part)
