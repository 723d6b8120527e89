from pathlib import Path
from typing import Any

import pytest

from core.errors import SetupError
from core.versions import PULUMI_FROM_MODULES
from local.setup import links, pulumi_cli
from local.setup.pulumi_cli import PROGRAMS, PassedOverError, Ways
from local.setup.tools import PulumiChoice

FROM_MODULES = PulumiChoice("modules", PULUMI_FROM_MODULES, "/somewhere")


def made_of_modules(_site: Any, _say: Any) -> PulumiChoice:
    return FROM_MODULES


def unreachable(site: Any, say: Any) -> PulumiChoice:
    return pulumi_cli.from_installer(site, say, reachable=lambda: False)


def fallen_through(_site: Any, _say: Any) -> PulumiChoice:
    raise PassedOverError("no.")


@pytest.mark.parametrize(
    ("printed", "parsed"),
    [("v3.220.0", (3, 220, 0)), ("3.9.1-dev.0", (3, 9, 1)), ("pulumi", None), (None, None)],
)
def test_versions(printed: str | None, parsed: tuple[int, int, int] | None) -> None:
    assert pulumi_cli.parse_version(printed) == parsed


def test_a_new_enough_cli_on_path_is_linked_with_its_language_host(computer: Any) -> None:
    computer.program(*PROGRAMS)
    computer.commands.prints["pulumi version"] = "v3.272.0"
    choice = pulumi_cli.bring(computer.site(), None, print)
    assert (choice.way, choice.version) == ("path", "3.272.0")
    assert {link.name for link in Path(choice.folder).iterdir()} == set(PROGRAMS)
    assert (Path(choice.folder) / "pulumi").resolve() == (computer.folder / "usr/bin/pulumi").resolve()


def test_set_ups_own_link_is_no_cli_on_path(computer: Any) -> None:
    """It would be linked to itself: the environment comes first on the Makefile's PATH."""
    site = computer.site()
    links.make(site, FROM_MODULES)
    (site.programs / "pulumi").unlink()
    (site.programs / "pulumi").touch(mode=0o755)
    site.environ["PATH"] = f"{site.programs}:{site.environ['PATH']}"
    assert site.which("pulumi") is None
    with pytest.raises(PassedOverError, match="no `pulumi` on PATH"):
        pulumi_cli.from_path(site, print)


def test_an_old_cli_on_path_is_passed_over_and_an_unreachable_installer_too(computer: Any, said: list[str]) -> None:
    computer.program(*PROGRAMS)
    computer.commands.prints["pulumi version"] = "v3.199.9"
    ways = Ways(pulumi_cli.from_path, unreachable, made_of_modules)
    assert pulumi_cli.bring(computer.site(), None, said.append, ways) == FROM_MODULES
    assert "is v3.199.9; 3.200.0 or newer is needed" in said[0]
    assert "installer: get.pulumi.com cannot be reached." in said


def test_a_cli_without_its_python_language_host_is_passed_over(computer: Any) -> None:
    computer.program("pulumi")
    computer.commands.prints["pulumi version"] = "v3.272.0"
    with pytest.raises(PassedOverError, match="pulumi-language-python and pulumi-language-python-exec is not on PATH"):
        pulumi_cli.from_path(computer.site(), print)


def test_a_forced_way_has_no_fallback_and_says_why(computer: Any) -> None:
    with pytest.raises(SetupError, match=r"No Pulumi CLI could be had\. path: there is no `pulumi` on PATH"):
        pulumi_cli.bring(computer.site(), "path", print, Ways(pulumi_cli.from_path, fallen_through, made_of_modules))


def test_forcing_modules_does_not_look_at_path(computer: Any) -> None:
    computer.program(*PROGRAMS)
    computer.commands.prints["pulumi version"] = "v3.272.0"
    ways = Ways(pulumi_cli.from_path, unreachable, made_of_modules)
    assert pulumi_cli.bring(computer.site(), "modules", print, ways) == FROM_MODULES


def test_a_failing_installer_is_passed_over_and_leaves_nothing(computer: Any) -> None:
    def refuse(_argv: list[str]) -> None:
        raise SetupError("curl: timed out")

    computer.commands.does["PulumiCommand.install"] = refuse
    with pytest.raises(PassedOverError, match="curl: timed out"):
        pulumi_cli.from_installer(computer.site(), print, reachable=lambda: True)
    assert list((computer.folder / "cache/pulumi").iterdir()) == []


def build(computer: Any) -> None:
    """What the two `go build`s and the module cache would leave."""

    def produce(argv: list[str]) -> None:
        target = Path(argv[argv.index("-o") + 1])
        (target / argv[-1].rsplit("/", 1)[-1]).write_text("")

    site = computer.site()
    launcher = site.cache / f"go/mod/{pulumi_cli.SDK}@v{PULUMI_FROM_MODULES}/python/cmd/{PROGRAMS[2]}"
    launcher.parent.mkdir(parents=True)
    launcher.write_text("#!/usr/bin/env python3\n")
    computer.program("go")
    computer.commands.prints["GOVERSION"] = "go1.99.0"
    computer.commands.does["build"] = produce


def test_modules_build_all_three_programs_and_drop_gos_caches(computer: Any, said: list[str]) -> None:
    build(computer)
    choice = pulumi_cli.from_modules(computer.site(), said.append)
    assert pulumi_cli.usable(choice, None)
    assert any("Go 1.99.0 from PATH" in line for line in said)
    assert not (computer.folder / "cache/go").exists()


def test_a_build_that_is_interrupted_leaves_nothing_and_is_done_again(computer: Any) -> None:
    build(computer)
    whole = computer.commands.does["build"]

    def interrupted(argv: list[str]) -> None:
        whole(argv)
        if argv[-1] == pulumi_cli.CLI_PACKAGE:
            raise KeyboardInterrupt

    computer.commands.does["build"] = interrupted
    with pytest.raises(KeyboardInterrupt):
        pulumi_cli.from_modules(computer.site(), print)
    assert list((computer.folder / "cache/pulumi").iterdir()) == []
    computer.commands.does["build"] = whole
    assert pulumi_cli.usable(pulumi_cli.from_modules(computer.site(), print), None)


def test_a_choice_is_usable_while_it_is_whole_new_enough_and_the_way_that_is_forced(tmp_path: Path) -> None:
    for program in PROGRAMS:
        (tmp_path / program).write_text("")
    choice = PulumiChoice("modules", "3.220.0", str(tmp_path))
    assert pulumi_cli.usable(choice, None)
    assert pulumi_cli.usable(choice, "modules")
    assert not pulumi_cli.usable(choice, "installer")
    assert not pulumi_cli.usable(PulumiChoice("modules", "3.199.0", str(tmp_path)), None)
    (tmp_path / PROGRAMS[1]).unlink()
    assert not pulumi_cli.usable(choice, None)
    assert not pulumi_cli.usable(None, None)
