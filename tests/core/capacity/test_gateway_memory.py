"""What fits on a gateway, against EC2's answers as moto copied them."""

from __future__ import annotations

import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from core.capacity.gateway_memory import memory_mib, needed_mib, too_small
from core.settings.model import Gateway, Webui

PAGE_MIB = Webui().memory_mib


def test_the_memory_by_name_is_what_ec2_answers() -> None:
    known = {name: mib for name in INSTANCE_TYPES if (mib := memory_mib(name)) is not None}
    wrong = {name: mib for name, mib in known.items() if INSTANCE_TYPES[name]["MemoryInfo"]["SizeInMiB"] != mib}
    assert wrong == {}
    assert {"t4g.micro", "t3a.small", "t2.2xlarge", "m7g.medium", "c6i.large", "r8g.4xlarge", "a1.medium"} <= set(known)


@pytest.mark.parametrize("name", ["g6.xlarge", "m3.medium", "c5n.large", "t1.micro", "u-6tb1.metal", "m7i.metal"])
def test_what_the_name_does_not_tell_is_not_guessed(name: str) -> None:
    assert memory_mib(name) is None
    assert too_small(name, PAGE_MIB) == ""


def test_the_default_gateway_has_room_for_the_default_page() -> None:
    assert too_small(Gateway().instance_type, PAGE_MIB) == ""


@pytest.mark.parametrize(
    ("name", "page_mib", "fits"),
    [
        ("t4g.nano", 0, "t4g.micro"),
        ("t4g.micro", PAGE_MIB, "t4g.small"),
        ("t4g.small", 2000, "t4g.medium"),
        ("m7g.medium", 4000, "m7g.large"),
        ("c7g.medium", 1400, "c7g.large"),
    ],
)
def test_a_type_that_is_too_small_is_told_with_the_smallest_that_fits(name: str, page_mib: int, fits: str) -> None:
    said = too_small(name, page_mib)
    assert said.startswith(f"{name} has {memory_mib(name)} MiB of memory")
    assert said.endswith(f"The smallest of its family that fits is {fits}")
    assert ("chat page" in said) is bool(page_mib)
    assert too_small(fits, page_mib) == ""


def test_where_no_type_of_a_family_fits_it_says_so() -> None:
    assert too_small("t4g.small", 60000).endswith("No type of its family fits")


def test_redis_takes_more_on_a_larger_machine_up_to_its_bound() -> None:
    assert needed_mib(2048, 0) - needed_mib(1024, 0) == 64
    assert needed_mib(65536, 0) == needed_mib(8192, 0)
