"""stacks/models.lock.json: what was read of a model once, for preview."""

from __future__ import annotations

import json

import pytest

from core.engines.sizing import known, lock
from core.errors import SettingsError

CONFIG = {**known.MODELS["Qwen/Qwen2.5-7B-Instruct-AWQ"], "architectures": ["Qwen2ForCausalLM"]}


def test_what_is_written_is_read() -> None:
    text = lock.written(lock.written("{}", "team/own", CONFIG, 42), "team/other", CONFIG, None)
    found = lock.read(text)
    assert {name: model.stored_bytes for name, model in found.items()} == {"team/own": 42, "team/other": None}
    assert found["team/own"].architecture.layers == 28
    assert found["team/own"].architecture.quantization is not None
    assert "architectures" not in text


def test_a_model_is_renewed_and_the_order_is_its_own() -> None:
    one = lock.written(lock.written("{}", "b/b", CONFIG, 1), "a/a", CONFIG, 2)
    other = lock.written(lock.written("{}", "a/a", CONFIG, 2), "b/b", CONFIG, 1)
    assert one == other == lock.written(one, "b/b", CONFIG, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "is no JSON object"),
        (json.dumps({"a/a": 1}), "a/a has no `config`"),
        (json.dumps({"a/a": {"config": {}, "stored_bytes": "1"}}), "a/a has no `config`"),
        (json.dumps({"a/a": {"config": {"model_type": "x"}}}), "a/a cannot be sized"),
    ],
)
def test_what_is_no_lock_file_is_said(text: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        lock.read(text)
