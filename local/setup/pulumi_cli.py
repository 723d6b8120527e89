"""The Pulumi CLI, by one of three ways: on PATH, by Pulumi's own installer, or built from its pinned Go modules.

Tried in this order; `--cli WAY` or PILOTLIGHT_PULUMI_CLI forces one. Why one was passed over is said. The result is a
folder with `pulumi`, `pulumi-language-python` and `pulumi-language-python-exec`, recorded for
`local.setup.tools.pulumi_bin()`.
"""

from __future__ import annotations

import re
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, cast

from core.errors import SetupError
from core.versions import PULUMI_FROM_MODULES, PULUMI_LANGUAGE_HOST, PULUMI_MINIMUM
from local.setup import go_toolchain, links
from local.setup.site import Say, Site
from local.setup.tools import PulumiChoice

WAYS: Final = ("path", "installer", "modules")
PROGRAMS: Final = links.PULUMI
MODULES: Final = Path(__file__).resolve().parent.parent / "pulumi"
INSTALLER_HOST: Final = "get.pulumi.com"
INSTALLER_ANSWERS_S: Final = 4.0
INSTALLER_PATIENCE_S: Final = 300.0
SDK: Final = "github.com/pulumi/pulumi/sdk/v3"
CLI_PACKAGE: Final = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
HOST_PACKAGE: Final = f"{SDK}/python/cmd/pulumi-language-python"


class PassedOverError(SetupError):
    """This way does not lead to a CLI here; the next one is tried."""


@dataclass(frozen=True)
class Ways:
    """The three ways, replaceable in tests."""

    path: Callable[[Site, Say], PulumiChoice]
    installer: Callable[[Site, Say], PulumiChoice]
    modules: Callable[[Site, Say], PulumiChoice]


def parse_version(printed: str | None) -> tuple[int, int, int] | None:
    """`v3.220.0` or `3.220.0-dev` as (3, 220, 0); None for anything else."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", printed or "")
    return cast(tuple[int, int, int], tuple(int(part) for part in found.groups())) if found else None


def usable(choice: PulumiChoice | None, forced: str | None) -> bool:
    """Whether the recorded choice is still there, and is the way that was asked for."""
    if choice is None or (forced and choice.way != forced):
        return False
    version = parse_version(choice.version)
    whole = all((Path(choice.folder) / program).exists() for program in PROGRAMS)
    return whole and version is not None and version >= PULUMI_MINIMUM


def bring(site: Site, forced: str | None, say: Say, ways: Ways | None = None) -> PulumiChoice:
    """The first way that leads to a CLI, or the forced one; SetupError with every reason where none does."""
    ways = ways or Ways(from_path, from_installer, from_modules)
    reasons = []
    for name in [forced] if forced else WAYS:
        try:
            return cast(PulumiChoice, getattr(ways, name)(site, say))
        except PassedOverError as reason:
            say(f"{name}: {reason}")
            reasons.append(f"{name}: {reason}")
    raise SetupError("No Pulumi CLI could be had. " + " ".join(reasons))


def from_path(site: Site, _say: Say) -> PulumiChoice:
    """The CLI on PATH, gathered with its language host in one folder of links."""
    found = {program: site.which(program) for program in PROGRAMS}
    if not found["pulumi"]:
        raise PassedOverError("there is no `pulumi` on PATH.")
    printed = site.commands.output(["env", "PULUMI_SKIP_UPDATE_CHECK=true", found["pulumi"], "version"])
    version = parse_version(printed)
    if version is None or version < PULUMI_MINIMUM:
        least = ".".join(map(str, PULUMI_MINIMUM))
        raise PassedOverError(f"{found['pulumi']} is {printed or 'of no known version'}; {least} or newer is needed.")
    lacking = [program for program, place in found.items() if not place]
    if lacking:
        raise PassedOverError(f"{found['pulumi']} is {printed}, but {' and '.join(lacking)} is not on PATH.")
    folder = site.cache / "pulumi" / "path" / "bin"
    for program, place in found.items():
        links.link(folder / program, Path(str(place)))
    return PulumiChoice("path", ".".join(map(str, version)), str(folder))


def installer_reachable() -> bool:
    """Whether Pulumi's download host accepts a connection within a few seconds."""
    try:
        socket.create_connection((INSTALLER_HOST, 443), timeout=INSTALLER_ANSWERS_S).close()
    except OSError:
        return False
    return True


def from_installer(site: Site, say: Say, reachable: Callable[[], bool] = installer_reachable) -> PulumiChoice:
    """Pulumi's official installer, by the Automation API: the version that fits the SDK in requirements.txt."""
    version = metadata.version("pulumi")
    home = site.cache / "pulumi" / version
    if not all((home / "bin" / program).exists() for program in PROGRAMS):
        if not reachable():
            raise PassedOverError(f"{INSTALLER_HOST} cannot be reached.")
        say(f"installing {version} from {INSTALLER_HOST}")
        _install_official(site, home)
    return PulumiChoice("installer", version, str(home / "bin"))


def _install_official(site: Site, home: Path) -> None:
    """In a process of its own, so that a download that hangs can be given up and Ctrl-C ends it."""
    with _draft(home) as draft:
        program = f"import pulumi.automation as a; a.PulumiCommand.install(root={str(draft)!r})"
        try:
            site.commands.run([sys.executable, "-c", program], log=site.log("pulumi"), timeout_s=INSTALLER_PATIENCE_S)
        except SetupError as error:
            raise PassedOverError(f"Pulumi's installer failed: {error}") from error
        _require_whole(draft)


def from_modules(site: Site, say: Say) -> PulumiChoice:
    """Built from `local/pulumi/*/go.mod`. The language host is of the last version whose module had it."""
    home = site.cache / "pulumi" / PULUMI_FROM_MODULES
    if not all((home / "bin" / program).exists() for program in PROGRAMS):
        _build(site, home, say)
    return PulumiChoice("modules", PULUMI_FROM_MODULES, str(home / "bin"))


def _build(site: Site, home: Path, say: Say) -> None:
    go, which_go = go_toolchain.bring(site, go_toolchain.needed((MODULES / "cli" / "go.mod").read_text()), say)
    flags = f"-s -w -X {SDK}/go/common/version.Version="
    with _draft(home) as draft:
        target = draft / "bin"
        say(f"building the language host {PULUMI_LANGUAGE_HOST} with {which_go}")
        _go(site, go, "language-host", ["build", "-o", f"{target}/", HOST_PACKAGE])
        say(f"building the CLI {PULUMI_FROM_MODULES} with {which_go} (2 to 3 minutes)")
        _go(site, go, "cli", ["build", "-ldflags", flags + PULUMI_FROM_MODULES, "-o", f"{target}/", CLI_PACKAGE])
        launcher = site.cache / "go" / "mod" / f"{SDK}@v{PULUMI_FROM_MODULES}" / "python" / "cmd" / PROGRAMS[2]
        shutil.copyfile(launcher, target / PROGRAMS[2])
        (target / PROGRAMS[2]).chmod(0o755)
        _require_whole(draft)
    shutil.rmtree(site.cache / "go", ignore_errors=True)  # 4 GiB that nothing needs again


def _go(site: Site, go: str, module: str, arguments: list[str]) -> None:
    env = {
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false -modcacherw -mod=readonly",
        "GOMODCACHE": str(site.cache / "go" / "mod"),
        "GOCACHE": str(site.cache / "go" / "build"),
        "CGO_ENABLED": "0",
    }
    site.commands.run([go, *arguments], cwd=MODULES / module, env=env, log=site.log("pulumi"), gently=True)


def _require_whole(home: Path) -> None:
    lacking = [program for program in PROGRAMS if not (home / "bin" / program).exists()]
    if lacking:
        raise SetupError(f"The Pulumi CLI came without {', '.join(lacking)}.")


@contextmanager
def _draft(home: Path) -> Iterator[Path]:
    """A folder beside `home` that takes its place when the block ends well, and is removed when it does not."""
    home.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=home.parent))
    try:
        (draft / "bin").mkdir()
        yield draft
        shutil.rmtree(home, ignore_errors=True)
        draft.chmod(0o755)
        draft.rename(home)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
