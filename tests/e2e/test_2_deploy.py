"""`fab deploy` on machines that are as they should be, and while the reaper would like to stop them."""

from __future__ import annotations

import json
import time
from pathlib import Path

import openai
import pytest

from core.contract.documents import Outputs
from core.contract.paths import AGENT_VENV, ENGINE_USER
from remote.services.agent import LOGIN_SCRIPT
from tests.e2e.world import Stack


def test_a_second_deploy_changes_nothing_and_says_so(demo: Stack, tmp_path: Path) -> None:
    demo.wake()
    said = demo.fab("deploy", "-s", demo.name).stdout
    assert "nothing to change" in said.lower() or "no changes" in said.lower(), said


def test_a_file_edited_by_hand_is_shown_and_put_right(demo: Stack) -> None:
    demo.wake()
    demo.watch.inside(demo.watch.host, "sh", "-c", f"echo '# by hand' >> {LOGIN_SCRIPT}")
    planned = demo.fab("deploy", "-s", demo.name, "--plan", check=False)
    assert planned.returncode == 2, planned.stdout + planned.stderr
    assert "-# by hand" in planned.stdout
    assert "by hand" in demo.watch.inside(demo.watch.host, "cat", LOGIN_SCRIPT), "a plan changes nothing"
    assert "Deployed: 1 change" in demo.fab("deploy", "-s", demo.name).stdout
    assert demo.fab("deploy", "-s", demo.name, "--plan").returncode == 0


def test_the_doctor_finds_nothing_wrong_with_a_deployed_stack(demo: Stack) -> None:
    demo.wake()
    done = demo.fab("doctor", "-s", demo.name, "--json", check=False)
    checks = json.loads(done.stdout.splitlines()[-1])["data"]["checks"]
    failures = [check for check in checks if check["verdict"] == "fail"]
    assert [check for check in failures if check["name"] != "disk"] == []  # the disk is this computer's
    assert done.returncode == (1 if failures else 0)
    seen = {(check["area"], check["name"]) for check in checks if check["verdict"] == "pass"}
    assert {("cloud", "preview"), ("gateway", "units"), ("host", "units"), ("front door", "API")} <= seen


def test_a_bench_of_the_deployed_service_leaves_no_key(demo: Stack) -> None:
    demo.wake()
    words = ("--concurrency", "1,2", "--requests", "2", "--words", "20", "--tokens", "8", "--json")
    told = json.loads(demo.fab("bench", "-s", demo.name, *words).stdout.splitlines()[-1])["data"]
    assert [(load["concurrency"], load["answers"], load["failed"]) for load in told["loads"]] == [(1, 2, 0), (2, 4, 0)]
    assert {load["answer_tokens"] for load in told["loads"]} == {8.0}
    assert all(load["ttft_p50_ms"] > 0 for load in told["loads"])
    assert "bench-" not in demo.fab("keys.list", "-s", demo.name).stdout


def test_an_inhibited_host_is_not_stopped(demo: Stack) -> None:
    demo.wake()
    before = int(demo.watch.lease()["epoch"])
    assert "test" in demo.lease_cli("inhibit --who test --why 'longer than the idle time'")
    until = time.time() + 30  # longer than the demo's idle time
    while time.time() < until:
        demo.reap()
        time.sleep(5)
    assert int(demo.watch.lease()["epoch"]) == before, demo.watch.words()
    demo.lease_cli("release --who test")


def test_code_inside_an_engine_can_run_nothing_on_the_computer(demo: Stack) -> None:
    demo.wake()
    cloud, reaper = demo.cloud, demo.watch.outputs[Outputs.REAPER]
    assert demo.reap(), "the function that is asked for exists"

    def as_engine(words: str) -> str:
        shell = f"set -a; . /etc/environment; {words} 2>&1 || true"
        return demo.watch.inside(demo.watch.host, "runuser", "-u", ENGINE_USER, "--", "sh", "-c", shell)

    code = "curl -s -o /dev/null -w '%{http_code}' -X"
    assert as_engine(f"{code} POST {cloud.endpoint}/2015-03-31/functions/{reaper}/invocations") == "403"
    assert as_engine(f"{code} GET {cloud.endpoint}/_pilotlight/status") == "403"
    assert as_engine(f"{code} PUT {cloud.metadata}/latest/api/token") == "000"
    call = f"import boto3; boto3.client('lambda').invoke(FunctionName='{reaper}')"
    assert "Unable to locate credentials" in as_engine(f'{AGENT_VENV}/bin/python -c "{call}"')


def test_an_unknown_stack_is_one_message(demo: Stack) -> None:
    done = demo.fab("deploy", "-s", "qwen77b", check=False)
    assert done.returncode != 0
    assert "qwen7b" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_wrong_key_never_wakes(demo: Stack) -> None:
    stranger = openai.OpenAI(base_url=demo.watch.outputs[Outputs.API_URL], api_key="sk-wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as refused:
        stranger.models.list()
    assert refused.value.code == "invalid_api_key"


def test_a_power_off_inside_shows_as_stopped_and_the_next_request_wakes(demo: Stack) -> None:
    demo.wake()
    demo.watch.inside(demo.watch.host, "systemctl", "poweroff")
    demo.watch.wait_off()
    assert "Paris" in demo.caller.stream().text
    assert demo.watch.ec2_state() == "running"
