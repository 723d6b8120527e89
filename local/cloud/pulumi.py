"""`python -m local.cloud.pulumi [--stack NAME [--template T]] -- ARGS…`: pulumi on the embedded cloud.

With `--stack` the stack file is rendered first, each time anew from the checkout's, and the stack is made in the
cloud's own backend where it is not there yet, so that `… --stack demo -- up` works on a fresh cloud. What the rendered
file had beside that (`pulumi config set`) is shown before it goes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import yaml

from core import settings
from core.errors import CloudError, PilotlightError
from local import project
from local.cloud.client import Cloud

READS_SETTINGS: Final = ("up", "update", "preview", "pre")  # the commands of pulumi that run the program


def prepare_stack(cloud: Cloud, stack: str, template: str = "", *, check: bool = False) -> None:
    """Render the stack from the checkout and make it known to Pulumi.

    With `check`, a wrong setting is a SettingsError that names the checkout's file: that one was read.
    """
    rendered = render(cloud.state, stack, template)
    if check:
        config = yaml.safe_load(rendered.read_text())["config"]
        settings.load(config, stack, file=str(project.remembered_source(cloud.state, stack)))
    made = cloud.pulumi(["stack", "init", stack, "--no-select"], check=False)
    if made.returncode != 0 and "already exists" not in made.stdout:
        raise CloudError(f"`pulumi stack init {stack}` failed.\n{made.stdout}")


def run(args: list[str], stack: str = "", template: str = "") -> int:
    """Run `pulumi ARGS` on the cloud that is up; returns its exit code."""
    cloud = Cloud.load()
    if stack:
        prepare_stack(cloud, stack, template, check=bool(args) and args[0] in READS_SETTINGS)
        args = [*args, "--stack", stack]
    code = cloud.pulumi(args, check=False, capture=False).returncode
    if stack and project.edits(cloud.state, stack):
        source = project.remembered_source(cloud.state, stack)
        _say(f"This is gone with the next `fab cloud.pulumi`: to keep it, write it into {source}.")
    return code


def render(state: Path, stack: str, template: str = "") -> Path:
    """The stack file, rendered anew; edits of it that go are shown on standard error."""
    project.render_project(state)
    gone = project.difference(state, stack)
    source = project.render_again(state, stack, template)
    rendered = project.stack_file(state, stack)
    if gone:
        _say(f"{rendered} is rendered anew from {source}; what was edited in it is gone:")
        _say("\n".join(gone))
    return rendered


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m local.cloud.pulumi", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--stack", default="", help="stack name; rendered from the checkout, and made where it is missing"
    )
    parser.add_argument("--template", default="", help="the checkout's stack to render from")
    parser.add_argument("args", nargs="+", help="what pulumi gets, after --")
    given = parser.parse_args()
    try:
        return run(given.args, given.stack, given.template)
    except PilotlightError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
