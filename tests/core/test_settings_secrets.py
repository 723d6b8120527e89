"""A secret in a stack file is refused, and no message shows it."""

from __future__ import annotations

from typing import Any

import pytest

from core.errors import SettingsError
from core.settings import load

SECRET = "s3cr3tS3cr3tS3cr3tS3cr3t"


def message(**sections: Any) -> str:
    base: dict[str, Any] = {"cloud": "embedded", "engines": {"a": {"model": "x/m"}}}
    with pytest.raises(SettingsError) as caught:
        load({f"pilotlight:{k}": v for k, v in (base | sections).items()}, "lab")
    return str(caught.value)


def flags(given: Any) -> str:
    return message(engines={"a": {"model": "x/m", "flags": given}})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"api-key": SECRET}, "has api-key, which would put a secret into a file"),
        ({"api-key": [SECRET]}, "engines.a.flags.api-key: the value (not shown) must be text, a number, true or false"),
        ({"hf-token": f"hf_{SECRET}"}, "gated and private models are not in this release: take a public one"),
        ({"hf-token": True}, "has hf-token, which would put a secret"),
        ({"hf_token": SECRET}, "has hf_token: write the flag as vLLM does"),
        ({"--api-key": SECRET}, "has --api-key: write the flag as vLLM does"),
        ({f"--api-key={SECRET}": True}, "has --api-key: write the flag as vLLM does"),
        ({f"api-key {SECRET}": True}, "has api-key: write the flag"),
        ({"ssl-keyfile-password": SECRET}, "has ssl-keyfile-password, which would put a secret"),
        ({"model-loader-extra-config.token": SECRET}, "config.token, which would put a secret"),
        ({"hf-overrides": f'{{"x": "hf_{SECRET}"}}'}, "has hf-overrides, which holds a Hugging Face token"),
        (["--api-key", SECRET], "engines.a.flags: the value (not shown)"),
        (f"--api-key {SECRET}", "engines.a.flags: the value (not shown)"),
        ({"max-num-seqs": {"token": SECRET}}, "engines.a.flags.max-num-seqs"),
    ],
)
def test_a_flag_that_carries_a_secret_is_refused_and_not_shown(given: Any, words: str) -> None:
    text = flags(given)
    assert words in text
    assert SECRET not in text
    assert "\n" not in text


@pytest.mark.parametrize("flag", ["max-num-batched-tokens", "return-tokens-as-token-ids", "allow-credentials"])
def test_a_flag_that_only_sounds_like_a_secret_is_allowed(flag: str) -> None:
    raw = {"pilotlight:cloud": "embedded", "pilotlight:engines": {"a": {"model": "x/m", "flags": {flag: 8}}}}
    assert load(raw, "lab").engines["a"].flags == {flag: 8}


def test_a_flag_that_is_no_secret_is_shown() -> None:
    assert 'engines.a.flags: {"--seed": 1} has --seed: write' in flags({"--seed": 1})
    assert 'flags: {"port": 1, "api-key": "…"} has port, which is set by pilotlight' in flags(
        {"port": 1, "api-key": SECRET}
    )


URL = f"https://hooks.slack.com/services/{SECRET}"


@pytest.mark.parametrize(
    "sections",
    [
        {"notify": URL},
        {"notify": [URL]},
        {"notify": f"{URL} "},
        {"notify": {"email": [URL]}},
        {"notify": {"email": [f"hooks.slack.com/services/{SECRET}"]}},
        {"notify": {"email": URL}},
        {"notify": {"email": [{"url": URL}]}},
        {"notify": {"webhooks": URL}},
        {"notify": {"webhooks": {"url": URL}}},
        {"notify": {URL: None}},
        {"notify": f'{{"webhooks": ["{URL}"'},
        {"webui": f"adminPassword: {SECRET}"},
        {"webui": {"adminPassword": [SECRET]}},
        {"webui": {"adminPassword": SECRET * 9}},
        {"engines": f'{{"a": {{"flags": {{"api-key": "{SECRET}"'},
        {"engines": [{"name": "a", "flags": {"api-key": SECRET}}]},
    ],
)
def test_no_message_shows_a_secret(sections: dict[str, Any]) -> None:
    text = message(**sections)
    assert SECRET not in text
    assert f"pilotlight:{next(iter(sections))}" in text


def test_nobody_is_told_to_write_a_secret_in_plain_text() -> None:
    text = message(engines={"a": {"model": "x/m", "flags": {"hf-token": {"secure": "v1:abc"}}}})
    assert "engines.a.flags.hf-token is encrypted" in text
    assert "Take it away" in text
    assert "--plaintext" not in text


def test_an_address_and_a_public_key_are_shown() -> None:
    assert 'notify.email[0]: "ops" is not an e-mail address' in message(notify={"email": ["ops"]})
    assert 'host.sshPublicKey: "ssh-ed25519 AAAA" is not a public key' in message(
        host={"sshPublicKey": "ssh-ed25519 AAAA"}
    )
