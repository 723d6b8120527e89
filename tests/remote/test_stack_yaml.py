"""`fab` reads a stack file as Pulumi does, or refuses it with the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from core.errors import SettingsError
from remote import stack_files, stack_yaml
from tests.stack_yaml_cases import REFUSED, SAME

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("lines", "values"), SAME.values(), ids=SAME.keys())
def test_as_pulumi_reads_it(lines: str, values: dict[str, Any]) -> None:
    found = stack_yaml.read(f"config:\n{lines}", "stack.yaml")
    assert found == values
    assert repr(found) == repr({key: values[key] for key in found})  # True is not 1, and 1.0 is 1


@pytest.mark.parametrize(("lines", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(lines: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        stack_yaml.read(f"config:\n{lines}", "stack.yaml")
    assert words in str(caught.value)
    assert str(caught.value).startswith("stack.yaml")


@pytest.mark.parametrize("path", sorted((ROOT / "stacks").glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_our_own_files_mean_the_same_to_every_reader(path: Path) -> None:
    text = path.read_text()
    assert stack_yaml.read(text, path.name) == yaml.safe_load(text)["config"]


def test_a_mark_of_byte_order_is_no_part_of_the_first_key() -> None:
    assert stack_yaml.read("\ufeffconfig:\n  pilotlight:a: x\n", "f") == {"pilotlight:a": "x"}


HEAD = "encryptionsalt: v1:salt\nconfig:\n  engines: {a: {model: Qwen/Qwen3-0.6B}}\n"


def settings(folder: Path, config: str, project: str = "name: pilotlight\n") -> object:
    (folder / "stacks").mkdir()
    path = folder / "stacks" / "Pulumi.lab.yaml"
    path.write_bytes(
        f"encryptionsalt: v1:salt\nconfig:\n  engines: {{a: {{model: Qwen/Qwen3-0.6B}}}}\n{config}".encode("latin-1")
    )
    (folder / "Pulumi.yaml").write_text(project)
    return stack_files._settings(path, "lab", to_deploy=False)


def test_a_key_without_a_namespace_counts(tmp_path: Path) -> None:
    found: Any = settings(tmp_path, "  idle: {stopAfter: 10m, maxLease: off}\n  gateway: none\n")
    assert (found.idle.stop_after, found.idle.max_lease, found.gateway) == (600, 0, None)


def test_what_only_pulumi_would_see_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Pulumi\.yaml has a `config:` of its own"):
        settings(tmp_path, "", "name: pilotlight\nconfig: {pilotlight:idle: {value: {stopAfter: 10m}}}\n")


def test_a_file_in_another_encoding_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Pulumi\.lab\.yaml cannot be read: it is not in UTF-8. Save it as UTF-8"):
        settings(tmp_path, "  # für\n")


def test_a_line_that_cannot_be_read_is_not_shown() -> None:
    with pytest.raises(SettingsError, match=r"^f line 4 cannot be read: mapping values are not allowed") as caught:
        stack_yaml.read("config:\n  pilotlight:webui:\n    adminEmail: a@b.org\n    adminPassword: s3cr3t: x\n", "f")
    assert "s3cr3t" not in str(caught.value)
    with pytest.raises(
        SettingsError, match=r"line 2: .* `adminPassword` \(not shown\) for text; put it in quotes"
    ) as caught:
        stack_yaml.read("config:\n  webui: {adminPassword: 0815_4711}\n", "f")
    assert "0815" not in str(caught.value)
