"""The chat page's image. Where its registry can be reached, machines pull it; else it is built here once, from PyPI.

What is built has the official image's name and layout, so that one `docker run` is right for both, and lies as an
archive in the cache, which machines see (`core.contract.paths.ARCHIVES`). The stamp beside it holds the recipe's hash:
an edited recipe is built anew, and archives of earlier versions are removed then.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Final

from core.contract.paths import ARCHIVES, REGISTRY_ANSWERS, WEBUI_IMAGE, image_archive, image_registry
from local.cloud.machine_files import acquire_options
from local.folders import CHECKOUT
from local.setup import prefetch, tools
from local.setup.prefetch import Batch
from local.setup.site import Say, Site
from local.setup.tools import write_whole

RECIPE: Final = tools.RECIPE / "webui"
SCRIPTS: Final = ("assemble.sh", "start.sh")
REQUIREMENTS: Final = RECIPE / "requirements.txt"
BUILDER: Final = Path(__file__).with_name("webui_build.py")
REGISTRY_ANSWERS_S: Final = 5.0
STAMP: Final = ".recipe"
PULLED: Final = "machines pull it"
BUILT: Final = "built from PyPI"


def archive(site: Site) -> Path:
    """Where a built image lies."""
    return site.cache / ARCHIVES / image_archive(WEBUI_IMAGE)


def made(site: Site) -> str | None:
    """How machines get the image, or None where it has to be built."""
    if built(site):
        return BUILT
    return PULLED if registry_answers() else None


def built(site: Site) -> bool:
    """Whether the archive of this recipe is there."""
    stamp = _stamp(site)
    return archive(site).exists() and stamp.exists() and stamp.read_text() == recipe()


def registry_answers(image: str = WEBUI_IMAGE) -> bool:
    """Whether the image's registry speaks to us: its API asks for a log-in (401) or lets us in.

    https://distribution.github.io/distribution/spec/api/#api-version-check
    """
    try:
        with urllib.request.urlopen(f"https://{image_registry(image)}/v2/", timeout=REGISTRY_ANSWERS_S):
            return True
    except urllib.error.HTTPError as error:
        return error.code in REGISTRY_ANSWERS  # a proxy that forbids it answers 403
    except OSError:
        return False


def recipe() -> str:
    """The hash of all that decides how the image turns out."""
    digest = hashlib.sha256(f"{WEBUI_IMAGE}\n{tools.image_tag()}".encode())
    for file in (BUILDER, REQUIREMENTS, *(RECIPE / name for name in SCRIPTS)):
        digest.update(b"\0" + file.read_bytes())
    return digest.hexdigest()


def make(site: Site, say: Say) -> str:
    """Build the archive beside its place and rename it there."""
    place = archive(site)
    place.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".webui-", dir=place.parent))
    try:
        say("fetching Open WebUI's packages")
        _gather(site, work)
        say("assembling the image (about a minute)")
        draft = work / place.name
        argv = [sys.executable, "-m", "local.setup.webui_build", str(work), str(draft)]
        site.commands.run(argv, cwd=CHECKOUT, log=site.log("webui"))
        _stamp(site).unlink(missing_ok=True)
        draft.replace(place)
        write_whole(_stamp(site), recipe())
        remove_others(site)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return f"{BUILT} ({place.stat().st_size / 1e6:.0f} MB); no registry answers at {image_registry(WEBUI_IMAGE)}"


def remove_others(site: Site) -> None:
    """Archives of earlier versions, which nobody loads any longer. What has no stamp beside it was not built here."""
    place = archive(site)
    for stamp in place.parent.glob(f"*{STAMP}"):
        if stamp != _stamp(site):
            stamp.with_name(stamp.name.removesuffix(STAMP)).unlink(missing_ok=True)
            stamp.unlink()


def _gather(site: Site, work: Path) -> None:
    """All that the container is given, in one folder: packages, scripts, and this computer's way to apt's mirrors."""
    work.chmod(0o755)
    packages = Batch("webui", ("-r", str(REQUIREMENTS)), REQUIREMENTS.read_text())
    prefetch.install(site, packages, work / "site", link_mode="hardlink")
    for name in SCRIPTS:
        shutil.copyfile(RECIPE / name, work / name)
    (work / "apt.conf").write_text(acquire_options(sorted(Path("/etc/apt/apt.conf.d").glob("*"))))


def _stamp(site: Site) -> Path:
    place = archive(site)
    return place.with_name(f"{place.name}{STAMP}")
