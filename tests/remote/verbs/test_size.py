"""`fab size`: a table that a buyer can act on."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context

from components import models
from core.capacity.instance_types import FRACTIONS, GPUS
from core.engines.sizing import known
from core.engines.sizing.fit import Wish
from core.money import prices
from remote import model_files, tasks
from remote.verbs import size as verbs_size

SEVEN = "Qwen/Qwen2.5-7B-Instruct"


def shown(capsys: pytest.CaptureFixture[str], model: str = SEVEN, **flags: Any) -> str:
    tasks.size(Context(), model, **flags)
    return capsys.readouterr().out


def rows(text: str) -> dict[str, list[str]]:
    return {words[0]: words[1:] for words in (line.split() for line in text.splitlines()) if words and words[0] in GPUS}


def test_every_kind_of_gpu_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys)
    table = rows(text)
    assert {GPUS[name].kind for name in table} == {has.kind for has in GPUS.values()}
    assert "7.62 billion weights" in text
    assert table["g6.xlarge"][:4] == ["1", "×", "L4", f"{prices.instance_hour('us-east-1', 'g6.xlarge'):.3f}"]
    assert table["g4dn.xlarge"][5] == "no"
    assert all(name in text for name in FRACTIONS)
    assert "GRID driver" in text


def test_it_names_the_cheapest_for_4k_32k_and_128k(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys)
    for tokens, name in (("4K", "g6.xlarge"), ("32K", "g6.xlarge"), ("128K", "g6e.xlarge")):
        assert f"{tokens}: the cheapest is {name}, $" in text
    assert "YaRN must be asked for" in text
    assert "128K: the model ends at 16,384 tokens" in shown(capsys, "microsoft/phi-4")


def test_a_type_without_a_price_is_not_called_the_cheapest(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "meta-llama/Llama-3.1-70B-Instruct", region="eu-central-9")
    assert "the cheapest" not in text
    assert "whose price is not known here" in text


def test_json_has_every_type(capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(shown(capsys, json=True))["data"]
    assert {each["instance_type"] for each in data["types"]} == set(GPUS) | set(FRACTIONS)
    assert data["cheapest"] == {"4096": "g6.xlarge", "32768": "g6.xlarge", "131072": "g6e.xlarge"}
    (l4,) = (each for each in data["types"] if each["instance_type"] == "g6.xlarge")
    assert l4["fits"]
    assert l4["weights_gib"] == pytest.approx(14.18, abs=0.02)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"dtype": "int4"}, '--dtype "int4" is not allowed; allowed: auto, float16, bfloat16, float32'),
        ({"kv_cache_dtype": "int4"}, "--kv-cache-dtype"),
        ({"quantization": "awq"}, '--quantization "awq" is not allowed; allowed: fp8.'),
        ({"quantization": "bitsandbytes"}, "allowed: fp8."),
        ({"quantization": "fp8", "model": f"{SEVEN}-AWQ"}, "allowed: awq, awq_marlin."),
        ({"context": "many"}, "--context"),
        ({"model": "qwen2.5:7b"}, "looks like Ollama's name"),
    ],
)
def test_a_wrong_flag_is_one_message(capsys: pytest.CaptureFixture[str], flags: dict[str, str], words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        shown(capsys, **flags)
    assert ended.value.code == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(("model", "method"), [(SEVEN, "fp8"), (f"{SEVEN}-AWQ", "awq_marlin"), (f"{SEVEN}-AWQ", "awq")])
def test_a_method_that_is_counted_is_allowed(capsys: pytest.CaptureFixture[str], model: str, method: str) -> None:
    assert "the cheapest is" in shown(capsys, model, quantization=method)


def test_cards_of_ones_own_stand_last(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line for line in shown(capsys, f"{SEVEN}-AWQ").splitlines() if line.startswith("your own")]
    assert [re.findall(r"RTX \d+", line)[0] for line in lines] == ["RTX 3090", "RTX 4090", "RTX 5090"]
    (card, *_) = json.loads(shown(capsys, f"{SEVEN}-AWQ", json=True))["data"]["own_cards"]
    assert (card["gpu"], card["fits"]) == ("RTX 3090", True)


def test_no_figure_is_cut_on_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "60")
    text = shown(capsys)
    assert "…" not in text
    sized = verbs_size.size(model_files.find(SEVEN).model, Wish(), "us-east-1")
    assert all(f"{offer.fit.longest:,}" in text for offer in sized.offers if offer.fit and offer.fit.fits)


def test_brackets_in_a_name_are_shown_as_they_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    where = tmp_path / "a[" / "b]" / "[bold]:x:"  # to rich an end tag without its beginning, a tag and an emoji
    where.mkdir(parents=True)
    (where / "config.json").write_text(json.dumps(dict(known.MODELS["microsoft/phi-4"])))
    assert shown(capsys, str(where)).startswith(f"{where}: ")


# ---------------------------------------------------------------- --lock
def test_a_model_of_ones_own_is_noted_for_preview(tmp_path: Path) -> None:
    config = dict(known.MODELS["microsoft/phi-4"])
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = model_files.from_folder(tmp_path)
    assert "commit it" in verbs_size.lock("team/own", found, tmp_path)
    assert "commit it" in verbs_size.lock("team/other", found, tmp_path)
    locked = models.locked(tmp_path)
    assert set(locked) == {"team/own", "team/other"}
    assert locked["team/own"].architecture.layers == 40


def test_a_model_of_the_table_needs_no_note(tmp_path: Path) -> None:
    assert "nothing to note" in verbs_size.lock(SEVEN, model_files.find(SEVEN), tmp_path)
    assert models.locked(tmp_path) == {}
