"""The command `python -m local.setup` itself: options, the lock, interrupts, and what it refuses before it begins."""

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import SetupError
from local.setup import __main__ as command
from local.setup import capacity, daemon, pulumi_cli, tools
from local.setup.graph import Step


@pytest.fixture
def there(computer: Any, monkeypatch: Any) -> Any:
    """A computer that set-up runs on; `there.steps` are its steps."""
    computer.steps = []
    site = computer.site()
    monkeypatch.setattr(command, "this_computer", lambda: site)
    monkeypatch.setattr(command, "steps", lambda _site, forced: computer.steps)
    monkeypatch.setattr(command, "require_possible", lambda _site, _todo: None)
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    monkeypatch.setattr(tools, "pulumi_choice", lambda: tools.PulumiChoice("modules", "3.220.0", "/p/bin"))
    monkeypatch.delenv(command.CLI_ENV, raising=False)
    return computer


def step(name: str, made: str | None, make: Any = lambda _say: "made") -> Step:
    return Step(name, made=lambda: made, will=lambda: f"bring {name}", make=make)


def test_what_it_will_do_is_said_before_it_is_done(there: Any, capsys: Any) -> None:
    there.steps = [step("docker", "27"), step("pulumi", None, lambda say: "3.220.0")]
    assert command.main([]) == 0
    printed = capsys.readouterr().out
    assert printed.index("- bring pulumi") < printed.index("pulumi     done: 3.220.0") < printed.index("Set up (")
    assert "bring docker" not in printed
    assert "Pulumi 3.220.0, built from its Go modules" in printed


@pytest.mark.parametrize(("how", "said"), [("machines pull it", "machines pull it"), (None, "none")])
def test_how_the_chat_pages_image_comes_is_said_each_time(how: str | None, said: str, there: Any, capsys: Any) -> None:
    there.steps = [step("webui", how)]
    assert command.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-2] == f"  the chat page's image: {said}"


def test_pulumi_is_linked_beside_fab_and_how_to_activate_is_said(there: Any, capsys: Any) -> None:
    there.steps = [step("docker", "27")]
    assert command.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("to have them on PATH: . .venv/bin/activate")
    programs = there.site().programs
    assert sorted(link.name for link in programs.iterdir()) == sorted(pulumi_cli.PROGRAMS)
    assert (programs / "pulumi").readlink() == Path("/p/bin/pulumi")


def test_json_is_the_last_line(there: Any, capsys: Any) -> None:
    there.steps = [step("docker", "27")]
    assert command.main(["--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert facts["pulumi"]["way"] == "modules"
    assert facts["image"] == tools.image_tag()


def test_check_changes_nothing_and_fails_while_something_is_missing(there: Any, capsys: Any) -> None:
    def never(_say: Any) -> str:
        raise AssertionError("--check made something")

    there.steps = [step("pulumi", None, never)]
    assert command.main(["--check"]) == 1
    assert "missing: pulumi" in capsys.readouterr().out
    there.steps = [step("pulumi", "3.220.0", never)]
    assert command.main(["--check"]) == 0


def test_a_failure_is_one_message_without_a_traceback(there: Any, capsys: Any) -> None:
    def fail(_say: Any) -> str:
        raise SetupError("The disk is full.")

    there.steps = [step("image", None, fail)]
    assert command.main([]) == 1
    assert capsys.readouterr().err == "set-up: The disk is full.\n"


def test_an_interrupt_says_how_to_go_on(there: Any, capsys: Any) -> None:
    def interrupt(_say: Any) -> str:
        raise KeyboardInterrupt

    there.steps = [step("image", None, interrupt)]
    assert command.main([]) == 130
    assert "run `make setup` again" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["path", "installer", "modules"])
def test_one_switch_forces_each_way(way: str, monkeypatch: Any) -> None:
    monkeypatch.setenv(command.CLI_ENV, way)
    assert command._options([]).cli == way
    monkeypatch.setenv(command.CLI_ENV, "path")
    assert command._options(["--cli", way]).cli == way
    monkeypatch.setenv(command.CLI_ENV, "")
    assert command._options([]).cli is None


def test_a_way_that_does_not_exist_is_refused(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv(command.CLI_ENV, "brew")
    with pytest.raises(SystemExit):
        command._options([])
    assert "`brew`; allowed are path, installer, modules" in capsys.readouterr().err


def test_a_second_set_up_waits_for_the_first_and_says_so(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    lock = tmp_path / "cache" / "setup.lock"
    real, asked = fcntl.flock, []

    def flock(handle: Any, how: int) -> None:
        asked.append(how)
        if not how & fcntl.LOCK_NB and first:
            first.pop().close()  # the first set-up ends while the second waits
        real(handle, how)

    lock.parent.mkdir()
    first = [lock.open("w")]
    first[0].write("4242")
    first[0].flush()
    real(first[0], fcntl.LOCK_EX)
    monkeypatch.setattr(command.fcntl, "flock", flock)
    with command.one_at_a_time(lock):
        assert lock.read_text() != "4242"
    assert asked == [fcntl.LOCK_EX | fcntl.LOCK_NB, fcntl.LOCK_EX]
    assert "Another set-up runs (process 4242); waiting" in capsys.readouterr().out


def test_drafts_of_a_set_up_that_was_killed_are_swept_as_root_where_root_made_them(computer: Any) -> None:
    site = computer.site(root=False)
    computer.file("/cache/pulumi/chosen.json")
    command.sweep(site)
    assert computer.commands.ran == []
    computer.file("/cache/pulumi/.draft-x/bin/pulumi")
    command.sweep(site)
    computer.file("/cache/images/.building-y/rootfs")
    command.sweep(site)
    drafts = [str(site.cache / "pulumi/.draft-x"), str(site.cache / "images/.building-y")]
    assert computer.commands.ran[0] == ["rm", "-rf", "--one-file-system", drafts[0]]
    assert computer.commands.ran[1] == ["sudo", "-n", "rm", "-rf", "--one-file-system", *drafts]


class TestWhatIsRefusedBeforeItBegins:
    @pytest.fixture(autouse=True)
    def _large_computer(self, monkeypatch: Any) -> None:
        monkeypatch.setattr(daemon, "root_folder", lambda: "/")
        monkeypatch.setattr(
            capacity, "measure", lambda path, needs: capacity.Place(Path(path), needs, free_gib=99, device=1)
        )
        monkeypatch.setattr(capacity, "available_memory_gib", lambda _text: 16.0)

    def test_a_disk_that_is_too_small(self, computer: Any, monkeypatch: Any) -> None:
        monkeypatch.setattr(
            capacity, "measure", lambda path, needs: capacity.Place(Path(path), needs, free_gib=3, device=1)
        )
        with pytest.raises(SetupError, match=r"3\.0 GiB free; 24 GiB are needed"):
            command.require_possible(computer.site(), [step("pulumi", None)])

    def test_packages_without_root(self, computer: Any) -> None:
        computer.program("apt-get", "ssh", "rsync", "ip")
        with pytest.raises(SetupError, match=r"sudo apt-get install -y docker\.io debootstrap debian-archive-keyring"):
            command.require_possible(computer.site(root=False), [step("docker", None), step("image", None)])

    def test_a_stopped_docker_without_root(self, computer: Any) -> None:
        computer.program("apt-get", "ssh", "rsync", "ip", "dockerd", "debootstrap")
        computer.file("/usr/share/keyrings/debian-archive-keyring.gpg")
        with pytest.raises(SetupError, match="sudo systemctl start docker"):
            command.require_possible(computer.site(root=False), [step("docker", None)])

    def test_an_image_without_root(self, computer: Any) -> None:
        computer.program("ssh", "rsync", "ip", "debootstrap")
        computer.file("/usr/share/keyrings/debian-archive-keyring.gpg")
        with pytest.raises(SetupError, match="needs root, once"):
            command.require_possible(computer.site(root=False), [step("image", None)])

    def test_pulumi_and_packages_of_python_need_no_root(self, computer: Any) -> None:
        computer.program("ssh", "rsync", "ip")
        site = computer.site(root=False)
        base = site.cache / "images"
        base.mkdir(parents=True)
        (base / f"{tools.image_tag().split(':')[1]}.tar").write_text("")
        command.require_possible(site, [step("pulumi", None), step("engine", None)])
