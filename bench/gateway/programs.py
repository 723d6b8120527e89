"""Programs that the bench needs, brought into the cache once: gauge, nginx, LiteLLM in an environment of its own."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from core.errors import SetupError
from local.setup import go_toolchain
from local.setup.site import Say, Site

GAUGE: Final = Path(__file__).with_name("gauge")
GO: Final = (1, 22)
LITELLM: Final = (
    "1.106.12"  # 1.107.0 was withdrawn for foreign code in it; what followed wants a package that PyPI lacks
)
# Starlette, httpx and uvicorn come with it; they are named because a proxy of ours runs on them there
PACKAGES: Final = (f"litellm[proxy]=={LITELLM}", "starlette", "httpx", "uvicorn")
NO_NGINX: Final = (
    "nginx is not here, and apt cannot bring it: {why}. "
    "Install it (Debian: apt-get install nginx-light), or leave it out: --without nginx."
)


def gauge(site: Site, say: Say) -> Path:
    """The program of `gauge/`, built by Go from PATH or PyPI's."""
    sources = sorted(GAUGE.iterdir())
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    place = site.cache / "tools" / f"gauge-{digest}"
    if not place.exists():
        go, words = go_toolchain.bring(site, GO, say)
        say(f"building bench/gateway/gauge with {words}")
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}")
        env = {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}
        site.commands.run([go, "build", "-o", str(draft), "."], cwd=GAUGE, env=env, log=site.log("bench"))
        draft.rename(place)
    return place


def nginx(site: Site, say: Say) -> Path:
    """This computer's nginx, or Debian's package unpacked into the cache: nothing is installed or runs by itself."""
    if found := site.which("nginx"):
        return Path(found)
    place = site.cache / "tools" / "nginx"

    def fill(draft: Path) -> None:
        say("bringing nginx (apt-get download)")
        site.commands.run(["apt-get", "download", "nginx"], cwd=draft, log=site.log("bench"))
        for package in draft.glob("*.deb"):
            site.commands.run(["dpkg-deb", "-x", str(package), str(draft)], log=site.log("bench"))

    try:
        _made(place, fill)
    except SetupError as error:
        raise SetupError(NO_NGINX.format(why=error)) from error
    return place / "usr" / "sbin" / "nginx"


def litellm(site: Site, say: Say) -> Path:
    """The folder of LiteLLM's programs, in an environment that nothing else uses (600 MB)."""
    place = site.cache / "tools" / f"litellm-{LITELLM}"

    def fill(draft: Path) -> None:
        say(f"bringing LiteLLM {LITELLM} from PyPI (some minutes; `{site.log('bench')}` says what it does)")
        log, env = site.log("bench"), site.uv_environment()
        site.commands.run([site.uv, "venv", "-q", "--relocatable", str(draft)], log=log, env=env)
        install = [site.uv, "pip", "install", "-q", "--python", str(draft / "bin" / "python"), *PACKAGES]
        site.commands.run(install, log=log, env=env)

    _made(place, fill)
    return place / "bin"


def _made(place: Path, fill: Callable[[Path], None]) -> None:
    """A folder that is there as a whole or not at all."""
    if place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    try:
        fill(draft)
        draft.rename(place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
