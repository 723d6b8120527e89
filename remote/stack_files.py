"""Which stack is meant, where it lives, and what its file says.

An embedded stack is rendered by the embedded cloud into `<state>/project/stacks/`; `<state>/cloud.json` holds the
environment that a `pulumi` for it needs (docs/architecture.md). Any other stack is the checkout's own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from core import settings
from core.errors import DeployError, SettingsError
from core.settings import StackSettings

CHECKOUT: Final = Path(__file__).resolve().parent.parent
PRODUCT: Final = "pilotlight"


class NotMade(DeployError):
    """The stack has a file and no machines: nobody has made them, or they were taken down."""


@dataclass(frozen=True)
class StackFile:
    """A stack's settings and what is needed to run Pulumi for it. `ssh_key` is "" where the user's own keys serve."""

    name: str
    settings: StackSettings
    project: Path
    environment: Mapping[str, str]
    ssh_key: str

    @property
    def pins(self) -> Path:
        """Where host keys are pinned. An embedded cloud's go with it: `cloud.down` removes its folder."""
        return (self.project.parent if self.settings.cloud == "embedded" else state_home()) / "host-keys"


def state_home() -> Path:
    """`$XDG_STATE_HOME/pilotlight`; the same rule as local/folders.py, which remote must not import."""
    value = os.environ.get("XDG_STATE_HOME", "")
    return (Path(value) if value.startswith("/") else Path.home() / ".local/state") / PRODUCT


def cloud() -> dict[str, Any] | None:
    """cloud.json of the embedded cloud named by PILOTLIGHT_CLOUD, or None where it is not up."""
    path = state_home() / (os.environ.get("PILOTLIGHT_CLOUD") or PRODUCT) / "cloud.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DeployError(f"{path} cannot be read: {error}. Run `fab cloud.up` again.") from error


def names() -> list[str]:
    """Every stack that there is: the checkout's and the embedded cloud's."""
    up = cloud()
    folders = [CHECKOUT / "stacks"] + ([Path(up["project"]) / "stacks"] if up else [])
    found = (path.name for folder in folders for path in folder.glob("Pulumi.*.yaml"))
    stacks = {name.removeprefix("Pulumi.").removesuffix(".yaml") for name in found}
    return sorted(stacks - {""})  # `Pulumi..yaml` is nobody's


def find(stack: str) -> StackFile:
    """The stack's file, read and checked.

    Raises:
        DeployError: no such stack. NotMade: the embedded cloud is not up. SettingsError: the file holds a wrong value.
    """
    _check_name(stack)
    up = cloud()
    if up and _is_there(rendered := Path(up["project"]) / "stacks" / f"Pulumi.{stack}.yaml"):
        environment = os.environ | {k: str(v) for k, v in up["environment"].items()}
        return StackFile(stack, _settings(rendered, stack), Path(up["project"]), environment, str(up["ssh_key"]))
    path = CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml"
    if not _is_there(path):
        raise DeployError(f"There is no stack `{stack}`; there are: {', '.join(names()) or 'none'}.")
    found = _settings(path, stack)
    if found.cloud == "embedded":
        raise NotMade(
            f"The stack `{stack}` lives in the embedded cloud, which "
            + ("does not have it. Run `make demo`." if up else "is not up. Run `fab cloud.up`, or `make demo`.")
        )
    return StackFile(stack, found, CHECKOUT, dict(os.environ), "")


def settings_of(stack: str) -> StackSettings:
    """What a stack's file says, deployed or not, complete or not: for who reads it and touches no machine."""
    _check_name(stack)
    up = cloud()
    folders = ([Path(up["project"])] if up else []) + [CHECKOUT]
    paths = [folder / "stacks" / f"Pulumi.{stack}.yaml" for folder in folders]
    path = next((path for path in paths if _is_there(path)), None)
    if path is None:
        raise DeployError(f"There is no stack `{stack}`; there are: {', '.join(names()) or 'none'}.")
    return _settings(path, stack, to_deploy=False)


def _check_name(stack: str) -> None:
    """Before any file of that name is looked for: a path is not always the name of a file."""
    if not stack:
        raise DeployError(f"Which stack? Add `-s NAME`; there are: {', '.join(names()) or 'none'}.")
    settings.check_name(stack)


def _settings(path: Path, stack: str, *, to_deploy: bool = True) -> StackSettings:
    from remote import stack_yaml

    project = path.parent.parent / "Pulumi.yaml"
    if project.exists() and stack_yaml.project_settings(_text(project)):
        raise SettingsError(f"{project} has a `config:` of its own, which `fab` does not read. Put it into {path}.")
    shown = "" if path.is_relative_to(CHECKOUT) else str(path)  # an embedded cloud's: not the checkout's of that name
    return settings.load(stack_yaml.read(_text(path), str(path)), stack, to_deploy=to_deploy, file=shown)


def _is_there(path: Path) -> bool:
    """Whether something has this name, be it a link to nothing: then that is what is wrong."""
    return path.exists() or path.is_symlink()


def _text(path: Path) -> str:
    if path.is_symlink() and not path.exists():
        raise SettingsError(f"{path} is a link to {path.readlink()}, which is not there.")
    if not path.is_file():  # a pipe would be waited for without end
        raise SettingsError(f"{path} is not a file.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} cannot be read: it is not in UTF-8. Save it as UTF-8.") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error}") from error
