"""`pilotlight:notify`: who is told. A webhook's URL is a key, and no message shows it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import SettingsError
from core.settings import StackSettings, load

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzsuj+XW6uSLt3I6S1X9C4NTBbwZ8CRrW0hpmMxn5pF me@client"
SLACK = "https://hooks.slack.com/services/T0/B0/s3cr3t"
PLAIN = "https://ops.example.org/hook?token=s3cr3t"
SEALED = {"secure": "v1:abc:def"}


def read(cloud: str = "aws", **notify: Any) -> StackSettings:
    raw = {
        "pilotlight:cloud": cloud,
        "pilotlight:host": {"sshPublicKey": KEY},
        "pilotlight:access": {"cidrs": ["203.0.113.0/24"], "sshCidrs": ["203.0.113.7/32"]},
        "pilotlight:engines": {"qwen": {"model": "x/m"}},
        "pilotlight:notify": notify,
    }
    return load(raw, "lab")


def message(cloud: str = "aws", **notify: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        read(cloud, **notify)
    return str(caught.value)


def test_nobody_is_told_unless_somebody_is_named() -> None:
    assert (read().notify.webhooks, read().notify.email) == ((), ())


@pytest.mark.parametrize(
    ("given", "url", "body"),
    [
        (PLAIN, PLAIN, "json"),
        (SLACK, SLACK, "slack"),
        ({"url": PLAIN}, PLAIN, "json"),
        ({"url": SLACK}, SLACK, "slack"),
        ({"url": PLAIN, "format": "slack"}, PLAIN, "slack"),
        ({"url": SLACK, "format": "json"}, SLACK, "json"),
        ("https://hooks.slack.com.example.org/x", "https://hooks.slack.com.example.org/x", "json"),
        ({"url": SEALED}, None, "json"),
        ({"url": SEALED, "format": "slack"}, None, "slack"),
        (SEALED, None, "json"),
    ],
)
def test_a_webhook_is_a_url_or_a_section_and_may_be_encrypted(given: Any, url: str | None, body: str) -> None:
    (webhook,) = read(webhooks=[given]).notify.webhooks
    assert (webhook.url, webhook.body) == (url, body)
    assert "s3cr3t" not in repr(webhook)


def test_json_text_is_read_as_pulumi_hands_it_over() -> None:
    notify = {"webhooks": [{"url": PLAIN}, SLACK], "email": ["ops@example.org"]}
    raw = {"pilotlight:engines": '{"a": {"model": "x/m"}}', "pilotlight:notify": json.dumps(notify)}
    found = load(raw, "lab", to_deploy=False).notify
    assert [w.url for w in found.webhooks] == [PLAIN, SLACK]
    assert found.email == ("ops@example.org",)


def test_a_whole_section_or_an_address_that_is_encrypted_is_passed_over() -> None:
    raw = {"pilotlight:engines": {"a": {"model": "x/m"}}, "pilotlight:notify": SEALED}
    assert load(raw, "lab", to_deploy=False).notify.webhooks == ()
    assert read(email=[SEALED, "ops@example.org"]).notify.email == ("ops@example.org",)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080/hook", "http://localhost/x", "http://[::1]/x", "http://10.77.0.1:9/x", "http://172.31.0.9/x",
     "http://192.168.1.4/x", "http://[fd00::1]/x"],
)  # fmt: skip
def test_plain_http_goes_to_near_addresses_from_the_embedded_cloud_only(url: str) -> None:
    assert read("embedded", webhooks=[url]).notify.webhooks[0].url == url
    assert "notify.webhooks[0].url: " in message(webhooks=[url])
    assert "works in the embedded cloud only" in message(webhooks=[url])


@pytest.mark.parametrize(
    ("webhook", "words"),
    [
        ("http://example.org/s3cr3t", 'webhooks[0].url: "http://example.org/…" must begin with https://'),
        ("http://169.254.169.254/s3cr3t", "must begin with https://"),
        ("http://8.8.8.8/s3cr3t", "must begin with https://"),
        ("ftp://example.org/s3cr3t", "must begin with https://"),
        ("https://me:s3cr3t@example.org/", 'url: "https://example.org/…" has a user or password in it'),
        ("https://s3cr3t@example.org/", "has a user or password in it"),
        ("https://example.org/x#s3cr3t", "has a # in it"),
        ("example.org/s3cr3t", "url: the value (not shown: it may be a secret) is not a URL"),
        ("https://user:p/s3cr3t@example.org", "(not shown: it may be a secret) is not a URL"),
        ("https:///s3cr3t", "is not a URL"),
        ("https:s3cr3t", "is not a URL"),
        ("https://example.org/s3 cr3t", "is not a URL"),
        ("https://example.org\\s3cr3t", "is not a URL"),
        ("https://example.org/s3cr3t\n", "is not a URL"),
        ("https://éxample.org/s3cr3t", "is not a URL"),
        ("https://example.org/s3cr3t" + "x" * 500, 'url: "https://example.org/…" is longer than 500 characters'),
        ("", "is not a URL"),
        ({}, "notify.webhooks[0].url is not set, and has no default"),
        ({"format": "json"}, "notify.webhooks[0].url is not set, and has no default"),
        ({"url": None}, "must be text, e.g. https://example.org/hook"),
        ({"url": 7}, "must be text, e.g. https://example.org/hook"),
        ({"url": {"secret": "s3cr3t"}}, "must be text, e.g. https://example.org/hook"),
        ({"ulr": PLAIN}, "notify.webhooks[0].ulr is not a setting (did you mean url?); allowed here: format, url"),
        ({"url": PLAIN, "format": "slak"}, "allowed: json or slack (did you mean slack?)"),
        (7, "notify.webhooks[0]: the value (not shown: it may be a secret) must be a section"),
    ],
)
def test_a_wrong_webhook_is_named_without_its_secret(webhook: Any, words: str) -> None:
    text = message(webhooks=[webhook])
    assert words in text
    assert "s3cr3t" not in text


def test_at_most_five_webhooks_all_different() -> None:
    many = [f"https://example.org/{n}" for n in range(6)]
    assert len(read(webhooks=many[:5]).notify.webhooks) == 5
    assert "notify.webhooks: the value (not shown: it may be a secret) has 6 entries; at most 5" in message(
        webhooks=many
    )
    text = message(webhooks=[PLAIN, SLACK, {"url": PLAIN, "format": "slack"}])
    assert "has the same URL twice: [0] and [2]" in text
    assert "s3cr3t" not in text
    assert len(read(webhooks=[SEALED, SEALED]).notify.webhooks) == 2  # nobody here can tell whether they differ


@pytest.mark.parametrize("webhooks", ["https://example.org/s3cr3t", {"url": "https://example.org/s3cr3t"}])
def test_webhooks_are_a_list(webhooks: Any) -> None:
    text = message(webhooks=webhooks)
    assert "notify.webhooks: " in text
    assert "must be a list, e.g. [a, b]" in text
    assert "s3cr3t" not in text


@pytest.mark.parametrize("address", ["ops@example.org", "o.p+s@a.b.example"])
def test_an_e_mail_address(address: str) -> None:
    assert read(email=[address]).notify.email == (address,)


@pytest.mark.parametrize(
    "address", ["ops", "ops@", "ops@example", "@example.org", "a b@example.org", "a@b@c.de", "a@-."]
)
def test_what_is_no_e_mail_address(address: str) -> None:
    assert f'notify.email[0]: "{address}" is not an e-mail address; write e.g. ops@example.org' in message(
        email=[address]
    )


def test_an_address_that_is_named_twice_and_a_misspelt_key() -> None:
    assert "names ops@example.org twice" in message(email=["ops@example.org", "ops@example.org"])
    assert "notify.mail is not a setting (did you mean email?); allowed here: email, webhooks" in message(
        mail=["a@b.de"]
    )
