"""Between protobuf Structs, as the engine sends them, and plain Python values.

The provider answers accept* = False, so secrets, resources and outputs arrive as plain values (the engine marks what it
gets back as secret where it sent a secret). Two special things are left: unknown values, in previews only, and
assets and archives, which are objects with a signature key.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeGuard

from google.protobuf import struct_pb2
from pulumi.runtime.rpc import UNKNOWN

from core.errors import CloudError

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the zip format's first moment: equal files are equal bytes


def to_plain(message: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as a dictionary; whole numbers become int."""
    return {key: _plain(value) for key, value in message.fields.items()}


def _plain(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return to_plain(value.struct_value)
    if kind == "list_value":
        return [_plain(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind in (None, "null_value") else getattr(value, kind)


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """A dictionary as a Struct; keys whose value is None are left out."""
    message = struct_pb2.Struct()
    message.update(_without_none(values))
    return message


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _without_none(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple)):
        return [_without_none(item) for item in value]
    return value


def is_unknown(value: Any) -> bool:
    """Whether a value, or anything within it, is only known after `up`."""
    if isinstance(value, Mapping):
        return any(is_unknown(v) for v in value.values())
    if isinstance(value, list):
        return any(is_unknown(v) for v in value)
    return bool(value == UNKNOWN)


def is_archive(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether a value is an archive as the engine writes them."""
    return isinstance(value, Mapping) and value.get(SIGNATURE) == ARCHIVE


def zip_of(archive: Mapping[str, Any]) -> bytes:
    """An archive object as a zip file; the same members give the same bytes, whatever their dates.

    Takes assets by text or path, nested archives and folders. CloudError for remote ones, which nothing here uses.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in sorted(_members("", archive)):
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(info, data)
    return buffer.getvalue()


def sha256_hex(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


def _members(prefix: str, item: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    if item.get("assets") is not None and is_archive(item):
        for name, child in item["assets"].items():
            yield from _members(f"{prefix}/{name}" if prefix else name, child)
    elif item.get("text") is not None and item.get(SIGNATURE) == ASSET:
        yield prefix, item["text"].encode()
    elif item.get("path"):
        yield from _from_path(prefix, Path(item["path"]))
    else:
        raise CloudError(
            f"The archive's member {prefix or '/'!r} has neither text nor path: the embedded cloud takes FileAsset, "
            "StringAsset, AssetArchive and FileArchive. Give one of these (local/provider/structs.py)."
        )


def _from_path(prefix: str, path: Path) -> Iterator[tuple[str, bytes]]:
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            yield "/".join(filter(None, (prefix, file.relative_to(path).as_posix()))), file.read_bytes()
    elif not prefix and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as bundle:
            for name in bundle.namelist():
                yield name, bundle.read(name)
    elif path.is_file():
        yield prefix or path.name, path.read_bytes()
    else:
        raise CloudError(f"The archive's member {prefix or '/'!r} names {path}, which does not exist.")
