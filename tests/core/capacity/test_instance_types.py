import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from core.capacity.instance_types import GPUS, Gpus, architecture
from core.errors import SettingsError
from core.money.prices import REGIONS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("g6.xlarge", "x86_64"),
        ("g4dn.xlarge", "x86_64"),
        ("g5g.xlarge", "arm64"),
        ("t4g.small", "arm64"),
        ("a1.medium", "arm64"),
        ("c7gn.large", "arm64"),
        ("u-6tb1.metal", None),
        ("p5.48xlarge", "x86_64"),
        ("gr6.4xlarge", "x86_64"),
    ],
)
def test_architecture_by_name(name: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(SettingsError, match="is not an instance type"):
            architecture(name)
    else:
        assert architecture(name) == expected


@pytest.mark.parametrize(
    ("name", "gpus", "words"),
    [
        ("g4dn.xlarge", Gpus(1, 16), "16"),
        ("g6.xlarge", Gpus(1, 24), "24"),
        ("g5.12xlarge", Gpus(4, 24), "4 × 24"),
        ("g6e.48xlarge", Gpus(8, 48), "8 × 48"),
        ("p4d.24xlarge", Gpus(8, 40), "8 × 40"),
    ],
)
def test_gpus_of_a_type(name: str, gpus: Gpus, words: str) -> None:
    assert GPUS[name] == gpus
    assert str(GPUS[name]) == words
    assert GPUS[name].gib == gpus.count * gpus.gib_each


def test_a_type_without_a_row_is_not_guessed() -> None:
    assert "m7i.xlarge" not in GPUS
    assert "g6f.large" not in GPUS  # a part of a GPU


@pytest.mark.parametrize("name", sorted(GPUS))
def test_the_table_is_what_ec2_answers(name: str) -> None:
    """As moto copied DescribeInstanceTypes; the driver leaves up to a twentieth of what is sold."""
    (gpu,) = INSTANCE_TYPES[name]["GpuInfo"]["Gpus"]
    assert gpu["Count"] == GPUS[name].count
    assert 0.93 <= gpu["MemoryInfo"]["SizeInMiB"] / 1024 / GPUS[name].gib_each <= 1.01


def test_every_gpu_type_with_a_price_is_in_the_table() -> None:
    priced = {name for region in REGIONS.values() for name in region.instance_h if name.startswith(("g", "p"))}
    assert priced <= set(GPUS)
