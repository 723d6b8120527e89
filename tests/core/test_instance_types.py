import pytest

from core.errors import SettingsError
from core.instance_types import architecture


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
