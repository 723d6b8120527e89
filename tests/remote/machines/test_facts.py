"""The program that gathers facts runs here as it does on a machine, and hashes as the items do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from core.errors import DeployError
from remote.items.files import File, Tree
from remote.machines import facts
from remote.machines.facts import Query


def gather(query: Query) -> facts.Facts:
    done = subprocess.run([sys.executable, "-"], input=facts.script(query), capture_output=True, text=True, check=True)
    return facts.read(done.stdout, "host")


def test_files_trees_and_texts_are_told_as_they_are(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path / "app"), {"core/a.py": b"A = 1\n", "runtime/gateway/b.py": b"", "z.py": b"z"})
    for name, content in tree.files.items():
        path = tmp_path / "app" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "app/core/__pycache__").mkdir()
    (tmp_path / "app/core/__pycache__/a.pyc").write_bytes(b"byte code")
    file = File(str(tmp_path / "it's.yaml"), b"x")
    Path(file.path).write_bytes(b"x")
    Path(file.path).chmod(0o640)
    found = gather(
        Query(
            users=("root", "nobody-of-this-name"),
            files=(file.path, str(tmp_path / "none")),
            trees=(tree.path, str(tmp_path / "no-tree")),
            texts=(file.path, str(tmp_path / "none")),
            listings=(str(tmp_path / "app"), str(tmp_path / "none")),
            paths=(str(tmp_path), "/no/such/path"),
        )
    )
    assert found.trees == {tree.path: tree.digest, str(tmp_path / "no-tree"): ""}
    assert found.files[file.path].sha256 == file.digest
    assert found.files[file.path].mode == 0o640
    assert set(found.files) == {file.path}
    assert found.texts == {file.path: "x", str(tmp_path / "none"): ""}
    assert found.listings[str(tmp_path / "app")] == ("core", "runtime", "z.py")
    assert found.listings[str(tmp_path / "none")] == ()
    assert found.paths == {str(tmp_path)}
    assert "root" in found.users["root"]
    assert "nobody-of-this-name" not in found.users


def test_a_changed_file_changes_the_tree(tmp_path: Path) -> None:
    tree = Tree(str(tmp_path), {"a.py": b"1"})
    (tmp_path / "a.py").write_bytes(b"2")
    assert tree.reason(gather(tree.query())) == "content differs"


def test_what_is_not_json_is_told_with_the_machine() -> None:
    with pytest.raises(DeployError, match=r"The gateway did not tell its facts: bash: python3"):
        facts.read("bash: python3: not found", "gateway")


def test_the_query_travels_as_json() -> None:
    text = facts.script(Query(texts=("/etc/it's \\ strange",)))
    assert json.loads(eval(text.rsplit("json.loads(", 1)[1].rsplit("))", 1)[0]))["texts"] == ["/etc/it's \\ strange"]
