import urllib.error
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest
from docker.errors import ImageNotFound

from core import versions
from core.contract.paths import WEBUI_IMAGE
from core.errors import SetupError
from local.setup import steps, tools, webui_build, webui_image


@pytest.fixture(autouse=True)
def site(computer: Any, monkeypatch: Any) -> Any:
    """A computer that reaches no registry, and whose Docker is not asked."""
    monkeypatch.setattr("local.setup.site.Site.uv", "uv")
    monkeypatch.setattr(webui_image, "registry_answers", lambda: False)
    computer.commands.does["local.setup.webui_build"] = lambda argv: Path(argv[-1]).write_text("image")
    return computer.site()


def leftovers(site: Any) -> list[str]:
    folder = webui_image.archive(site).parent
    return sorted(file.name for file in folder.iterdir())


def test_without_a_registry_it_is_built_once(site: Any, computer: Any) -> None:
    assert webui_image.made(site) is None
    assert "ghcr.io" in webui_image.make(site, print)
    assert webui_image.made(site) == "built from PyPI"
    assert webui_image.archive(site).read_text() == "image"
    assert len(leftovers(site)) == 2  # the archive and its stamp


def test_where_the_registry_answers_nothing_is_built(site: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(webui_image, "registry_answers", lambda: True)
    assert webui_image.made(site) == "machines pull it"


def test_an_edited_recipe_is_built_anew(site: Any, tmp_path: Path, monkeypatch: Any) -> None:
    webui_image.make(site, print)
    for name in (*webui_image.SCRIPTS, "requirements.txt"):
        (tmp_path / name).write_bytes((webui_image.RECIPE / name).read_bytes())
    monkeypatch.setattr(webui_image, "RECIPE", tmp_path)
    assert webui_image.made(site) == "built from PyPI"
    (tmp_path / "start.sh").write_text("echo")
    assert webui_image.made(site) is None


def test_a_newer_version_takes_the_older_ones_archive_away(site: Any, monkeypatch: Any) -> None:
    webui_image.make(site, print)
    foreign = webui_image.archive(site).with_name("somebody_s.tar")
    foreign.write_text("")
    monkeypatch.setattr(webui_image, "WEBUI_IMAGE", "ghcr.io/open-webui/open-webui:v9.9.9")
    assert webui_image.made(site) is None
    webui_image.make(site, print)
    place = webui_image.archive(site).name
    assert "9.9.9" in place
    assert leftovers(site) == sorted([place, f"{place}.recipe", foreign.name])


@pytest.mark.parametrize("change", ["base", "builder"])
def test_another_base_or_another_builder_is_another_image(change: str, tmp_path: Path, monkeypatch: Any) -> None:
    before = webui_image.recipe()
    if change == "base":
        monkeypatch.setattr(tools, "image_tag", lambda: "pilotlight/debian:12-other")
    else:
        edited = webui_image.BUILDER.read_text().replace("ENV PORT=8080", "ENV PORT=1")
        (tmp_path / "build.py").write_text(edited)
        monkeypatch.setattr(webui_image, "BUILDER", tmp_path / "build.py")
    assert webui_image.recipe() != before


@pytest.mark.parametrize("failure", [SetupError("no route"), KeyboardInterrupt()])
def test_a_build_that_ends_early_leaves_nothing_and_the_old_image_in_place(
    failure: BaseException, site: Any, computer: Any
) -> None:
    webui_image.make(site, print)
    before = leftovers(site)

    def half(argv: list[str]) -> None:
        Path(argv[-1]).write_text("half")
        raise failure

    computer.commands.does["local.setup.webui_build"] = half
    with pytest.raises(type(failure)):
        webui_image.make(site, print)
    assert leftovers(site) == before
    assert webui_image.archive(site).read_text() == "image"


@pytest.mark.parametrize(("code", "reached"), [(401, True), (403, False), (502, False)])
def test_a_registry_asks_for_a_log_in_where_a_proxy_forbids(code: int, reached: bool, monkeypatch: Any) -> None:
    monkeypatch.undo()

    def refuse(url: str, timeout: float) -> None:
        assert url == "https://ghcr.io/v2/"
        raise urllib.error.HTTPError(url, code, "", None, None)  # type: ignore[arg-type]

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    assert webui_image.registry_answers() is reached


def test_no_way_to_the_registry_is_no_error(monkeypatch: Any) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("urllib.request.urlopen", MagicMock(side_effect=urllib.error.URLError("no name")))
    assert webui_image.registry_answers() is False


def test_the_step_says_which_of_the_two_it_is(site: Any, monkeypatch: Any) -> None:
    step = next(step for step in steps.steps(site, None) if step.name == "webui")
    assert step.made() is None
    assert step.will() == "build the chat page's image from PyPI (ghcr.io cannot be reached)"
    monkeypatch.setattr(webui_image, "registry_answers", lambda: True)
    assert step.made() == "machines pull it"


def test_the_list_is_of_the_pinned_version_and_has_no_torch() -> None:
    lines = [line for line in webui_image.REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    assert f"open-webui=={versions.OPEN_WEBUI}" in lines
    assert all("==" in line for line in lines)
    assert not [line for line in lines if line.startswith(("torch==", "transformers==", "nvidia-"))]


def docker_client(before: Any) -> MagicMock:
    """Docker that makes an image, and whose name `WEBUI_IMAGE` stood for `before`."""
    client, built = MagicMock(), MagicMock()
    built.save.return_value = iter([b"im", b"age"])

    def get(name: str) -> Any:
        if name != WEBUI_IMAGE:
            return built
        if before is None:
            raise ImageNotFound("no such image")
        return before

    client.images.get.side_effect = get
    return client


def test_docker_has_afterwards_what_it_had_before(tmp_path: Path) -> None:
    pulled, output = MagicMock(), tmp_path / "image.tar"
    client = docker_client(before=pulled)
    webui_build.save(client, MagicMock(), output)
    assert output.read_bytes() == b"image"
    client.images.remove.assert_called_once_with(WEBUI_IMAGE)
    pulled.tag.assert_called_once_with(*WEBUI_IMAGE.rsplit(":", 1))


def test_a_disk_that_is_full_leaves_no_image_behind(tmp_path: Path) -> None:
    client = docker_client(before=None)
    with pytest.raises(OSError, match="No such file"):
        webui_build.save(client, MagicMock(), tmp_path / "missing" / "image.tar")
    client.images.remove.assert_called_once_with(WEBUI_IMAGE)


def test_the_proxies_of_this_computer_do_not_become_the_images(tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setenv("https_proxy", "http://user:secret@proxy")
    client = docker_client(before=None)
    container = client.containers.run.return_value
    container.exec_run.return_value = (0, b"done\n")
    monkeypatch.setattr("docker.from_env", lambda timeout: client)
    assert webui_build.main([str(tmp_path), str(tmp_path / "image.tar")]) == 0
    assert container.exec_run.call_args.kwargs["environment"]["https_proxy"] == "http://user:secret@proxy"
    assert "secret" not in str(client.containers.run.call_args) + str(container.commit.call_args)
    assert "volumes" not in client.containers.run.call_args.kwargs  # the image would ask for them too
    client.containers.get.return_value.remove.assert_called_with(force=True, v=True)


def test_a_recipe_that_fails_is_one_message_and_takes_its_container_away(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    client = docker_client(before=None)
    client.containers.run.return_value.exec_run.return_value = (100, b"E: no jq\n")
    monkeypatch.setattr("docker.from_env", lambda timeout: client)
    assert webui_build.main([str(tmp_path), str(tmp_path / "image.tar")]) == 1
    assert "assemble.sh failed with 100: E: no jq" in capsys.readouterr().err
    client.containers.get.return_value.remove.assert_called_with(force=True, v=True)
    assert not (tmp_path / "image.tar").exists()
