"""Verbs: an error is one message and exit code 1, and every verb has a line in `fab --list`."""

from __future__ import annotations

import pytest
from invoke.context import Context

from core.errors import DeployError
from remote import backup_tasks, key_tasks, money_tasks, replay_tasks, tasks
from remote.verbs import verb

ALL = {
    name: task
    for each in (tasks, backup_tasks, money_tasks, replay_tasks)
    for name, task in each.namespace.tasks.items()
}
ALL |= {f"keys.{name}": task for name, task in key_tasks.namespace.tasks.items()}


def test_a_users_error_is_one_message_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    @verb
    def deploy() -> None:
        raise DeployError("No.\nDo this.")

    with pytest.raises(SystemExit) as ended:
        deploy()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "fab deploy: No.\nDo this.\n"


def test_an_interruption_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    @verb
    def deploy() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        deploy()
    assert ended.value.code == 130
    assert "may be run again" in capsys.readouterr().err


def test_a_verb_of_a_collection_says_its_whole_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        key_tasks.add(Context(), "a/b")
    assert capsys.readouterr().err.startswith('fab keys.add: "a/b" cannot be a key\'s name')


def test_our_own_faults_keep_their_traceback() -> None:
    @verb
    def deploy() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        deploy()


ABOUT_NO_STACK = {"prices", "size", "version", "replay"}


def test_every_verb_takes_a_stack_and_has_one_line() -> None:
    for name, task in ALL.items():
        assert (task.__doc__ or "").strip().count("\n") == 0, name
        assert name in ABOUT_NO_STACK or "stack" in {argument.name for argument in task.get_arguments()}, name


def test_every_verbs_line_is_one_line_of_fab_list() -> None:
    """In 80 columns, which is what invoke takes where there is no terminal."""
    room = 80 - len("  cloud.pulumi   ") - 1
    for name, task in ALL.items():
        assert len(task.__doc__ or "") <= room, name


def test_short_flags_mean_the_same_in_every_verb() -> None:
    for name, task in ALL.items():
        short = {nick: argument.name for argument in task.get_arguments() for nick in argument.nicknames}
        meant = {nick: short[nick] for nick in "sij" if nick in short}
        wanted = {"s": "stack", "i": "identity", "j": "json"}
        assert meant == {nick: long for nick, long in wanted.items() if long in short.values()}, name
        assert name in ABOUT_NO_STACK or "i" in meant, name


def test_no_flag_is_read_as_a_number_by_invoke() -> None:
    """Which would end in a traceback: `remote.verbs.flags` reads them."""
    for name, task in ALL.items():
        assert {argument.kind for argument in task.get_arguments()} <= {str, bool}, name


def test_without_a_stack_each_verb_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        tasks.deploy(Context())
    assert "Which stack?" in capsys.readouterr().err
