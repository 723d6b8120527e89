"""These start real programs (sh, sleep), which end at once or are ended."""

import threading
from pathlib import Path

import pytest

from core.errors import SetupError
from local.setup.commands import Commands, InterruptedStepError, tail


def test_output_is_stripped_and_a_failure_is_none() -> None:
    commands = Commands()
    assert commands.output(["echo", "v1"]) == "v1"
    assert commands.output(["false"]) is None
    assert commands.output(["/no/such/program"]) is None


def test_a_failure_names_the_command_and_shows_the_logs_end(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    with pytest.raises(SetupError) as error:
        Commands().run(["sh", "-c", "echo no such mirror >&2; exit 3"], log=log)
    assert "failed with 3" in str(error.value)
    assert "    no such mirror" in str(error.value)
    assert str(log) in str(error.value)


def test_environment_is_added_and_input_is_empty(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    Commands().run(["sh", "-c", 'cat; echo "$WORD in $PWD"'], log=log, env={"WORD": "here"}, cwd=tmp_path, gently=True)
    assert f"here in {tmp_path}" in log.read_text()


def test_programs_use_the_system_s_certificates_and_a_refused_one_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("UV_SYSTEM_CERTS", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    log = tmp_path / "x.log"
    Commands().run(["sh", "-c", "echo certs=$UV_SYSTEM_CERTS"], log=log)
    assert "certs=true" in log.read_text()
    with pytest.raises(SetupError) as error:
        Commands().run(["sh", "-c", "echo invalid peer certificate: UnknownIssuer; exit 2"], log=log)
    assert "sudo update-ca-certificates" in str(error.value)
    assert "set HTTPS_PROXY and NO_PROXY" in str(error.value)


def test_a_program_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="`no-such-program` does not exist"):
        Commands().run(["no-such-program"], log=tmp_path / "x.log")


def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="was not done after 0 s"):
        Commands().run(["sleep", "600"], log=tmp_path / "x.log", timeout_s=0.01)


def test_stop_all_ends_the_whole_group_and_lets_nothing_start(tmp_path: Path) -> None:
    commands, log = Commands(), tmp_path / "x.log"
    pipe = tmp_path / "pipe"
    raised: list[BaseException] = []

    def work() -> None:
        # The grandchild holds the pipe open: the read below ends only when it is dead too.
        script = f"mkfifo {pipe}; (exec 3>{pipe}; echo up >&3; sleep 600) & wait"
        try:
            commands.run(["sh", "-c", script], log=log)
        except SetupError as error:
            raised.append(error)

    Commands().run(["mkfifo", str(pipe)], log=log)
    thread = threading.Thread(target=work)
    thread.start()
    with pipe.open() as reader:
        assert reader.readline() == "up\n"
        commands.stop_all()
        assert reader.read() == ""
    thread.join(20)
    assert [type(error) for error in raised] == [InterruptedStepError]
    with pytest.raises(InterruptedStepError, match="not started"):
        commands.run(["true"], log=log)


def test_the_tail_of_a_log_counts_a_progress_line_as_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("one\n10%\r100%\nlast\n")
    assert tail(log, 2) == "    100%\n    last"
