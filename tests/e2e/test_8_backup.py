"""`fab backup` and `fab restore` on the demo's gateway: what was lost in between is there again."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from core.contract.documents import Outputs
from core.contract.paths import REDIS_PASSWORD, REDIS_SOCKET
from local.folders import state
from tests.e2e.world import Stack

TITLE = "Lighthouses"
HOUR = "hours:2020-01-01T12"  # of the ledger; nothing else writes it


@pytest.fixture(scope="module")
def token(demo: Stack) -> str:
    """A log-in at the chat page; it holds over the restore, since the page's own secret stays."""
    demo.watch.wait_page()
    password = (state(demo.cloud.name) / "demo.password").read_text().strip()
    account = {"email": "admin@pilotlight.local", "password": password}
    return str(page(demo, "auths/signin", account)["token"])


def page(demo: Stack, path: str, body: Any = None, *, token: str = "", method: str | None = None) -> Any:
    url = f"{demo.watch.outputs[Outputs.CHAT_URL]}/api/v1/{path}"
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
        return json.load(answer)


def titles(demo: Stack, token: str) -> set[str]:
    return {chat["title"] for chat in page(demo, "chats/", token=token)}


def redis(demo: Stack, words: str) -> str:
    read = f"REDISCLI_AUTH=$(cut -d' ' -f2 {REDIS_PASSWORD}) redis-cli -s {REDIS_SOCKET} {words}"
    return demo.watch.inside(demo.watch.gateway, "sh", "-c", read).strip()


def works(demo: Stack, key: str) -> bool:
    request = urllib.request.Request(f"{demo.watch.outputs[Outputs.API_URL]}/models")
    request.add_header("Authorization", f"Bearer {key}")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        with error:
            return error.code != 401


def test_what_was_lost_is_there_again(demo: Stack, token: str, tmp_path: Path) -> None:
    file = str(tmp_path / "backup.tar.gz")
    demo.fab("keys.revoke", "backup-test", "-s", demo.name, check=False)  # of an earlier run on this stack
    key = json.loads(demo.fab("keys.add", "backup-test", "-s", demo.name, "--json").stdout)["data"]["key"]
    chat = page(demo, "chats/new", {"chat": {"title": TITLE, "messages": []}}, token=token)["id"]
    redis(demo, f"hset {HOUR} requests:ann: 7")

    made = json.loads(demo.fab("backup", "-s", demo.name, "--to", file, "--json").stdout)["data"]
    assert "backup-test" in made["keys"]
    assert made["chats"]["conversations"] >= 1
    assert made["redis_entries"] >= 1
    assert works(demo, key), "nothing was stopped"

    demo.fab("keys.revoke", "backup-test", "-s", demo.name)
    page(demo, f"chats/{chat}", token=token, method="DELETE")
    redis(demo, f"del {HOUR}")
    assert not works(demo, key)
    assert TITLE not in titles(demo, token)

    asked = demo.fab("restore", file, "-s", demo.name, check=False)
    assert asked.returncode == 1
    assert "Add `--yes` if it is meant" in asked.stderr
    assert not works(demo, key), "nothing was changed"

    told = json.loads(demo.fab("restore", file, "-s", demo.name, "--yes", "--json").stdout)["data"]
    assert told["live"]
    assert works(demo, key)
    assert works(demo, demo.key)
    assert redis(demo, f"hget {HOUR} requests:ann:") == "7"
    demo.watch.wait_page()
    assert TITLE in titles(demo, token)
    assert "webui.db" in demo.watch.inside(demo.watch.gateway, "ls", f"{told['kept']}/webui")
    planned = demo.fab("deploy", "-s", demo.name, "--plan", check=False)
    assert planned.returncode in (0, 3), planned.stdout + planned.stderr
    assert "gateway  would change" not in planned.stdout


def test_a_damaged_backup_changes_nothing(demo: Stack, token: str, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    demo.fab("backup", "-s", demo.name, "--to", str(file))
    text = bytearray(file.read_bytes())
    text[len(text) // 2] ^= 0xFF
    file.write_bytes(text)
    refused = demo.fab("restore", str(file), "-s", demo.name, "--yes", check=False)
    assert refused.returncode == 1
    assert "damaged" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert TITLE in titles(demo, token)
