"""The story itself, step by step: it drives what a user would type (`pulumi up`, `fab deploy`), watches from outside.

To tell more: a method below, called in `tell`, that prints one line and hands back what later steps need.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from core.contract.documents import Outputs
from core.errors import CloudError, DeployError
from core.settings import StackSettings, stop_after_s
from local import project
from local.cloud import client
from local.cloud.client import Cloud
from local.demo import browser, money, stack
from local.demo.caller import QUESTION, Answer, Caller
from local.demo.figures import Figures, WakeTimes
from local.demo.narrator import Narrator
from local.demo.next_steps import Ending
from local.demo.observe import Observer, SshWatch
from local.folders import CHECKOUT, pictures, state

STACK: Final = "demo"
PAGE_S: Final = 60.0  # until the page shows that the machine is being started
WAKE_S: Final = 300.0
ANSWER_S: Final = 120.0
BEGUN_ENV: Final = "PILOTLIGHT_DEMO_BEGUN"  # set by `make demo` before set-up, seconds since 1970


class Story:
    """One run. After `tell` the cloud is up and the stack awake."""

    def __init__(self, narrator: Narrator, **overrides: Any) -> None:
        self.tell_line = narrator
        self.overrides = overrides  # settings other than the stack file's, for benches
        self.begun = float(os.environ.get(BEGUN_ENV) or time.time())
        self.cloud: Cloud
        self.watch: Observer
        self.caller: Caller
        self.settings: StackSettings
        self.key_file = state() / "demo.key"
        self.password_file = state() / "demo.password"
        self.picture = pictures() / "demo.png"

    def tell(self) -> Figures:
        """The whole way; PilotlightError where a step fails."""
        self.create()
        chat_ready_s, noop_s = self.deploy()
        first = self.ask_first()
        drain_s, stop_s, relay_mib, agent_mib = self.fall_asleep(first)
        wake = self.wake()
        chat = self.chat()
        self.money()
        return Figures(
            first_answer_s=first.done_at - self.begun,
            noop_deploy_s=noop_s,
            stop_s=stop_s,
            drain_to_stopped_s=drain_s,
            wake_first_token_s=wake.first_token - wake.asked,
            wake_overhead_s=wake.overhead_s(),
            relay_rss_mib=relay_mib,
            agent_rss_mib=agent_mib,
            chat_ready_s=chat_ready_s,
            chat_wake_answer_s=chat,
            webui_rss_mib=self.watch.webui_mib(),
        )

    # ------------------------------------------------------------ deploy time
    def create(self) -> None:
        """Embedded cloud up, stack file rendered, `pulumi up`."""
        with self.tell_line.step("Starting the embedded cloud, a stand-in for AWS on this computer") as said:
            self.cloud = client.up(say=self.tell_line.say)
            said.append(f"Embedded cloud up: a stand-in for AWS on this computer, at {self.cloud.endpoint}")
        edits = self.edits()
        with self.tell_line.step("pulumi up -s demo: makes the machines") as said:
            outputs = stack.create(self.cloud, STACK, edits, **self.overrides)
            said.append(
                f"Stack created: a host for the model ({outputs[Outputs.HOST_INSTANCE_ID]}) and a gateway, which "
                f"callers talk to ({outputs[Outputs.API_URL]})"
            )
        self.watch = Observer(self.cloud, outputs)
        self.settings = stack.settings(self.cloud, STACK)

    def edits(self) -> dict[str, Any]:
        """What of a stack file that was edited in the embedded cloud is kept: all, unless a person says otherwise."""
        found = project.edits(self.cloud.state, STACK)
        if not found:
            return {}
        file = project.stack_file(self.cloud.state, STACK)
        self.tell_line.say(f"{file} was edited since it was rendered:")
        self.tell_line.paste(project.difference(self.cloud.state, STACK))
        source = project.remembered_source(self.cloud.state, STACK)
        if self.tell_line.asks(f"Keep these edits? Otherwise {source} is taken as it is."):
            self.tell_line.say("The edits are kept.")
            return found
        return {}

    def deploy(self) -> tuple[float, float]:
        """`fab deploy -s demo` twice: the second changes nothing. Returns seconds: deployed → the chat page answers,
        and what the second took.
        """
        words = ("deploy", "-s", STACK, "--key-file", str(self.key_file), "--password-file", str(self.password_file))
        with self.tell_line.step("fab deploy -s demo: installs the model server and the chat page") as said:
            image = next((line for line in self.fab(*words).splitlines() if "loaded from" in line), "")
            said.append("Deployed: the model answers through the gateway")
        if image:
            self.tell_line.say("No registry can be reached from here: the chat page's image was built from PyPI")
        start = time.monotonic()
        self.watch.wait_page()
        ready_s = time.monotonic() - start
        start = time.monotonic()
        with self.tell_line.step("fab deploy -s demo again") as said:
            if "Nothing to change" not in (again := self.fab(*words)):
                raise DeployError(f"A second `fab deploy` changed something:\n{again}")
            said.append("Deployed again: nothing to change")
        return ready_s, time.monotonic() - start

    def fab(self, *words: str) -> str:
        """Run fab as a user would; DeployError with its own message if it fails."""
        program = Path(sys.executable).with_name("fab")
        done = subprocess.run([str(program), *words], cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DeployError(f"`fab {' '.join(words)}` failed:\n{(done.stderr or done.stdout).strip()[-3000:]}")
        return done.stdout

    # ------------------------------------------------------------ run time
    def ask_first(self) -> Answer:
        """The first question, by the unmodified `openai` client."""
        key = self.key_file.read_text().strip()
        self.caller = Caller(self.watch.outputs[Outputs.API_URL], key, stack.service(self.settings))
        with self.tell_line.step("Asking with the openai client") as said:
            answer = self.caller.ask()
            said.append(f"“What is the capital of France?” → “{answer.text.strip()}”")
        return answer

    def fall_asleep(self, last: Answer) -> tuple[float, float, float, float]:
        """Nobody asks: the host stops. Returns (drain s, threshold → stopped s, relay MiB, agent MiB)."""
        epoch = int(self.watch.lease()["epoch"])  # first: on a busy machine the rest may take as long as the idle time
        relay_mib, agent_mib = self.watch.relay_mib(), self.watch.agent_mib()
        after = self.stop_after_s()
        with self.tell_line.step(
            f"Nobody asks. This host stops after {after:.0f} s without a request; a scheduled function, the reaper, "
            "checks that every minute"
        ) as said:
            draining = self.watch.wait_state("DRAINING", after_epoch=epoch)
            seen = time.time()
            said.append(f"The reaper asks the host to stop (DRAINING): {draining['reason']}")
        with self.tell_line.step("The host checks that no request is in progress") as said:
            self.watch.wait_state("STOPPING", after_epoch=int(draining["epoch"]), timeout_s=60)
            said.append(
                "The host turns itself off (STOPPING): no request is in progress, and new ones wait at the gateway"
            )
        with self.tell_line.step("The machine goes down") as said:
            off = self.watch.wait_off()
            said.append(f"Off: EC2 says {self.watch.ec2_state()}, the container {self.watch.container_state()}")
        threshold = float(draining.get("demand_at") or last.done_at) + after
        return off - seen, off - threshold, relay_mib, agent_mib

    def stop_after_s(self) -> float:
        """The idle time of the stack file, seconds."""
        return stop_after_s(self.settings.idle) or 0.0

    def wake(self) -> WakeTimes:
        """A streamed request wakes the machine and gets its answer."""
        epoch = int(self.watch.lease()["epoch"])
        ssh = SshWatch(self.watch.outputs[Outputs.HOST_PRIVATE_IP])
        thread = ssh.begin()
        with self.tell_line.step(
            "A request while the host is off: it waits at the gateway, which starts the host"
        ) as said:
            answer = self.caller.stream()
            took = answer.first_token_at - answer.asked_at
            said.append(f"Awake again: “{answer.text.strip()}”, its first token after {took:.1f} s")
        thread.join(timeout=5)
        started, ready = self.watch.engine_start(stack.engine(self.settings))
        ordered = self.cloud.calls()["last"].get("ec2:StartInstances")
        if ssh.up_at is None or ordered is None:
            raise CloudError("The wake left no outside time stamps: sshd or StartInstances was not seen.")
        running = float(self.watch.wait_state("RUNNING", after_epoch=epoch)["at"])
        times = WakeTimes(answer.asked_at, ordered, ssh.up_at, started, ready, running, answer.first_token_at)
        self.tell_line.say(times.breakdown(stack.engine(self.settings)))
        return times

    def chat(self) -> float | None:
        """A person asks in the chat page while the machine is off. Returns seconds from the message to the first word.

        None where nothing could be asked, which is said.
        """
        if missing := self.missing_for_chat():
            self.tell_line.say(f"The chat page was not tried: {missing}")
            return None
        with self.tell_line.step("fab stop -s demo, then the same question in the chat page") as said:
            self.fab("stop", "-s", STACK)
            asked, answered, text = self.ask_in_the_page()
            said.append(f"Chat page: the machine was off, and “{text}” came after {answered - asked:.1f} s")
        self.tell_line.say(f"What a person saw: {self.picture}")
        return answered - asked

    def missing_for_chat(self) -> str:
        """Why nobody can ask in the page from here; "" where one can."""
        if browser.program() is None:
            return "there is no Chromium here. On Debian: `sudo apt-get install chromium`."
        if not self.password_file.exists():
            return f"its first account was made before, and {self.password_file} is gone."
        return ""

    def ask_in_the_page(self) -> tuple[float, float, str]:
        """(sent, first word, answer): log in with the first account, ask, wait. Leaves a picture of it."""
        with browser.browser(self.watch.outputs[Outputs.CHAT_URL]) as person:
            person.log_in(self.settings.webui.admin_email, self.password_file.read_text().strip())
            asked = person.say(QUESTION)
            person.waits_for("The machine is being started", PAGE_S)
            first = person.waits_for_answer(WAKE_S)
            text = person.waits_for_end(ANSWER_S)
            person.picture(self.picture)
        return asked, first, text

    def money(self) -> None:
        """What a month costs at AWS's prices, and what this run would have cost."""
        for line in money.compared(self.settings, self.watch.events(), time.time()):
            self.tell_line.say(line)

    def ending(self) -> Ending:
        """What the last lines are made of."""
        return Ending(
            stack=STACK,
            api_url=self.watch.outputs[Outputs.API_URL],
            chat_url=self.watch.outputs[Outputs.CHAT_URL],
            model=stack.service(self.settings),
            key_file=self.key_file,
            email=self.settings.webui.admin_email,
            password_file=self.password_file,
            stop_after_s=self.stop_after_s(),
            environment=os.environ,
        )
