"""`fab keys.*` over the script that runs on the gateway, here in a folder and with a stand-in for HAProxy's socket."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.contract.documents import ApiKeys
from core.contract.network import CHECK_KEY, KEY_MEMORY_S
from core.errors import DeployError, SettingsError
from remote import key_tasks
from remote.items.keys import KeyFiles, KeysFile, NoKey
from remote.machines.facts import Facts
from remote.machines.transport import Result
from remote.scripts import edit_keys
from remote.services.keys import Keys, hash_of
from remote.verbs import keys
from remote.verbs.keys import Door, Wanted

ZONE = "Europe/Berlin"


class Admin:
    """HAProxy's admin socket with one map, and what it heard."""

    def __init__(self, path: Path) -> None:
        self.map: dict[str, str] = {}
        self.heard, self.refuses, self.table = list[str](), "", ""
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return  # closed: the test is over
            with connection:
                connection.sendall(f"{self._answer(connection.recv(4096).decode().split())}\n".encode())

    def _answer(self, words: list[str]) -> str:
        match words:
            case ["show", "info"]:
                return "Name: HAProxy"
            case ["show", "table", _]:
                return self.table
            case ["show", "map", _]:
                return "\n".join(f"0x{n} {key} {value}" for n, (key, value) in enumerate(self.map.items()))
        self.heard.append(" ".join([words[0], *words[3:]]))
        if self.refuses:
            return self.refuses
        if words[0] == "del":
            return "" if self.map.pop(words[3], None) else "Key not found."
        self.map[words[3]] = words[4]
        return ""

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()


class Gateway:
    """A folder in the place of a gateway. `meanwhile` is done before a change is carried out, once."""

    role = "gateway"

    def __init__(self, folder: Path) -> None:
        self.files = KeyFiles(*(str(folder / name) for name in ("etc/keys.json", "etc/keys.map", "sock")), group="")
        self.folder, self.programs = folder / "etc", list[str]()
        self.meanwhile: Callable[[], Any] | None = None
        self.ledger = Result(0, '{"tokens": {}}', "")

    def run(self, script: str, *, stdin: bytes = b"", timeout_s: float = 60.0) -> Result:
        if "runtime.gateway.usage" in script:
            return self.ledger
        self.programs.append(stdin.decode())
        if b'"only_if": ""' not in stdin and self.meanwhile:
            todo, self.meanwhile = self.meanwhile, None
            todo()
        done = subprocess.run(["sh", "-c", script], input=stdin, capture_output=True, check=False)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def apply(self, item: Any) -> None:
        for order in item.orders(Facts()):
            done = self.run(order.script, stdin=order.stdin)
            assert done.code == 0, done.err

    def there(self) -> ApiKeys:
        return ApiKeys.from_json((self.folder / "keys.json").read_text())


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    made = Gateway(tmp_path)
    made.apply(KeysFile(made.files))
    return made


@pytest.fixture
def admin(gateway: Gateway) -> Iterator[Admin]:
    made = Admin(Path(gateway.files.socket))
    yield made
    made.close()


@pytest.fixture
def at(gateway: Gateway) -> Door:
    return Door("lab", "http://a/v1", ZONE, Keys(gateway, gateway.files))  # type: ignore[arg-type]


def test_a_key_is_on_disk_in_the_map_and_in_haproxy_as_a_hash(gateway: Gateway, admin: Admin, at: Door) -> None:
    made = keys.add(at, Wanted("ann", quiet=True, rpm=10, expires="30d"))
    key = gateway.there().named("ann")
    assert key is not None
    assert key.sha256 == hash_of(made.key.secret)
    assert (key.quiet, key.rpm, key.tokens_per_day, key.operator) == (True, 10, None, False)
    assert key.expires == pytest.approx(key.created + 30 * 86400)
    line = f"ann:{int(key.expires)}:10:1:0"
    assert (gateway.folder / "keys.map").read_text() == f"{key.sha256} {line}\n"
    assert admin.map == {key.sha256: line}
    kept = "".join(path.read_text() for path in gateway.folder.iterdir())
    assert made.key.secret not in kept + "".join(gateway.programs)
    modes = {path.name: path.stat().st_mode & 0o777 for path in gateway.folder.iterdir()}
    assert modes == {"keys.json": 0o640, "keys.map": 0o640, "keys.json.lock": 0o600}


def test_a_revoked_key_is_nowhere(gateway: Gateway, admin: Admin, at: Door) -> None:
    keys.add(at, Wanted("ann"))
    keys.add(at, Wanted("bob"))
    assert keys.revoke(at, "ann")
    assert [key.name for key in gateway.there().keys] == ["bob"]
    assert list(admin.map.values()) == ["bob:0:0:0:0"]
    assert (gateway.folder / "keys.map").read_text().count("\n") == 1


def test_rotated_with_grace_both_are_there(gateway: Gateway, admin: Admin, at: Door) -> None:
    old = keys.add(at, Wanted("ann", rpm=5))
    new = keys.rotate(at, "ann", grace_s=3600)
    first, second = gateway.there().keys
    assert (first.sha256, second.sha256) == (hash_of(old.key.secret), hash_of(new.key.secret))
    assert new.old_until == first.expires == pytest.approx(second.created + 3600)
    assert admin.map == {first.sha256: f"ann:{int(first.expires or 0)}:5:0:0", second.sha256: "ann:0:5:0:0"}
    assert keys.rotate(at, "ann").old_until is None
    assert len(gateway.there().keys) == len(admin.map) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda at: keys.add(at, Wanted("ann")), "There is a key `ann` already"),
        (lambda at: keys.add(at, Wanted("eve", expires="2020-01-01 09:00")), "in the past"),
        (lambda at: keys.add(at, Wanted("webui")), "the chat page's own"),
        (lambda at: keys.revoke(at, "eve"), "The keys are ann"),
        (lambda at: keys.rotate(at, "eve"), "The keys are ann"),
        (lambda at: keys.rotate(at, "webui"), "the chat page's own"),
    ],
)
def test_what_is_refused_changes_nothing(
    gateway: Gateway, admin: Admin, at: Door, wrong: Callable[[Door], Any], said: str
) -> None:
    keys.add(at, Wanted("ann"))
    before, admin.heard = gateway.there(), []
    with pytest.raises(SettingsError, match=said):
        wrong(at)
    assert (gateway.there(), admin.heard) == (before, [])


def test_a_key_that_another_operator_adds_meanwhile_is_not_lost(gateway: Gateway, admin: Admin, at: Door) -> None:
    gateway.meanwhile = lambda: keys.add(at, Wanted("bob"))
    keys.add(at, Wanted("ann"))
    assert {key.name for key in gateway.there().keys} == {"ann", "bob"}
    assert len(admin.map) == 2


def test_a_name_that_another_operator_takes_meanwhile_is_refused(gateway: Gateway, admin: Admin, at: Door) -> None:
    gateway.meanwhile = lambda: keys.add(at, Wanted("ann"))
    with pytest.raises(SettingsError, match="There is a key `ann` already"):
        keys.add(at, Wanted("ann"))
    assert len(gateway.there().keys) == 1


@pytest.mark.parametrize("died_after", ["keys.json", "keys.map"])
def test_what_a_crash_left_is_mended_by_the_next_call(
    gateway: Gateway, admin: Admin, at: Door, died_after: str
) -> None:
    keys.add(at, Wanted("ann"))
    keys.add(at, Wanted("bob"))
    map_, live = (gateway.folder / "keys.map").read_text(), dict(admin.map)
    keys.revoke(at, "ann")
    after = dict(admin.map)
    admin.map = live  # as if the call had died on its way
    if died_after == "keys.json":
        (gateway.folder / "keys.map").write_text(map_)
    keys.listed(at)
    assert admin.map == after
    assert (gateway.folder / "keys.map").read_text().count("\n") == 1


def test_a_key_of_a_deployments_check_is_left_alone(admin: Admin, at: Door) -> None:
    admin.map = {"CHECK": f"{CHECK_KEY}:0:0:0:0", "STRAY": "nobody:0:0:0:0"}
    keys.listed(at)
    assert admin.map == {"CHECK": f"{CHECK_KEY}:0:0:0:0"}


def test_without_a_haproxy_the_file_is_written_and_the_user_told(gateway: Gateway, at: Door) -> None:
    made = keys.add(at, Wanted("ann"))
    assert not made.running
    assert "HAProxy does not run on the gateway" in keys.words(made, at)[-1]
    assert gateway.there().named("ann")


def test_a_haproxy_that_refuses_is_an_error_that_says_what_stands(gateway: Gateway, admin: Admin, at: Door) -> None:
    admin.refuses = "Permission denied"
    with pytest.raises(DeployError, match=r"the keys are written, but .* Permission denied; run the command again"):
        keys.add(at, Wanted("ann"))


@pytest.mark.parametrize("text", ["{", "[]", '{"keys": 7}', '{"keys": [{}]}'])
def test_a_damaged_file_is_left_as_it_is(gateway: Gateway, at: Door, text: str) -> None:
    (gateway.folder / "keys.json").write_text(text)
    with pytest.raises(DeployError, match=r"keys\.json cannot be read .* nothing was changed"):
        keys.add(at, Wanted("ann"))
    assert (gateway.folder / "keys.json").read_text() == text


@pytest.mark.parametrize("folder", [True, False])
def test_a_gateway_without_keys_says_what_makes_them(tmp_path: Path, folder: bool) -> None:
    bare = Gateway(tmp_path)
    if folder:
        bare.folder.mkdir()
    with pytest.raises(DeployError, match="`fab deploy` makes it"):
        Keys(bare, bare.files).read()  # type: ignore[arg-type]


def test_others_who_never_stop_changing_keys_are_said(gateway: Gateway, at: Door, monkeypatch: Any) -> None:
    monkeypatch.setattr("remote.services.keys.TRIES", 1)
    gateway.meanwhile = lambda: gateway.apply(NoKey("x", gateway.files)) or keys.add(at, Wanted("bob"))
    monkeypatch.setattr(gateway, "run", lambda *a, run=gateway.run, **k: run(*a, **k))
    with pytest.raises(DeployError, match="Others keep changing keys"):
        keys.add(at, Wanted("ann"))


def test_the_list_says_what_haproxy_remembers(gateway: Gateway, admin: Admin, at: Door) -> None:
    keys.add(at, Wanted("ann", rpm=1200, quiet=True, expires="30d"))
    keys.add(at, Wanted("bob"))
    keys.rotate(at, "ann", grace_s=60)
    left_ms = int((KEY_MEMORY_S - 90) * 1000)
    admin.table = f"# table: keys, type: string\n0x1: key=ann use=0 exp={left_ms} shard=0 conn_cur=0 http_req_cnt=7\n"
    bob, old, ann = keys.listed(at).rows
    assert [(row.record.name, row.state.value) for row in (old, ann, bob)] == [
        ("ann", "replaced"),
        ("ann", "valid"),
        ("bob", "valid"),
    ]
    assert ann.used is not None
    assert (ann.used.requests, old.used, bob.used) == (7, None, None)
    told = ann.as_dict(ZONE)
    assert (told["requests"], told["rpm"], told["quiet"], told["state"]) == (7, 1200, True, "valid")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+0[12]:00", told["last_used"])
    assert bob.as_dict(ZONE)["requests"] is None
    assert "sha256" not in told
    assert "1,200 requests a minute, wakes nothing, until " in keys.limits(ann.record, ZONE)
    assert keys.limits(bob.record, ZONE) == "no limits"


def test_tokens_are_said_of_keys_whose_tokens_are_counted(gateway: Gateway, admin: Admin, at: Door) -> None:
    keys.add(at, Wanted("ann", tokens_per_day=5000))
    keys.add(at, Wanted("new", tokens_per_day=5000))
    keys.add(at, Wanted("bob"))
    gateway.ledger = Result(0, '{"tokens": {"ann": 1234, "bob": 7}}', "")
    found = keys.listed(at)
    assert ([row.tokens for row in found.rows], found.problem) == ([1234, 0, None], "")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Result(1, "", "Redis is full\n"), "Redis is full"),
        (Result(2, "", "sh: cd: no such folder"), "no such folder"),
        (Result(0, "[]", ""), "its answer cannot be read"),
    ],
)
def test_a_ledger_that_cannot_be_read_hides_no_key(
    gateway: Gateway, admin: Admin, at: Door, answer: Result, said: str
) -> None:
    keys.add(at, Wanted("ann", tokens_per_day=5000))
    gateway.ledger = answer
    found = keys.listed(at)
    assert [(row.record.name, row.tokens) for row in found.rows] == [("ann", None)]
    assert said in found.problem


def test_a_change_travels_by_standard_input_and_names_the_file_only(gateway: Gateway) -> None:
    (order,) = NoKey("bob", gateway.files).orders(Facts())
    assert order.script == f"python3 - {gateway.files.file}"


@pytest.mark.parametrize("verb", ["add", "list", "revoke", "rotate"])
def test_json_and_words(
    verb: str, admin: Admin, at: Door, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys.add(at, Wanted("ann"))
    monkeypatch.setattr(keys, "door", lambda stack, identity: at)
    name, run = (["bob"] if verb == "add" else [] if verb == "list" else ["ann"]), key_tasks.namespace[verb]
    run.body(None, *name, json=True)
    answer = json.loads(capsys.readouterr().out)
    assert (answer["verb"], answer["stack"], answer["schema_version"]) == (f"keys.{verb}", "lab", 1)
    page = (Path(__file__).parents[3] / "docs/json.md").read_text()
    rows = answer["data"]["keys"] if verb == "list" else [answer["data"]]
    assert not [field for row in rows for field in row if f"`{field}`" not in page]
    if verb in ("add", "rotate"):
        assert answer["data"]["key"].startswith("sk-pl-")
    if verb == "revoke":
        keys.add(at, Wanted("ann"))
    run.body(None, *(["eve"] if verb == "add" else name), json=False)
    said = capsys.readouterr().out
    assert said.count("sk-pl-") == (verb in ("add", "rotate"))
    assert ("eve" if verb == "add" else "ann") in said


def test_the_map_of_a_name_in_grace_has_the_names_limits_twice() -> None:
    record = {"name": "ann", "sha256": "A", "expires": 9.7, "rpm": 5, "quiet": False, "tokens_per_day": None}
    assert edit_keys.map_lines([record, record | {"sha256": "B", "expires": None}]) == {
        "A": "ann:9:5:0:0",
        "B": "ann:0:5:0:0",
    }
    assert edit_keys.map_lines([record | {"tokens_per_day": 9}]) == {"A": "ann:9:5:0:1"}


def test_a_new_gateway_has_neither_folder_yet(tmp_path: Path) -> None:
    """keys.json is on the data volume and the map is not."""
    gateway = Gateway(tmp_path)
    files = KeyFiles(str(tmp_path / "data/keys.json"), str(tmp_path / "other/keys.map"), gateway.files.socket, group="")
    (order,) = KeysFile(files).orders(Facts())
    assert gateway.run(order.script, stdin=order.stdin).code == 0
    assert (tmp_path / "data/keys.json").exists()
    assert (tmp_path / "other/keys.map").exists()


def test_a_file_that_cannot_be_written_is_one_message_and_stays(gateway: Gateway, admin: Admin, at: Door) -> None:
    """As on a full data volume."""
    keys.add(at, Wanted("ann"))
    before = (gateway.folder / "keys.json").read_text()
    (gateway.folder / "keys.json.new").mkdir()
    with pytest.raises(
        DeployError, match=r"keys\.json cannot be written: Is a directory\. Mend that, then run"
    ) as error:
        keys.add(at, Wanted("bob"))
    assert "Traceback" not in str(error.value)
    assert (gateway.folder / "keys.json").read_text() == before
