"""`python -m local.cloud.pulumi [--stack NAME [--template T]] -- ARGS…`: pulumi on the embedded cloud.

With `--stack` the stack file is rendered first (from the checkout's) and the stack is made in the cloud's own backend
where it is not there yet, so that `… --stack demo -- up` works on a fresh cloud.
"""

from __future__ import annotations

import argparse
import sys

from core.errors import CloudError, PilotlightError
from local import project
from local.cloud.client import Cloud


def prepare_stack(cloud: Cloud, stack: str, template: str = "") -> None:
    """Render the stack (once; afterwards the rendered file is the user's to edit) and make it known to Pulumi."""
    if not project.stack_file(cloud.state, stack).exists():
        cloud.render_stack(stack, template or stack)
    made = cloud.pulumi(["stack", "init", stack, "--no-select"], check=False)
    if made.returncode != 0 and "already exists" not in made.stdout:
        raise CloudError(f"`pulumi stack init {stack}` failed.\n{made.stdout}")


def run(args: list[str], stack: str = "", template: str = "") -> int:
    """Run `pulumi ARGS` on the cloud that is up; returns its exit code."""
    cloud = Cloud.load()
    if stack:
        prepare_stack(cloud, stack, template)
        args = [*args, "--stack", stack]
    return cloud.pulumi(args, check=False, capture=False).returncode


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m local.cloud.pulumi", description=__doc__.splitlines()[0])
    parser.add_argument("--stack", default="", help="stack name; rendered and made where it is missing")
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
