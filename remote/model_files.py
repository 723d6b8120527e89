"""A model's shape and size from its own files: a folder, or Hugging Face by HTTP, a few KiB instead of the weights.

`config.json` tells the shape. How many bytes the weights have stands in the index of a checkpoint in parts
(`model.safetensors.index.json`), or in the headers of its safetensors files: 8 bytes of length and then JSON, which an
HTTP range request reads alone. The hub is `HF_ENDPOINT` (default https://huggingface.co); `HF_TOKEN` opens gated
models, as with Hugging Face's own tools.
"""

from __future__ import annotations

import json
import os
import struct
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final

from core.engines.model_source import EXAMPLE, Kind
from core.engines.model_source import parse as parse_source
from core.engines.sizing import known
from core.engines.sizing.architecture import CannotSize, Config, parse
from core.engines.sizing.fit import Model
from core.errors import DeployError, SettingsError
from remote import paths

HUB: Final = "https://huggingface.co"
TIMEOUT_S: Final = 20.0
CONFIG: Final = "config.json"
INDEX: Final = "model.safetensors.index.json"
SINGLE: Final = "model.safetensors"
_MOST: Final = 2**63  # bytes: what JSON calls Infinity is no size
HEADER_MOST: Final = 100_000_000  # bytes; safetensors' own limit
_YARN: Final = "yarn"  # the key that `known.py` adds
Read = Callable[[str, tuple[int, int] | None], bytes]  # a file's name and a range of bytes, last one included


@dataclass(frozen=True)
class Found:
    """A model, and the configuration that it was read from."""

    model: Model
    config: Config
    in_table: bool = False  # of usual models: nobody was asked


class NoSuchFile(DeployError):
    """The model has no file of that name."""


def find(name: str, *, hub: bool = False) -> Found:
    """A folder where there is one, a model of the table, else Hugging Face's (`hub`: that also of the table's).

    Raises:
        DeployError: it cannot be read, or its size not be told, with what to do. SettingsError: it names no model.
    """
    folder = paths.typed(name)
    try:
        there = folder.is_dir()
    except OSError as error:
        raise DeployError(f"{folder} cannot be read: {error.strerror}.") from error
    if there:
        return from_folder(folder)
    try:
        source = parse_source(name)
    except SettingsError as error:
        raise SettingsError(f'"{name}" {error}') from error
    if source.kind is not Kind.HUB:
        what = "is no folder on this computer" if source.kind is Kind.PATH else "is a Python package, which is not read"
        raise SettingsError(f'"{name}" {what}; name a folder with {CONFIG}, or a model of Hugging Face, e.g. {EXAMPLE}')
    if source.name in known.MODELS and not hub:
        fields = known.MODELS[source.name]
        return Found(Model(source.name, parse(fields)), fields, in_table=True)
    return from_hub(source.name, source.revision or "main")


def from_folder(folder: Path) -> Found:
    """A checkpoint's folder on this computer."""

    def read(name: str, part: tuple[int, int] | None) -> bytes:
        try:
            if (folder / name).exists() and not (folder / name).is_file():  # a pipe would be waited for without end
                raise DeployError(f"{folder / name} is not a file.")
            with (folder / name).open("rb") as file:
                file.seek(part[0] if part else 0)
                return file.read(part[1] - part[0] + 1 if part else HEADER_MOST)
        except FileNotFoundError as error:
            raise NoSuchFile(f"{folder} has no {name}") from error
        except OSError as error:
            raise DeployError(f"{folder / name} cannot be read: {error.strerror}.") from error

    def files() -> list[str]:
        """As the hub: one file of that name is the whole model, whatever else lies there (Mistral's consolidated)."""
        found = sorted(path.name for path in folder.glob("*.safetensors"))
        return [SINGLE] if SINGLE in found else found

    return _model(str(folder), read, files)


def from_hub(name: str, revision: str) -> Found:
    """A model of Hugging Face."""
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or HUB
    base = f"{endpoint}/{name}/resolve/{urllib.parse.quote(revision, safe='')}"

    def read(file: str, part: tuple[int, int] | None) -> bytes:
        return _get(f"{base}/{file}", part, name)

    return _model(name, read, lambda: [SINGLE])


def _model(name: str, read: Read, files: Callable[[], list[str]]) -> Found:
    told = _json(read(CONFIG, None), f"{CONFIG} of {name}")
    config = {**{key: value for key, value in told.items() if key != _YARN}, **_yarn(name)}
    try:
        return Found(Model(name, parse(config), _stored(name, read, files)), config)
    except CannotSize as error:
        raise DeployError(f"{name} cannot be sized: {error}.") from error


def _yarn(name: str) -> Mapping[str, Any]:
    """How far YaRN reaches is the model card's to say, not config.json's."""
    fields = known.MODELS.get(name, {})
    return {_YARN: fields[_YARN]} if _YARN in fields else {}


def _stored(name: str, read: Read, files: Callable[[], list[str]]) -> int | None:
    """Bytes of the weights; None where there are no safetensors files: then they are counted by the shape."""
    try:
        index = _json(read(INDEX, None), f"{INDEX} of {name}")
    except NoSuchFile:
        parts = files()
    else:
        metadata, where = index.get("metadata"), index.get("weight_map")
        total = metadata.get("total_size") if isinstance(metadata, Mapping) else None
        if isinstance(total, int | float) and 0 < total < _MOST:
            return int(total)
        if not isinstance(where, Mapping) or not all(isinstance(part, str) for part in where.values()):
            raise DeployError(f"{INDEX} of {name} has no `weight_map` of tensors and files.")
        parts = sorted(set(where.values()))
    try:
        return sum(sum(_tensor_bytes(_header(read, part), part)) for part in parts) or None
    except NoSuchFile:
        return None


def _header(read: Read, file: str) -> Mapping[str, Any]:
    """The JSON at the start of a safetensors file."""
    start = read(file, (0, 7))
    length = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    if not 2 <= length <= HEADER_MOST:
        raise DeployError(f"{file} is no safetensors file.")
    return _json(read(file, (8, 7 + length)), f"the header of {file}")


def _tensor_bytes(header: Mapping[str, Any], file: str) -> Iterator[int]:
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        match tensor:
            case {"data_offsets": [int(begin), int(end)]} if 0 <= begin <= end:
                yield end - begin
            case _:
                raise DeployError(f"{file} is no safetensors file: its header does not say where {name} lies.")


def _json(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DeployError(f"{what} is no JSON: {error}.") from error
    if not isinstance(found, dict):
        raise DeployError(f"{what} is no JSON object.")
    return found


class _SameHost(urllib.request.HTTPRedirectHandler):
    """The hub redirects to where the files lie: the token is the hub's and goes nowhere else."""

    def redirect_request(  # noqa: PLR0917  # urllib's
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        onward = super().redirect_request(req, fp, code, msg, headers, newurl)
        if onward is not None and urllib.parse.urlsplit(newurl).netloc != urllib.parse.urlsplit(req.full_url).netloc:
            onward.remove_header("Authorization")
        return onward


def _get(url: str, part: tuple[int, int] | None, name: str) -> bytes:
    request = urllib.request.Request(url)
    if part is not None:
        request.add_header("Range", f"bytes={part[0]}-{part[1]}")
    if token := os.environ.get("HF_TOKEN", ""):
        request.add_header("Authorization", f"Bearer {token}")
    most = part[1] - part[0] + 1 if part else HEADER_MOST
    try:
        with urllib.request.build_opener(_SameHost).open(request, timeout=TIMEOUT_S) as answer:
            if part is not None and answer.status != 206 and part[0]:
                raise DeployError(f"{url} does not answer range requests; download {name} and name its folder.")
            return bytes(answer.read(most))
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(error.code, url, name) from error
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DeployError(
            f"{name} is not in the table of known models, and {urllib.parse.urlsplit(url).netloc} cannot be asked: "
            f"{reason}. Name a folder with its {CONFIG}, or set HF_ENDPOINT to a mirror."
        ) from error


def _refused(code: int, url: str, name: str) -> DeployError:
    if code == 404:
        return NoSuchFile(f"{name} has no {url.rpartition('/')[2]} on {urllib.parse.urlsplit(url).netloc}.")
    if code in (401, 403):
        return DeployError(
            f"{name} is gated, private, or does not exist ({code}). Accept its terms on its page and set HF_TOKEN, or "
            f"name a folder with its {CONFIG}."
        )
    return DeployError(f"{url} answered {code}. Try again, or name a folder with {CONFIG}.")
