"""The guard's script: whom it keeps from the metadata, and on a gateway with containers these from the engines."""

from __future__ import annotations

import re
import subprocess

import pytest

from core.contract.network import ENGINE_PORT_FIRST, ENGINE_PORT_LAST
from remote.items.files import File
from remote.services import agent

ENGINES = f"ip daddr 10.0.0.5 tcp dport {ENGINE_PORT_FIRST}-{ENGINE_PORT_LAST} counter reject with tcp reset"


def script(engines_at: str = "") -> str:
    file = agent.metadata(("root", "relay"), engines_at)[0]
    assert isinstance(file, File)
    return file.content.decode()


def ran(text: str, endpoint: str = "") -> tuple[str, int]:
    """What the script would give to `nft`, and how many rules its watch expects."""
    fake = "nft() { cat; }\n"
    end = '\necho "expects $count"\n'
    done = subprocess.run(
        ["sh", "-c", fake + text + end],
        env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"expects (\d+)", done.stdout)
    assert found is not None
    return done.stdout, int(found[1])


@pytest.mark.parametrize("endpoint", ["", "http://10.77.0.1:1338"])
@pytest.mark.parametrize("engines_at", ["", "10.0.0.5"])
def test_the_watch_expects_every_rule_that_is_made(engines_at: str, endpoint: str) -> None:
    rules, expected = ran(script(engines_at), endpoint)
    assert rules.count(" reject") == expected
    assert (ENGINES in rules) is bool(engines_at)


def test_containers_are_kept_from_the_engines_but_the_gateway_itself_is_not() -> None:
    rules, _ = ran(script("10.0.0.5"))
    out, forward = rules.split("chain forward")
    assert ENGINES in forward
    assert "10.0.0.5" not in out
