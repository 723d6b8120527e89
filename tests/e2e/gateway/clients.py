"""Unmodified clients of the API, each in a folder of its own in the cache: made once, from PyPI, npm and Go's proxy.

Of openai-go the three versions that an empty line after a comment is known to break; each takes minutes to compile on
two cores, so no newer one. Old versions of anthropic send their key as x-api-key. To add a client: an entry in
`CLIENTS`. `client_programs/` has what they run: `stream.*` chat, `responses.*` and `messages.*` the other dialects.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from local import folders

HERE = Path(__file__).with_name("client_programs")
MADE = "made"  # in a client's folder, once it is whole
CHAT = '{"model": "chat", "stream": true, "messages": [{"role": "user", "content": "hi"}]}'


@dataclass(frozen=True)
class Client:
    """`needs` is the program without which it is skipped; `make` fills a folder and `command` runs there."""

    needs: str
    make: Callable[[Path], None]
    command: Callable[[Path], list[str]]


def folder(name: str) -> Path:
    """Where a client lies, whole or not."""
    return folders.cache() / "clients" / name


def made(name: str) -> Path:
    """The client's folder; made where it is not there. CalledProcessError where a registry or a compiler refuses."""
    place, client = folder(name), CLIENTS[name]
    if not (place / MADE).exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        client.make(place)
        (place / MADE).touch()
    return place


def _run(*command: str, at: Path, env: Mapping[str, str] | None = None) -> None:
    subprocess.run(command, cwd=at, env=os.environ | dict(env or {}), check=True, capture_output=True, text=True)


def _python(script: str, *packages: str) -> Client:
    def make(place: Path) -> None:
        _run(sys.executable, "-m", "venv", "venv", at=place)
        _run("venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", *packages, at=place)

    return Client("python3", make, lambda place: [str(place / "venv/bin/python"), str(HERE / script)])


def _npm(package: str, place: Path) -> None:
    (place / "package.json").write_text('{"private": true}')
    _run("npm", "install", "--silent", "--no-audit", "--no-fund", package, at=place)


def _node(script: str, package: str) -> Client:
    def make(place: Path) -> None:
        _npm(package, place)
        shutil.copy(HERE / script, place)

    return Client("npm", make, lambda place: ["node", str(place / script)])


def _codex(version: str) -> Client:
    """An agent that speaks Responses only; its last message is all that it writes to stdout."""

    def make(place: Path) -> None:
        _npm(f"@openai/codex@{version}", place)
        (place / "home").mkdir()

    script = (
        "CODEX_HOME=$PWD/home NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 node_modules/.bin/codex exec --skip-git-repo-check "
        "--sandbox read-only -c check_for_update_on_startup=false -c analytics.enabled=false -c model=chat "
        "-c model_provider=ours -c model_providers.ours.name=ours -c model_providers.ours.env_key=KEY "
        '-c model_providers.ours.wire_api=responses -c "model_providers.ours.base_url=$BASE_URL" hi </dev/null '
        "| tr -d '\\n'"
    )
    return Client("npm", make, lambda _: ["bash", "-o", "pipefail", "-c", script])


def _go(module: str, version: str) -> Client:
    def make(place: Path) -> None:
        (place / "main.go").write_text((HERE / "stream.go.txt").read_text().replace("MODULE", module))
        store = folders.cache() / "go"
        env = {"GOPATH": str(store), "GOCACHE": str(store / "build"), "GOFLAGS": "-modcacherw -mod=mod"}
        _run("go", "mod", "init", "example.invalid/client", at=place, env=env)
        _run("go", "get", f"{module}@{version}", at=place, env=env)
        _run("go", "build", "-o", "client", ".", at=place, env=env)

    return Client("go", make, lambda place: [str(place / "client")])


def _curl(_: Path) -> list[str]:
    script = (
        'curl -sSfN "$BASE_URL/chat/completions" -H "Authorization: Bearer $KEY" '
        f"-H 'Content-Type: application/json' -d '{CHAT}' "
        """| sed -nE 's/^data: .*"content": "([^"]*)".*/\\1/p' | tr -d '\\n'"""
    )
    return ["bash", "-o", "pipefail", "-c", script]


OLD_HTTPX = "httpx==0.27.2"  # what openai 1.0 calls was removed in 0.28
CLIENTS: Mapping[str, Client] = {
    "python-1.0.0": _python("stream.py", "openai==1.0.0", OLD_HTTPX),
    "python-3.57.0": _python("stream.py", "openai==3.57.0"),
    "langchain-1.7.4": _python("lang_chain.py", "langchain-openai==1.7.4"),
    "node-4.0.0": _node("stream.mjs", "openai@4.0.0"),
    "node-7.57.0": _node("stream.mjs", "openai@7.57.0"),
    "responses-python-3.57.0": _python("responses.py", "openai==3.57.0"),
    "responses-node-7.57.0": _node("responses.mjs", "openai@7.57.0"),
    "codex-0.169.0": _codex("0.169.0"),
    "messages-python-0.30.0": _python("messages.py", "anthropic==0.30.0", OLD_HTTPX),
    "messages-python-2.14.0": _python("messages.py", "anthropic==2.14.0"),
    "messages-node-1.14.0": _node("messages.mjs", "@anthropic-ai/sdk@1.14.0"),
    "go-1.12.0": _go("github.com/openai/openai-go", "v1.12.0"),
    "go-3.0.0": _go("github.com/openai/openai-go/v3", "v3.0.0"),
    "go-3.41.0": _go("github.com/openai/openai-go/v3", "v3.41.0"),
    "curl": Client("curl", lambda _: None, _curl),
}
