"""What set-up brought, beside `fab` in `.venv/bin`: who activates the environment has all the commands on PATH."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from local.setup.site import Site
from local.setup.tools import PulumiChoice

PULUMI: Final = ("pulumi", "pulumi-language-python", "pulumi-language-python-exec")
ACTIVATE: Final = ". .venv/bin/activate"


def make(site: Site, choice: PulumiChoice) -> None:
    """Link Pulumi's programs of this choice into the environment; links of an earlier choice give way."""
    for program in PULUMI:
        link(site.programs / program, Path(choice.folder) / program)


def link(place: Path, target: Path) -> None:
    """Beside the place and renamed, so that whoever runs the old one meanwhile finds one."""
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f".{place.name}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(place)
