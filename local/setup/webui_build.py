"""`python -m local.setup.webui_build WORK OUTPUT.tar`: the chat page's image out of packages that uv has installed.

WORK holds `site/` (the packages) and the files that `assemble.sh` names. A program of its own, so that set-up can end
it: SIGTERM takes the container away. What the image has beside its files is `CHANGES`, in the words of a Dockerfile.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, NoReturn

import docker
from docker.errors import DockerException, ImageNotFound, NotFound
from docker.types import Mount

from core import versions
from core.contract.paths import WEBUI_IMAGE
from core.errors import SetupError
from local.setup import tools

CONTAINER: Final = "pilotlight-webui-build"
BUILT_LABEL: Final = "pilotlight.built-from"
CERTIFICATES: Final = "/etc/ssl/certs"
# Folder, command, port and variables as in Open WebUI's own image, so that one `docker run` is right for both
CHANGES: Final = (
    "WORKDIR /app/backend",
    'CMD ["bash", "start.sh"]',
    "EXPOSE 8080",
    "ENV HOST=0.0.0.0",
    "ENV PORT=8080",
    "ENV ENV=prod",
    "ENV DOCKER=true",
    "ENV USE_SLIM_DOCKER=true",
    "ENV HOME=/root",
    "ENV LANG=C.UTF-8",
    "ENV PYTHONUNBUFFERED=1",
    "ENV DO_NOT_TRACK=true",
    "ENV SCARF_NO_ANALYTICS=true",
    "ENV ANONYMIZED_TELEMETRY=false",
    "HEALTHCHECK CMD curl --silent --fail http://localhost:$PORT/health | jq -ne 'input.status == true' || exit 1",
    "LABEL org.opencontainers.image.title=open-webui",
    f"LABEL org.opencontainers.image.version={versions.OPEN_WEBUI}",
    f"LABEL {BUILT_LABEL}=PyPI",
)
_PROXIES: Final = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def main(argv: Sequence[str]) -> int:
    """Build and save; 0, or 1 with one message."""
    work, output = Path(argv[0]), Path(argv[1])
    signal.signal(signal.SIGTERM, _end)
    client = docker.from_env(timeout=600)
    try:
        with _container(client, work) as container:
            _assemble(container)
            save(client, container, output)
    except (DockerException, SetupError) as error:
        print(f"The chat page's image was not built: {error}", file=sys.stderr)
        return 1
    finally:
        client.close()
    return 0


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _container(client: docker.DockerClient, work: Path) -> Iterator[Any]:
    """A container of the machines' image that waits; it has this computer's network, and goes when the block ends."""
    _remove(client)
    try:
        yield client.containers.run(
            tools.image_tag(),
            ["sleep", "infinity"],
            name=CONTAINER,
            detach=True,
            init=True,
            network_mode="host",
            # as mounts: what is asked for as volumes, the committed image asks for too
            mounts=[_readable(str(work), "/mnt"), _readable(CERTIFICATES, CERTIFICATES)],
        )
    finally:
        _remove(client)


def _readable(source: str, target: str) -> Mount:
    return Mount(target, source, type="bind", read_only=True)


def _remove(client: docker.DockerClient) -> None:
    with suppress(NotFound):
        client.containers.get(CONTAINER).remove(force=True, v=True)


def _assemble(container: Any) -> None:
    """Run the recipe. Its variables are not the container's own: those would become the image's."""
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    wanted = {**proxies, "APT_CONFIG": "/mnt/apt.conf", "WEBUI_VERSION": versions.OPEN_WEBUI}
    code, printed = container.exec_run(["sh", "/mnt/assemble.sh"], environment=wanted)
    text = printed.decode(errors="replace")
    print(text, flush=True)
    if code:
        raise SetupError(f"assemble.sh failed with {code}: {text.strip().rpartition(chr(10))[2]}")


def save(client: docker.DockerClient, container: Any, output: Path) -> None:
    """Write the container's file system as an image archive. Docker itself has afterwards what it had before."""
    before = _image(client)
    repository, tag = WEBUI_IMAGE.rsplit(":", 1)
    built = container.commit(repository=repository, tag=tag, changes=list(CHANGES))
    try:
        with output.open("wb") as file:
            for chunk in client.images.get(built.id).save(named=WEBUI_IMAGE):
                file.write(chunk)
    finally:
        client.images.remove(WEBUI_IMAGE)
        if before is not None:
            before.tag(repository, tag)


def _image(client: docker.DockerClient) -> Any:
    """The image that has the name already: pulled by somebody, not ours to take away."""
    try:
        return client.images.get(WEBUI_IMAGE)
    except ImageNotFound:
        return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
