"""The chat page as people use it: real Open WebUI, real Chromium, a machine that is off.

Pictures of what was seen are left in `$XDG_STATE_HOME/pilotlight/pictures/`: look at them. The tests go on where the
one before stopped.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.contract.documents import Outputs
from core.contract.network import ENGINE_PORT_FIRST, RELAY_PORTS
from core.contract.paths import WEBUI_CONTAINER
from local import folders
from local.cloud import client
from local.demo.browser import Person, browser
from local.demo.observe import wait_for
from local.folders import state
from tests.e2e.world import Stack

QUESTION = "Name one river in Europe."
SECOND = "And one mountain?"
STARTING = "The machine is being started"
WAS_OFF = "the machine was off: a message starts it"
WAKE_S = 300.0


@pytest.fixture(scope="module")
def pictures() -> Path:
    return folders.pictures()


@pytest.fixture(scope="module")
def account(demo: Stack) -> tuple[str, str]:
    """What `fab deploy` printed: the address is the settings' own, the password in a file."""
    return "admin@pilotlight.local", (state(demo.cloud.name) / "demo.password").read_text().strip()


@pytest.fixture(scope="module")
def person(demo: Stack) -> Iterator[Person]:
    with browser(demo.watch.outputs[Outputs.CHAT_URL]) as found:
        yield found


def on_gateway(demo: Stack, *command: str) -> str:
    return demo.watch.inside(demo.watch.gateway, *command)


def asleep(demo: Stack) -> None:
    """The machine is off. The page goes on with titles and follow-ups after an answer; that is waited for."""

    def idle() -> bool:
        lease = demo.watch.lease()
        return lease["state"] != "RUNNING" or not int(lease.get("busy") or 0)

    wait_for(idle, 300, demo.watch.words, every_s=1)
    demo.sleep()


def waiting(demo: Stack) -> int:
    """How many requests wait at the relays."""
    said = (on_gateway(demo, "curl", "-fsS", f"http://127.0.0.1:{port}/health") for port in RELAY_PORTS.values())
    return sum(int(json.loads(each)["waiting"]) for each in said)


def fetch(url: str, body: bytes | None = None) -> tuple[int, str]:
    """(status, beginning of the text) of an answer, whatever the status; (0, why) where nobody answers."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read(3000).decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(3000).decode()
    except OSError as error:
        return 0, str(error)


def test_the_story_ended_in_the_chat_page(demo: Stack) -> None:
    assert "Chat page: the machine was off, and" in demo.output
    assert (folders.pictures() / "demo.png").stat().st_size > 5000


def test_strangers_are_not_let_in(demo: Stack, person: Person, pictures: Path) -> None:
    page = person.page
    page.goto(f"{person.url}/auth")
    page.fill("#email", "admin@pilotlight.local")
    page.fill("input[type=password]", "not the password")
    page.click("button[type=submit]")
    person.waits_for("incorrect", 60)
    person.picture(pictures / "1-wrong-password.png")
    body = json.dumps({"name": "x", "email": "x@example.org", "password": "a long one 1"}).encode()
    assert fetch(f"{person.url}/api/v1/auths/signup", body)[0] == 403


def test_opening_and_logging_in_wake_nothing(
    demo: Stack, person: Person, account: tuple[str, str], pictures: Path
) -> None:
    asleep(demo)
    epoch = int(demo.watch.lease()["epoch"])
    person.log_in(*account)
    person.page.get_by_label("Selected model: smollm2").first.wait_for()  # the list of models comes a moment later
    person.waits_for(WAS_OFF, 60)
    person.page.click("#model-selector-model-button")
    person.page.wait_for_timeout(3000)
    person.picture(pictures / "2-asleep-the-model-is-there.png")
    person.page.keyboard.press("Escape")
    demo.reap()
    assert demo.watch.ec2_state() == "stopped"
    assert int(demo.watch.lease()["epoch"]) == epoch
    assert not demo.watch.lease().get("wake_until")


def test_a_message_wakes_the_machine_and_shows_it(demo: Stack, person: Person, pictures: Path) -> None:
    person.say(QUESTION)
    person.waits_for(STARTING, 60)
    person.picture(pictures / "3-the-machine-is-being-started.png")
    person.waits_for_answer(WAKE_S)
    person.waits_for("The machine was started", 30)
    answer = person.waits_for_end(120)
    person.picture(pictures / "4-the-answer.png")
    assert answer
    assert demo.state() == "RUNNING"
    person.page.reload()
    person.waits_for(QUESTION, 60)
    person.waits_for_answer(60)
    assert person.answer() == answer


def test_an_open_page_is_no_demand(demo: Stack, person: Person) -> None:
    epoch = int(demo.watch.lease()["epoch"])
    demo.watch.wait_state("STOPPING", after_epoch=epoch, timeout_s=400)
    demo.watch.wait_off()
    assert person.page.get_by_text(QUESTION).count()


def test_leaving_while_waiting_leaves_nothing_behind(demo: Stack, person: Person) -> None:
    person.say(SECOND)
    person.waits_for(STARTING, 60)
    assert waiting(demo) == 1
    person.page.click("button[aria-label=Stop]")
    wait_for(lambda: waiting(demo) == 0, 30, lambda: f"{waiting(demo)} still wait at the relay")
    demo.watch.wait_state("RUNNING", after_epoch=int(demo.watch.lease()["epoch"]) - 1, timeout_s=WAKE_S)
    assert int(demo.watch.lease().get("busy") or 0) == 0


def test_the_next_message_is_answered(demo: Stack, person: Person, pictures: Path) -> None:
    person.say("Thank you. Say goodbye.")
    person.waits_for_answer(WAKE_S)
    assert person.waits_for_end(120)
    person.picture(pictures / "5-after-the-second-wake.png")


def test_a_closed_tab_still_gets_its_answer_and_nothing_stays_in_the_engine(
    demo: Stack, person: Person, account: tuple[str, str]
) -> None:
    asleep(demo)
    with person.somebody_else() as other:
        other.log_in(*account)
        other.say("What is a lighthouse?")
        other.waits_for(STARTING, 60)
        conversation = other.page.url  # …/c/<id>: the same account finds it again
    demo.watch.wait_state("RUNNING", after_epoch=int(demo.watch.lease()["epoch"]) - 1, timeout_s=WAKE_S)
    wait_for(lambda: waiting(demo) == 0, 120, lambda: f"{waiting(demo)} still wait at the relay")
    assert "/c/" in conversation
    person.page.goto(conversation)
    person.waits_for_answer(120)
    epoch = int(demo.watch.lease()["epoch"])
    demo.watch.wait_state("DRAINING", after_epoch=epoch, timeout_s=400)  # nothing is left in the engine


def test_a_start_that_the_cloud_refuses_is_said_in_our_words(demo: Stack, person: Person, pictures: Path) -> None:
    asleep(demo)
    demo.cloud.fault("ec2:StartInstances", error="VcpuLimitExceeded", count=None)
    try:
        person.page.goto(person.url)
        person.page.wait_for_selector("#chat-input")
        person.say("Are you there?")
        person.waits_for("cannot be started", 60)
        person.picture(pictures / "6-refused.png")
    finally:
        demo.cloud.clear_faults()
    demo.fab("wake", "-s", demo.name)


def test_a_spent_budget_is_said_in_our_words(demo: Stack, person: Person, pictures: Path) -> None:
    asleep(demo)
    demo.watch.mark_spent(until=time.time() + 3600)
    person.page.goto(person.url)
    person.page.wait_for_selector("#chat-input")
    person.say("Are you there?")
    person.page.wait_for_url("**/c/**")  # the banner above an empty chat, which says the same, is gone
    person.waits_for("budget is spent", 60)
    person.picture(pictures / "7-budget.png")
    assert demo.watch.ec2_state() == "stopped"
    demo.watch.mark_spent(until=None)


def test_a_new_container_keeps_the_conversations(demo: Stack, person: Person) -> None:
    on_gateway(demo, "systemctl", "restart", "--no-block", "pilotlight-webui")
    wait_for(lambda: "is starting" in fetch(person.url)[1], 60, lambda: "no page that says it is starting")
    demo.watch.wait_page()
    person.page.goto(person.url)  # still logged in: the secret key is the same
    person.page.get_by_text(QUESTION).first.wait_for()


def test_a_gateway_that_rebooted_has_its_page_again(demo: Stack, person: Person) -> None:
    demo.cloud.client("ec2").reboot_instances(InstanceIds=[demo.watch.gateway])
    wait_for(lambda: "Open WebUI" not in fetch(person.url)[1], 60, lambda: "the gateway did not go down")
    demo.watch.wait_page()
    person.page.goto(person.url)
    person.page.get_by_text(QUESTION).first.wait_for()


# ---------------------------------------------------------------- another version
def webui(demo: Stack) -> dict[str, Any]:
    said = on_gateway(demo, "docker", "container", "inspect", WEBUI_CONTAINER)
    return dict(json.loads(said)[0])


@pytest.fixture
def rendered(demo: Stack) -> Iterator[client.Cloud]:
    """The cloud, whose copy of the stack file is as before afterwards."""
    yield demo.cloud
    demo.cloud.render_stack(demo.name)


def test_a_version_that_does_not_become_healthy_is_taken_back(demo: Stack, rendered: client.Cloud) -> None:
    demo.wake()
    before = webui(demo)["Config"]["Image"]
    on_gateway(demo, "docker", "create", "--name", "broken", before)
    on_gateway(demo, "docker", "commit", "--change", 'CMD ["false"]', "broken", "broken:v1")
    on_gateway(demo, "docker", "rm", "broken")
    rendered.render_stack(demo.name, overrides={"webui": {"image": "broken:v1"}})
    done = demo.fab("deploy", "-s", demo.name, check=False)
    assert done.returncode == 1
    assert "pilotlight-webui.service did not become healthy" in done.stderr
    assert "The version before it runs again." in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert webui(demo)["Config"]["Image"] == before
    demo.watch.wait_page()


def test_another_version_takes_its_place_and_the_old_one_goes(demo: Stack, rendered: client.Cloud) -> None:
    demo.wake()
    before = webui(demo)["Config"]["Image"]
    on_gateway(demo, "docker", "tag", before, "other:v2")
    rendered.render_stack(demo.name, overrides={"webui": {"image": "other:v2"}})
    said = demo.fab("deploy", "-s", demo.name).stdout
    assert "pilotlight-webui.service: its files changed" in said
    assert webui(demo)["Config"]["Image"] == "other:v2"
    assert before not in on_gateway(demo, "docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
    rendered.render_stack(demo.name)
    again = demo.fab("deploy", "-s", demo.name).stdout
    assert "loaded from" in again or "pulled from" in again
    assert webui(demo)["Config"]["Image"] == before
    assert "nothing to change" in demo.fab("deploy", "-s", demo.name).stdout.lower()


def test_no_secret_of_the_page_is_in_a_log_or_a_command_line(demo: Stack, account: tuple[str, str]) -> None:
    lines = on_gateway(demo, "cat", "/etc/pilotlight/webui.secrets").splitlines()
    values = [line.split("=", 1)[1] for line in lines]
    assert account[1] in values
    seen = on_gateway(demo, "sh", "-c", "journalctl --no-pager -o cat; cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert not [value for value in values if value in seen]


def test_the_container_reaches_neither_engines_nor_the_inner_door_nor_the_instances_metadata(demo: Stack) -> None:
    demo.wake()
    engine = f"http://{demo.watch.outputs[Outputs.HOST_PRIVATE_IP]}:{ENGINE_PORT_FIRST}/health"
    on_gateway(
        demo, "curl", "-fsS", "-m", "10", "-o", "/dev/null", engine
    )  # HAProxy reaches it, from the machine itself
    for url in (engine, "http://host.docker.internal:9101/", "http://host.docker.internal:9100/health", metadata(demo)):
        command = f"docker exec {WEBUI_CONTAINER} curl -s -m 3 -o /dev/null {url} && echo reached || echo refused"
        assert on_gateway(demo, "sh", "-c", command).strip() == "refused", url


def metadata(demo: Stack) -> str:
    base = on_gateway(demo, "sh", "-c", ". /etc/environment; echo $AWS_EC2_METADATA_SERVICE_ENDPOINT").strip()
    return f"{base.rstrip('/')}/latest/meta-data/"
