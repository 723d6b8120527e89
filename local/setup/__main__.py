"""`python -m local.setup`: brings what is missing to this computer, once. `make setup` makes the environment first.

Prints what it will do before it does it, checks disk and memory, then runs the steps (`steps.py`) side by side.
Run again after an interrupt: what was finished stays. One set-up at a time, whichever clone it runs from.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import NoReturn

from core.errors import PilotlightError, SetupError
from local.setup import base_image, capacity, daemon, graph, links, packages, progress, pulumi_cli, tools
from local.setup.site import Site, this_computer
from local.setup.steps import in_words, steps

CLI_ENV = "PILOTLIGHT_PULUMI_CLI"
CHOSEN = {"webui": "the chat page's image", "browser": "browser"}  # steps with more than one good end: it is said which
DRAFTS = (".fetch-*", "pulumi/.draft-*", "tools/.go-*", "images/.building-*", "containers/.webui-*")  # below the cache


def main(argv: Sequence[str] | None = None) -> int:
    """Run set-up; 0 when everything is there, 1 with one message otherwise, 130 when interrupted."""
    options = _options(argv)
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell's background jobs ignore it from birth
        signal.signal(number, _interrupt)
    site = this_computer()
    try:
        if options.check:
            return _check(site, options.cli)
        with one_at_a_time(site.cache / "setup.lock"):
            _set_up(site, options.cli, options.json)
    except KeyboardInterrupt:
        print("Set-up was interrupted. What was finished stays; run `make setup` again to go on.", file=sys.stderr)
        return 130
    except PilotlightError as error:
        print(f"set-up: {error}", file=sys.stderr)
        return 1
    return 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.setup", description="Bring what the embedded cloud needs.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 and say what is missing")
    parser.add_argument("--json", action="store_true", help="print what there is as one JSON object, last")
    parser.add_argument(
        "--cli",
        choices=pulumi_cli.WAYS,
        help=f"the only way to look for the Pulumi CLI (or {CLI_ENV}); default: all, in order",
    )
    options = parser.parse_args(argv)
    options.cli = options.cli or os.environ.get(CLI_ENV) or None
    if options.cli not in (None, *pulumi_cli.WAYS):
        parser.error(f"{CLI_ENV} is `{options.cli}`; allowed are {', '.join(pulumi_cli.WAYS)}")
    return options


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _check(site: Site, forced_cli: str | None) -> int:
    todo = graph.missing(steps(site, forced_cli))
    for step in todo:
        print(f"missing: {step.name} (set-up will {step.will()})")
    if not todo:
        print("Everything is set up.")
    return 1 if todo else 0


def _set_up(site: Site, forced_cli: str | None, as_json: bool) -> None:
    began = time.monotonic()
    wanted = steps(site, forced_cli)
    todo = graph.missing(wanted)
    if todo:
        _announce(todo)
        require_possible(site, todo)
        sweep(site)
        with progress.display() as display:
            graph.run(todo, display, site.commands.stop_all)
    _report(site, began, as_json, wanted)


def _announce(todo: Sequence[graph.Step]) -> None:
    print("Set-up will:")
    for step in todo:
        print(f"  - {step.will()}")
    sys.stdout.flush()


def require_possible(site: Site, todo: Sequence[graph.Step]) -> None:
    """SetupError, before anything is changed, where disk, memory or rights do not suffice. Asks for sudo's password."""
    names = {step.name for step in todo}
    places = [capacity.measure(site.cache, capacity.CACHE_NEEDS_GIB)]
    places.append(capacity.measure(Path(daemon.root_folder()), capacity.DOCKER_NEEDS_GIB))
    capacity.check(places, capacity.available_memory_gib(Path("/proc/meminfo").read_text()))
    image_made = base_image.tar(site).exists()
    lacking = packages.missing(site, docker_answers="docker" not in names, image_made=image_made)
    packages.require_installable(site, lacking)
    if "image" in names:
        base_image.require_buildable(site)
    if "docker" in names and not site.can_become_root():
        raise SetupError("No Docker daemon answers. Run `sudo systemctl start docker`, then `make setup` again.")
    if lacking or names & {"docker", "image", "browser"}:
        _ask_for_sudo(site)


def sweep(site: Site) -> None:
    """Remove drafts of a set-up that was killed outright. We hold the lock: nobody works on them."""
    left = [str(draft) for pattern in DRAFTS for draft in site.cache.glob(pattern)]
    if left:
        argv = ["rm", "-rf", "--one-file-system", *left]
        root = any("/.building-" in draft for draft in left)
        site.commands.run(site.as_root(argv) if root else argv, log=site.log("sweep"))


def _ask_for_sudo(site: Site) -> None:
    if site.is_root or site.commands.output(["sudo", "-n", "true"]) is not None:
        return
    print("For apt, dockerd and debootstrap, sudo asks for your password:", flush=True)
    if subprocess.run(["sudo", "-v"], check=False).returncode:
        raise SetupError("sudo refused. Run `make setup` as a user who may use sudo, or as root.")


def _report(site: Site, began: float, as_json: bool, wanted: Sequence[graph.Step]) -> None:
    chosen = {step.name: step.made() or "none" for step in wanted if step.name in CHOSEN}
    choice = tools.pulumi_choice()
    assert choice is not None
    links.make(site, choice)
    seconds = time.monotonic() - began
    if as_json:
        facts = {
            "pulumi": asdict(choice),
            "image": tools.image_tag(),
            "cache": str(site.cache),
            "setup_s": round(seconds, 1),
            **chosen,
        }
        print(json.dumps(facts, sort_keys=True))
        return
    print(f"Set up ({seconds:.1f} s): Pulumi {in_words(choice)}; image {tools.image_tag()}; cache {site.cache}")
    for name, how in chosen.items():
        print(f"  {CHOSEN[name]}: {how}")
    print(f"  `fab` and `pulumi` are in .venv/bin; to have them on PATH: {links.ACTIVATE}")


@contextmanager
def one_at_a_time(lock: Path) -> Iterator[None]:
    """Hold the lock file; wait, and say so, while another set-up holds it. It is freed when its process ends."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            print(f"Another set-up runs (process {handle.read().strip() or 'unknown'}); waiting for it…", flush=True)
            fcntl.flock(handle, fcntl.LOCK_EX)
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield


if __name__ == "__main__":
    sys.exit(main())
