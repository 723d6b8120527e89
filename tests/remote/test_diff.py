"""Diffs of a plan: what a person reads of a file that would change, and what nobody may read of one."""

from __future__ import annotations

import hashlib

import pytest

from remote import diff
from remote.items.files import File, Tree
from remote.items.secrets import DrawnSecret
from remote.items.system import Packages
from remote.machines.facts import Facts, FileFact, Query
from remote.plan import Step

CONFIG = File("/etc/x.yaml", b"a: 1\nb: 2\nc: 3\n")


def fact(content: bytes, mode: int = 0o644) -> FileFact:
    return FileFact(hashlib.sha256(content).hexdigest(), mode, "root", "root")


def shown(file: File, before: bytes | None, mode: int = 0o644) -> list[str]:
    planned = Facts() if before is None else Facts(files={file.path: fact(before, mode)})
    asked = Facts(bodies={file.path: (before or b"").decode()})
    return [line.strip() for line in diff.lines(Step(file, "differs"), planned, asked)]


def test_a_hand_edited_file_is_a_unified_diff() -> None:
    assert shown(CONFIG, b"a: 1\nb: 9\nc: 3\n") == [
        "--- /etc/x.yaml",
        "+++ /etc/x.yaml",
        "@@ -1,3 +1,3 @@",
        "a: 1",
        "-b: 9",
        "+b: 2",
        "c: 3",
    ]


def test_a_missing_file_is_all_new() -> None:
    assert shown(CONFIG, None) == ["--- /dev/null", "+++ /etc/x.yaml", "@@ -0,0 +1,3 @@", "+a: 1", "+b: 2", "+c: 3"]


def test_a_mode_is_said_without_a_diff() -> None:
    assert shown(CONFIG, CONFIG.content, 0o666) == ["/etc/x.yaml: 666 root:root → 644 root:root"]


def test_a_json_document_is_compared_by_its_fields() -> None:
    file = File("/etc/x.json", b'{"a": 1, "b": {"c": 2}}')
    said = shown(file, b'{"a": 1, "b": {"c": 3}}')
    assert [line.replace(" ", "") for line in said if line[0] in "-+"][2:] == ['-"c":3', '+"c":2']
    assert shown(file, b"edited by hand")[3] == "-edited by hand"


def test_a_file_that_only_some_may_read_is_neither_read_nor_shown() -> None:
    secret = File("/etc/secret", b"very secret", mode=0o600)
    step = Step(secret, "missing")
    assert diff.query([step]) == Query()
    assert shown(secret, b"other", 0o600) == ["/etc/secret: its contents are secret, and not shown"]
    drawn = Step(DrawnSecret("/etc/drawn", "x ", "redis", ()), "missing")
    assert diff.lines(drawn, Facts(), Facts()) == ["  /etc/drawn: its contents are secret, and not shown"]


def test_what_is_asked_of_the_machine() -> None:
    steps = [Step(CONFIG, "differs"), Step(Tree("/opt/app", {}), "differs"), Step(Packages(("x",)), "missing")]
    assert diff.query(steps) == Query(bodies=("/etc/x.yaml",), tree_files=("/opt/app",))


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        ("password: hunter2 and more", "password: ••••"),
        ('  "api_key": "abc",', '  "api_key": ••••'),
        ("HF_TOKEN=hf_short", "HF_TOKEN=••••"),
        ("requirepass sk-pl-0123456789abcdef", "requirepass ••••"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ••••"),
        ("url: redis://user:hunter2@host/0", "url: redis://user:••••@host/0"),
        ("AKIAABCDEFGHIJKLMNOP", "••••"),
        ("max-num-batched-tokens: 8192", "max-num-batched-tokens: 8192"),
        ('"session_tokens": 100', '"session_tokens": 100'),
        ("timeout client 30s", "timeout client 30s"),
    ],
)
def test_what_looks_like_a_secret_is_masked(line: str, masked: str) -> None:
    assert diff.mask(line) == masked


def test_a_secret_that_somebody_wrote_into_a_file_is_masked_in_its_diff() -> None:
    said = "\n".join(shown(CONFIG, b"a: 1\npassword: hunter2\n"))
    assert "-password: ••••" in said
    assert "hunter2" not in said


def test_a_folder_is_a_list_of_files() -> None:
    tree = Tree("/opt/app", {"same.py": b"1", "changed.py": b"2", "new.py": b"3"})
    found = {name: hashlib.sha256(text).hexdigest() for name, text in (("same.py", b"1"), ("changed.py", b"x"))}
    asked = Facts(tree_files={"/opt/app": found | {"gone.py": "y"}})
    assert diff.lines(Step(tree, "content differs"), Facts(), asked) == [
        "  ~ /opt/app/changed.py",
        "  - /opt/app/gone.py",
        "  + /opt/app/new.py",
    ]
    many = Tree("/opt/app", {f"{n:02}.py": b"" for n in range(25)})
    assert diff.lines(Step(many, "missing"), Facts(), Facts())[-1] == "  and 5 more files"
