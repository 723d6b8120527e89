"""Values on the wire, and archives as zip files."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from core.errors import CloudError
from local.provider.structs import ARCHIVE, ASSET, SIGNATURE, is_unknown, to_plain, to_struct, zip_of


def _archive(**assets: object) -> dict[str, object]:
    return {SIGNATURE: ARCHIVE, "assets": assets}


def test_values_come_back_as_they_went() -> None:
    values = {"a": 1, "b": 1.5, "c": [True, "x", {"d": []}], "e": {}}
    assert to_plain(to_struct({**values, "gone": None})) == values


def test_unknown_is_found_within() -> None:
    assert is_unknown({"a": [{"b": "04da6b54-80e4-46f7-96ec-b56ff0331ba9"}]})
    assert not is_unknown({"a": [{"b": "known"}]})


def test_equal_archives_are_equal_bytes_whatever_their_dates(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("a = 1")
    one = zip_of(_archive(**{"p/a.py": {SIGNATURE: ASSET, "path": str(file)}, "b.py": {SIGNATURE: ASSET, "text": "b"}}))
    os.utime(file, (1, 1))
    two = zip_of(_archive(**{"b.py": {SIGNATURE: ASSET, "text": "b"}, "p/a.py": {SIGNATURE: ASSET, "path": str(file)}}))
    assert one == two
    assert zipfile.ZipFile(io.BytesIO(one)).namelist() == ["b.py", "p/a.py"]


def test_folders_and_zips_are_archives_too(tmp_path: Path) -> None:
    (tmp_path / "lib" / "deep").mkdir(parents=True)
    (tmp_path / "lib" / "deep" / "c.py").write_text("c")
    folder = {SIGNATURE: ARCHIVE, "path": str(tmp_path / "lib")}
    bundle = tmp_path / "x.zip"
    bundle.write_bytes(zip_of(folder))
    assert zip_of({SIGNATURE: ARCHIVE, "path": str(bundle)}) == zip_of(folder)
    assert zipfile.ZipFile(io.BytesIO(zip_of(_archive(vendored=folder)))).namelist() == ["vendored/deep/c.py"]


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(CloudError, match="no/such/file"):
        zip_of(_archive(a={SIGNATURE: ASSET, "path": "/no/such/file"}))
    with pytest.raises(CloudError, match="neither text nor path"):
        zip_of(_archive(a={SIGNATURE: ASSET, "uri": "https://example.org/a.zip"}))
