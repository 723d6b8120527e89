"""What set-up made and where it is; everybody else asks here. Nothing is installed from here.

`make setup` writes the choice of the Pulumi CLI to `<cache>/pulumi/chosen.json`; the machine image's tag follows from
its recipe (`local/images/`), so that a changed recipe is a new image.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import docker
from docker.errors import DockerException, ImageNotFound

from core.errors import SetupError
from local import folders

IMAGE_ENV: Final = "PILOTLIGHT_IMAGE"
IMAGE_LABEL: Final = "pilotlight.image"
IMAGE_REPOSITORY: Final = "pilotlight/debian"
RECIPE: Final = Path(__file__).resolve().parent.parent / "images"
RECIPE_FILES: Final = ("packages.txt", "build.sh", "finish.sh")  # what decides how the image turns out


@dataclass(frozen=True)
class PulumiChoice:
    """The Pulumi CLI of this computer. `way` is path, installer or modules; `folder` holds it and its language host."""

    way: str
    version: str
    folder: str


def pulumi_bin() -> Path:
    """The folder to put on PATH for `pulumi` and its Python language host. SetupError where set-up has not run."""
    choice = pulumi_choice()
    if choice is None or not (Path(choice.folder) / "pulumi").exists():
        raise SetupError("The Pulumi CLI is not set up on this computer. Run `make setup`.")
    return Path(choice.folder)


def pulumi_choice() -> PulumiChoice | None:
    """What the last set-up chose, or None."""
    try:
        return PulumiChoice(**json.loads(_choice_file().read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise SetupError(f"{_choice_file()} cannot be read ({error}). Delete it and run `make setup`.") from error


def write_pulumi_choice(choice: PulumiChoice) -> None:
    """Record the choice; a reader sees the old one or the new one, never half of it."""
    write_whole(_choice_file(), json.dumps(asdict(choice)))


def image() -> str:
    """The machine image's tag, `PILOTLIGHT_IMAGE` where that is set. SetupError where Docker does not have it."""
    tag = os.environ.get(IMAGE_ENV) or image_tag()
    if not docker_has(tag):
        raise SetupError(f"Docker has no image `{tag}` on this computer. Run `make setup`.")
    return tag


def image_tag() -> str:
    """`pilotlight/debian:12-<hash of the recipe>`."""
    digest = hashlib.sha256()
    for name in RECIPE_FILES:
        digest.update(name.encode() + b"\0" + (RECIPE / name).read_bytes())
    return f"{IMAGE_REPOSITORY}:12-{digest.hexdigest()[:12]}"


def docker_has(tag: str) -> bool:
    """Whether the daemon holds this image. SetupError where no daemon answers."""
    try:
        client = docker.from_env(timeout=20)
        try:
            client.images.get(tag)
        finally:
            client.close()
    except ImageNotFound:
        return False
    except DockerException as error:
        raise SetupError(f"Docker does not answer ({error}). Run `make setup`.") from error
    return True


def write_whole(path: Path, text: str) -> None:
    """Write beside the file and rename: an interrupted write leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text)
    draft.replace(path)


def _choice_file() -> Path:
    return folders.cache() / "pulumi" / "chosen.json"
