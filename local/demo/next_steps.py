"""What the demo prints last: lines to paste that ask the stack, what to try next, and how to take it to AWS. Pure.

Every line is a command of this checkout, so a reader may paste it as it stands; `stays` says whether the stack is up.
"""

from __future__ import annotations

import shlex
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from local.demo.caller import QUESTION
from local.setup.links import ACTIVATE

KEEP: Final = ".venv/bin/python -m local.demo --keep"
_PROXIES: Final = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")


@dataclass(frozen=True)
class Ending:
    """The stack that the demo made. `stop_after_s`: the idle time after which its host turns itself off."""

    stack: str
    api_url: str
    chat_url: str
    model: str
    key_file: Path
    email: str
    password_file: Path
    stop_after_s: float
    environment: Mapping[str, str]


def lines(end: Ending, *, stays: bool) -> list[str]:
    """The demo's last lines. Where the stack was taken down, they say how to have it again first."""
    return [*_up(end, stays=stays), "", *_around_proxy(end), *_curl(end), "", *_python(end), "", *_next(end), *_aws()]


def _up(end: Ending, *, stays: bool) -> list[str]:
    if not stays:
        return [
            "The stack was taken down, as there is no terminal. This makes it again and leaves it up:",
            f"  {KEEP}",
            "It prints the address again. What was asked here is asked like this:",
        ]
    return [
        f"The stack stays up. API: {end.api_url}, its key is in {end.key_file}",
        f"Chat page: {end.chat_url}, log in as {end.email}; the password is in {end.password_file}",
        "Paste this to ask it:",
    ]


def _around_proxy(end: Ending) -> list[str]:
    """The machines stand on this computer: a proxy does not reach them."""
    if not any(end.environment.get(name) for name in _PROXIES):
        return []
    host = urllib.parse.urlsplit(end.api_url).hostname
    return [f"export NO_PROXY={host} no_proxy={host}   # this computer's proxy does not reach the machines", ""]


def _curl(end: Ending) -> list[str]:
    """The key goes through standard input, since a command line can be read by every user of the computer."""
    body = f'{{"model": "{end.model}", "messages": [{{"role": "user", "content": "{QUESTION}"}}], "max_tokens": 32}}'
    return [
        f"""printf 'header = "Authorization: Bearer %s"' "$(cat {shlex.quote(str(end.key_file))})" |""",
        f"  curl --config - {end.api_url}/chat/completions -H 'Content-Type: application/json' \\",
        f"  -d {shlex.quote(body)}",
    ]


def _python(end: Ending) -> list[str]:
    return [
        ".venv/bin/python - <<'END'",
        "from pathlib import Path",
        "from openai import OpenAI",
        f"key = Path({str(end.key_file)!r}).read_text().strip()",
        f"client = OpenAI(base_url={end.api_url!r}, api_key=key)",
        f'question = [{{"role": "user", "content": {QUESTION!r}}}]',
        f"answer = client.chat.completions.create(model={end.model!r}, messages=question, max_tokens=32)",
        "print(answer.choices[0].message.content)",
        "END",
    ]


def _next(end: Ending) -> list[str]:
    commands = {
        ACTIVATE: "puts `fab` and `pulumi` on your PATH",
        f"fab status -s {end.stack}": "what the host does, and why",
        f"fab explain -s {end.stack}": "when it will stop and start, minute by minute",
        f"fab deploy -s {end.stack}": "safe to repeat: changes only what differs",
        f"fab ssh -s {end.stack}": "a shell on the host",
        "fab cloud.down": "removes everything that the demo made",
    }
    return [
        f"To see it wake: ask nothing for {end.stop_after_s:.0f} s and up to two minutes more, until `fab status` says "
        "STOPPED. Then ask again.",
        *(f"  {command:<24} # {what}" for command, what in commands.items()),
        "",
    ]


def _aws() -> list[str]:
    """README has the rest: the account's quota, the credentials, the passphrase."""
    return [
        "The same on AWS (README.md, “On AWS for real”): edit stacks/Pulumi.qwen7b.yaml, then",
        "  pulumi stack init qwen7b && pulumi up -s qwen7b && fab deploy -s qwen7b",
    ]
