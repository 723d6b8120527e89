import pytest
from moto.ec2.models.instance_types import INSTANCE_TYPES

from core.capacity import gpus
from core.capacity.instance_types import FRACTIONS, GPUS, Gpus, architecture, fraction_refusal, is_nitro
from core.errors import SettingsError
from core.money import prices


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
    ("name", "has", "words"),
    [
        ("g4dn.xlarge", Gpus(1, gpus.T4), "16"),
        ("g6.xlarge", Gpus(1, gpus.L4), "24"),
        ("g5.12xlarge", Gpus(4, gpus.A10G), "4 × 24"),
        ("g6e.48xlarge", Gpus(8, gpus.L40S), "8 × 48"),
        ("p4d.24xlarge", Gpus(8, gpus.A100_40), "8 × 40"),
    ],
)
def test_gpus_of_a_type(name: str, has: Gpus, words: str) -> None:
    assert GPUS[name] == has
    assert str(GPUS[name]) == words
    assert GPUS[name].gib == has.count * has.gib_each


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
    items = (item.partition(":") for _, item in prices.table())
    priced = {name for market, _, name in items if market in set(prices.Market) and name.startswith(("g", "p"))}
    assert priced
    assert priced <= set(GPUS) | set(FRACTIONS)


@pytest.mark.parametrize("kind", sorted({has.kind for has in GPUS.values()} | set(gpus.OWN), key=str), ids=str)
def test_a_gpu_has_a_little_less_to_use_than_is_sold(kind: gpus.Gpu) -> None:
    assert 0.9 < kind.usable_gib / kind.sold_gib < 1


def test_a_part_of_a_gpu_is_known_and_refused_with_the_reason() -> None:
    """As moto copied DescribeInstanceTypes: a type of ours has whole GPUs or stands among the parts."""
    parts = {
        name for name, t in INSTANCE_TYPES.items() if any(g["Count"] == 0 for g in t.get("GpuInfo", {}).get("Gpus", []))
    }
    assert parts == set(FRACTIONS)
    assert FRACTIONS["g6f.large"] == 2861
    assert "GRID driver" in fraction_refusal("g6f.large")
    assert fraction_refusal("g6.xlarge") == ""


def test_nitro_is_what_ec2_answers() -> None:
    wrong = {
        name: told.get("Hypervisor")
        for name, told in INSTANCE_TYPES.items()
        if is_nitro(name) == (told.get("Hypervisor") == "xen")
    }
    assert wrong == {}
