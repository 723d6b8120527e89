from typing import Any

import pytest
from docker.errors import DockerException

from core.errors import SetupError
from local.setup import daemon


class Launched:
    def __init__(self, code: int | None) -> None:
        self.code = code

    def poll(self) -> int | None:
        return self.code


def silent() -> None:
    return None


def test_the_systems_service_is_tried_first(computer: Any) -> None:
    computer.file("/run/systemd/system")
    computer.commands.prints["systemctl start docker"] = ""
    words = daemon.start(computer.site(), print, alive=lambda: "27.0", sleep=lambda _: None)
    assert words == "27.0, started by `systemctl start docker`"


def test_where_the_service_does_not_help_dockerd_is_started_in_the_background(computer: Any) -> None:
    computer.file("/etc/init.d/docker")
    computer.program("service")
    launched: list[bool] = []

    def launch(_site: Any) -> Launched:
        launched.append(True)
        return Launched(None)

    words = daemon.start(
        computer.site(), print, alive=lambda: "27.0" if launched else None, launch=launch, sleep=lambda _: None
    )
    assert words == "27.0, started in the background"


def test_a_dockerd_that_dies_is_not_waited_for_and_its_log_is_shown(computer: Any) -> None:
    computer.file("/state/dockerd.log", "no space left on device\n")
    naps: list[float] = []
    with pytest.raises(SetupError, match=r"(?s)does not answer.*no space left.*docker info"):
        daemon.start(computer.site(), print, alive=silent, launch=lambda _: Launched(1), sleep=naps.append)
    assert naps == []


def test_a_dockerd_that_never_answers_is_given_up(computer: Any) -> None:
    naps: list[float] = []
    with pytest.raises(SetupError, match="does not answer"):
        daemon.start(computer.site(), print, alive=silent, launch=lambda _: Launched(None), sleep=naps.append)
    assert sum(naps) == pytest.approx(daemon.PATIENCE_S, rel=0.02)


def test_a_socket_that_refuses_us_names_the_group(monkeypatch: Any) -> None:
    def refused(**_: Any) -> None:
        raise DockerException("Error while fetching server API version: PermissionError(13, 'Permission denied')")

    monkeypatch.setattr(daemon.docker, "from_env", refused)
    with pytest.raises(SetupError, match=r"sudo usermod -aG docker \$USER"):
        daemon.answers()


def test_no_daemon_is_none_and_dockers_default_folder(monkeypatch: Any) -> None:
    def absent(**_: Any) -> None:
        raise DockerException("FileNotFoundError(2, 'No such file or directory')")

    monkeypatch.setattr(daemon.docker, "from_env", absent)
    assert daemon.answers() is None
    assert daemon.root_folder() == "/var/lib/docker"
