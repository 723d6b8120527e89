from dataclasses import replace
from typing import Any

import pytest

from core.errors import SetupError
from local.setup import packages

ALL_PROGRAMS = ("apt-get", "ssh", "rsync", "ip")


def test_only_what_is_missing_is_wanted(computer: Any) -> None:
    computer.program(*ALL_PROGRAMS, "debootstrap")
    assert packages.missing(computer.site(), docker_answers=False, image_made=False) == [
        "docker.io",
        "debian-archive-keyring",
    ]


def test_a_docker_that_answers_and_an_image_that_is_made_want_nothing(computer: Any) -> None:
    computer.program(*ALL_PROGRAMS)
    assert packages.missing(computer.site(), docker_answers=True, image_made=True) == []


def test_programs_outside_a_users_path_count(computer: Any) -> None:
    computer.file("/usr/sbin/dockerd").chmod(0o755)
    lacking = packages.missing(computer.site(), docker_answers=False, image_made=True)
    assert "docker.io" not in lacking


def test_without_root_the_message_is_the_exact_command(computer: Any) -> None:
    computer.program("apt-get")
    with pytest.raises(SetupError) as error:
        packages.require_installable(computer.site(root=False), ["docker.io", "debootstrap"])
    assert "`sudo apt-get update && sudo apt-get install -y docker.io debootstrap`" in str(error.value)


@pytest.mark.parametrize(("sudo_says", "terminal"), [("", False), (None, True)])
def test_sudo_without_password_or_a_terminal_to_ask_at_suffices(
    computer: Any, sudo_says: str | None, terminal: bool
) -> None:
    computer.program("apt-get", "sudo")
    computer.commands.prints["sudo -n true"] = sudo_says
    packages.require_installable(computer.site(root=False, terminal=terminal), ["docker.io"])


def test_sudo_with_a_password_and_nobody_to_type_it_does_not(computer: Any) -> None:
    computer.program("apt-get", "sudo")
    with pytest.raises(SetupError, match="needs root"):
        packages.require_installable(computer.site(root=False), ["docker.io"])


def test_another_system_is_told_what_is_missing(computer: Any) -> None:
    with pytest.raises(SetupError, match=r"rsync \(names of Debian packages\), and there is no apt-get"):
        packages.require_installable(computer.site(), ["rsync"])


def test_install_updates_first_and_goes_through_sudo(computer: Any) -> None:
    computer.program("apt-get", "sudo")
    computer.commands.prints["sudo -n true"] = ""
    packages.install(computer.site(root=False), ["rsync"], lambda _: None)
    update, install = computer.commands.ran
    assert update[:2] == install[:2] == ["sudo", "-n"]
    assert update[-1] == "update"
    assert install[-4:] == ["install", "-y", "--no-install-recommends", "rsync"]


def test_what_runs_as_root_keeps_the_proxies_by_name(computer: Any) -> None:
    site = replace(computer.site(root=False), environ={"https_proxy": "http://user:secret@proxy", "PATH": ""})
    assert site.as_root(["apt-get"]) == ["sudo", "-n", "--preserve-env=https_proxy", "apt-get"]
    assert computer.site(root=False).as_root(["apt-get"]) == ["sudo", "-n", "apt-get"]
