"""Which modules a program is shipped with: all that it imports, and no part that it does not."""

from __future__ import annotations

import grimp
import pytest

from components.aws.archive import ROOT
from core.shipping import PARTS, Program, files

ENTRIES = {
    Program.REAPER: ("runtime.reaper",),
    Program.NOTIFIER: ("runtime.notifier",),
    Program.AGENT: ("runtime.agent",),
    Program.RELAY: ("runtime.gateway",),
    Program.LEASE_CLIENT: ("runtime.lease_client",),
    Program.CERTIFICATES: ("runtime.certificates",),
}
KINDS_ARE_FOUND_BY_NAME = "runtime.backends"  # by `runtime.backends.open`: no import statement leads to them
PATHS = sorted(path.relative_to(ROOT).as_posix() for top in ("core", "runtime") for path in (ROOT / top).rglob("*.*"))


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    """Who imports whom, imports inside functions too."""
    return grimp.build_graph("core", "runtime")


def module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def needed(imports: grimp.ImportGraph, program: Program) -> set[str]:
    """What the program's modules import, and so on; with each its packages."""
    found: set[str] = set()
    todo = [m for entry in ENTRIES[program] for m in (entry, *imports.find_descendants(entry))]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [*imports.find_modules_directly_imported_by(name), *filter(None, [name.rpartition(".")[0]])]
            todo += imports.find_descendants(name) if name == KINDS_ARE_FOUND_BY_NAME else ()
    return found


def shipped(program: Program) -> set[str]:
    return {module(path) for path in files(program, PATHS) if path.endswith(".py")}


@pytest.mark.parametrize("program", Program)
def test_all_that_is_imported_is_shipped(imports: grimp.ImportGraph, program: Program) -> None:
    assert needed(imports, program) - shipped(program) == set(), "add the part to core/shipping.py"


@pytest.mark.parametrize("program", Program)
def test_all_that_is_shipped_can_be_imported(imports: grimp.ImportGraph, program: Program) -> None:
    own = shipped(program)
    assert {name for each in own for name in imports.find_modules_directly_imported_by(each)} - own == set()


@pytest.mark.parametrize("program", Program)
def test_no_part_is_shipped_for_nothing(imports: grimp.ImportGraph, program: Program) -> None:
    own = shipped(program)
    wanted = {name for each in own for name in imports.find_modules_directly_imported_by(each)} | {*ENTRIES[program]}
    assert [part for part in PARTS[program] if not _under(part.replace("/", "."), wanted)] == []


def _under(part: str, names: set[str]) -> list[str]:
    return [name for name in names if name == part or name.startswith(f"{part}.")]


def _shipped_to(path: str) -> set[Program]:
    return {program for program in Program if path in files(program, PATHS)}


@pytest.mark.parametrize(
    ("path", "programs"),
    [
        ("runtime/gateway/__main__.py", {Program.RELAY}),
        ("runtime/gateway/dashboard/templates/parts/state.html.j2", {Program.RELAY}),
        ("runtime/gateway/dashboard/static/style.css", {Program.RELAY}),
        ("runtime/operations.py", {Program.RELAY, Program.LEASE_CLIENT}),
        ("runtime/agent/__main__.py", {Program.AGENT}),
        ("runtime/lease_client.py", {Program.LEASE_CLIENT}),
        ("runtime/reaper/sweep.py", {Program.REAPER}),
        ("runtime/notifier/webhooks.py", {Program.NOTIFIER}),
        ("core/policy/on.py", {Program.REAPER, Program.RELAY}),
        ("core/lease/record.py", set(Program) - {Program.NOTIFIER, Program.CERTIFICATES}),
        ("core/errors.py", set(Program)),
        ("core/certificates.py", {Program.CERTIFICATES}),
        ("core/settings/model.py", set()),
    ],
)
def test_an_edit_is_the_business_of(path: str, programs: set[Program]) -> None:
    assert path in PATHS
    assert _shipped_to(path) == programs


def test_only_modules_and_the_packages_above_a_part() -> None:
    paths = ["runtime/agent/x.pyc", "runtime/agent/new.py", "runtime/agent_other.py", "runtime/__init__.py", "x.py"]
    assert files(Program.AGENT, paths) == ("runtime/__init__.py", "runtime/agent/new.py")
