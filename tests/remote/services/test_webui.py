"""The chat page: its environment, its unit, where its secrets are, and what is done about an image."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from core import settings
from core.contract.documents import SCHEMA_VERSION, ApiKey, ApiKeys
from core.contract.paths import KEYS_FILE, WEBUI_CONTAINER, WEBUI_DATA, WEBUI_IMAGE, image_registry
from remote.items.containers import DOCKERD, ContainerUnit, DockerEngine, Image
from remote.items.files import File
from remote.items.secrets import SecretLines
from remote.machines.facts import ContainerFact, Facts, FileFact, UnitFact
from remote.services import keys, sign_on, webui
from tests.core.test_settings_sign_on import ACCESS, OIDC
from tests.remote.machines.test_inventory import OUTPUTS

GIVEN: dict[str, Any] = {
    "pilotlight:cloud": "embedded",
    "pilotlight:engines": {"a": {"model": "x/a"}, "b": {"model": "x/b"}},
    "pilotlight:services": {"chat": {"engine": "a"}, "support": {"engine": "b"}},
}


def page(**sections: Any) -> webui.Page:
    found = settings.load(GIVEN | {f"pilotlight:{k}": v for k, v in sections.items()}, "demo")
    made = webui.page(found, OUTPUTS)
    assert made is not None
    return made


def items(**sections: Any) -> dict[str, Any]:
    return {getattr(item, "path", item.label): item for item in webui.items(page(**sections), "guard.service")}


def unit_text(**sections: Any) -> str:
    return str(items(**sections)[webui.UNIT_FILE].content.decode())


# ---------------------------------------------------------------- environment
def test_the_services_are_the_models_whatever_the_host_does() -> None:
    found = webui.environment(page())
    config = json.loads(found["OPENAI_API_CONFIGS"])["0"]
    assert config["model_ids"] == ["chat", "support"]
    assert found["DEFAULT_MODELS"] == "chat"
    assert found["ENABLE_PERSISTENT_CONFIG"] == "false"
    assert found["ENABLE_OLLAMA_API"] == "false"
    assert found["ENABLE_SIGNUP"] == "false"


def test_with_a_domain_its_cookies_go_by_tls_alone() -> None:
    found = webui.environment(page(access={"domain": "llm.example.org"}))
    assert found["WEBUI_URL"] == "https://llm.example.org:3000"
    assert [found[name] for name in webui.SECURE_COOKIES] == ["true", "true"]
    assert not set(webui.SECURE_COOKIES) & set(webui.environment(page()))


def test_background_calls_are_marked_as_the_relay_reads_them() -> None:
    headers = json.loads(webui.environment(page())["OPENAI_API_CONFIGS"])["0"]["headers"]
    assert headers == {"X-OWUI-Task": "{{TASK}}", "X-OWUI-Chat": "{{CHAT_ID}}"}


@pytest.mark.parametrize(("flags", "sent"), [({}, False), ({"enable-auto-tool-choice": True}, True)])
def test_built_in_tools_are_sent_only_to_engines_that_take_them(flags: dict[str, Any], sent: bool) -> None:
    engines = {name: {"model": "x/m", "flags": flags} for name in ("a", "b")}
    assert ("DEFAULT_MODEL_METADATA" in webui.environment(page(engines=engines))) is not sent


def test_one_engine_without_tool_calls_keeps_them_off_for_all() -> None:
    engines = {"a": {"model": "x/m", "flags": {"enable-auto-tool-choice": True}}, "b": {"model": "x/m"}}
    assert "DEFAULT_MODEL_METADATA" in webui.environment(page(engines=engines))


@pytest.mark.parametrize(
    ("where", "api", "address"),
    [("gateway", "host.docker.internal", "127.0.0.1"), ("host", "10.0.0.4", "10.0.0.5")],
)
def test_where_it_listens_and_where_its_api_is(where: str, api: str, address: str) -> None:
    made = page(webui={"host": where})
    assert webui.environment(made)["OPENAI_API_BASE_URL"] == f"http://{api}:8001/v1"
    assert f"--publish {address}:3001:8080" in unit_text(webui={"host": where})


# ---------------------------------------------------------------- files
def test_a_files_text_goes_into_the_prompt_as_it_is() -> None:
    found = webui.environment(page())
    assert found["BYPASS_EMBEDDING_AND_RETRIEVAL"] == "true"
    assert found["RAG_FILE_MAX_SIZE"] == "64"  # MiB, as HAProxy has it
    assert "USER_PERMISSIONS_CHAT_FILE_UPLOAD" not in found


def test_without_files_the_page_offers_none() -> None:
    assert webui.environment(page(webui={"documents": "off"}))["USER_PERMISSIONS_CHAT_FILE_UPLOAD"] == "false"


# ---------------------------------------------------------------- single sign-on
def signed_on(**more: Any) -> webui.Page:
    return page(access=ACCESS, webui={"oidc": OIDC | more})


def test_single_sign_on_as_open_webui_reads_it() -> None:
    found = webui.environment(signed_on())
    assert {name: found[name] for name in found if "OAUTH" in name or "OPENID" in name} == {
        "OAUTH_CLIENT_ID": "chat",
        "OPENID_PROVIDER_URL": "https://login.example.org/realms/staff/.well-known/openid-configuration",
        "OPENID_REDIRECT_URI": "https://llm.example.org:3000/oauth/oidc/callback",
        "OAUTH_PROVIDER_NAME": "single sign-on",
        "OAUTH_SCOPES": "openid email profile",
        "OAUTH_CODE_CHALLENGE_METHOD": "S256",
        "OAUTH_ALLOWED_DOMAINS": "example.org",
        "ENABLE_OAUTH_SIGNUP": "true",
        "OAUTH_MERGE_ACCOUNTS_BY_EMAIL": "false",
    }
    assert (found["DEFAULT_USER_ROLE"], found["ENABLE_SIGNUP"]) == ("user", "false")
    assert not {"ENABLE_PASSWORD_AUTH", "ENABLE_LOGIN_FORM", "OAUTH_AUTO_REDIRECT"} & set(found)


def test_without_single_sign_on_nothing_is_said_of_it() -> None:
    assert not [name for name in webui.environment(page()) if "OAUTH" in name or "OPENID" in name]


def test_who_has_none_of_the_roles_that_are_asked_for_waits_for_an_admin() -> None:
    found = webui.environment(signed_on(rolesClaim="realm_access.roles", userRoles=["staff", "guests"]))
    assert found["ENABLE_OAUTH_ROLE_MANAGEMENT"] == "true"
    assert found["OAUTH_ROLES_CLAIM"] == "realm_access.roles"
    assert found["OAUTH_ALLOWED_ROLES"] == "staff,guests"
    assert found["OAUTH_ADMIN_ROLES"] == ""  # unset, whoever has a role `admin` anywhere would administer the page
    assert found["DEFAULT_USER_ROLE"] == "pending"


def test_with_roles_of_admins_alone_everybody_else_is_a_user() -> None:
    found = webui.environment(signed_on(adminRoles=["ops"]))
    assert (found["OAUTH_ALLOWED_ROLES"], found["OAUTH_ADMIN_ROLES"]) == ("*", "ops")
    assert found["DEFAULT_USER_ROLE"] == "user"


def test_passwords_may_be_shut_out() -> None:
    found = webui.environment(signed_on(adminRoles=["ops"], passwordLogIn=False))
    assert (found["ENABLE_PASSWORD_AUTH"], found["ENABLE_LOGIN_FORM"]) == ("false", "false")


def test_the_clients_secret_is_in_the_file_of_secrets_alone(tmp_path: Path) -> None:
    made = webui.make_secrets(signed_on(), Facts(), "", "the client's secret")
    (lines,) = [step.item for step in made.on_page]
    assert isinstance(lines, SecretLines)
    assert "the client's secret" not in lines.mark
    assert "OAUTH_CLIENT_SECRET=the client's secret\n" in written(tmp_path, lines)
    before = "OPENAI_API_KEY=k\nWEBUI_SECRET_KEY=s\nWEBUI_ADMIN_PASSWORD=p\nOAUTH_CLIENT_SECRET=old\n"
    assert "OAUTH_CLIENT_SECRET=the client's secret\n" in written(tmp_path, lines, before)


def test_without_single_sign_on_its_secret_leaves_the_file(tmp_path: Path) -> None:
    made = webui.make_secrets(page(), Facts(), "")
    (lines,) = [step.item for step in made.on_page]
    assert isinstance(lines, SecretLines)
    assert "OAUTH" not in written(tmp_path, lines, "WEBUI_SECRET_KEY=s\nOAUTH_CLIENT_SECRET=old\n")


def test_when_the_clients_secret_is_another() -> None:
    on, off = signed_on(), page()
    oidc = on.settings.webui.oidc
    assert oidc is not None
    same = Facts(texts={webui.KEY_STAMP: f"H {sign_on.digest(oidc, 'old')}"})
    none = Facts(texts={webui.KEY_STAMP: "H"})
    assert [webui.sign_on_differs(on, same, each) for each in ("old", "new", None)] == [False, True, False]
    assert [webui.sign_on_differs(on, none, each) for each in ("old", None)] == [True, True]
    assert [webui.sign_on_differs(off, same, each) for each in ("", None)] == [True, True]
    assert [webui.sign_on_differs(off, none, each) for each in ("", None)] == [False, False]


# ---------------------------------------------------------------- unit
def test_the_container_is_confined() -> None:
    text = unit_text(webui={"memoryMiB": 900, "cpus": 0.5})
    for wanted in (
        "--memory 900m --memory-swap 900m --cpus 0.5",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--pids-limit ",
        "--read-only",
        "--log-driver none",
        "--health-cmd ",
        f"--volume {WEBUI_DATA}:/app/backend/data",
        "Restart=always",
        WEBUI_IMAGE,
        "After=docker.service network-online.target guard.service",
    ):
        assert wanted in text
    assert "--privileged" not in text
    assert "--network host" not in text  # it would reach the inner door and the instance's metadata


def test_no_secret_is_in_unit_environment_or_command() -> None:
    made = webui.make_secrets(page(), Facts(), "")
    (lines,) = [step.item for step in made.on_page]
    assert isinstance(lines, SecretLines)
    (order,) = lines.orders(Facts())
    values = list(lines.values.values())
    assert len(values) == 3
    everything = [unit_text(), items()[webui.ENVIRONMENT_FILE].content.decode(), order.script, repr(lines), str(made)]
    everything += [o.script for step in made.on_front for o in step.item.orders(Facts())]
    for value in values:
        assert value in order.stdin.decode()
        assert not [text for text in everything if value in text]


def test_the_environment_is_roots() -> None:
    file = items()[webui.ENVIRONMENT_FILE]
    assert isinstance(file, File)
    assert (file.mode, file.owner) == (0o600, "root")


# ---------------------------------------------------------------- secrets on the machine, by the script itself
def written(tmp_path: Path, lines: SecretLines, before: str = "") -> str:
    """Run the order's script with paths below `tmp_path`."""
    (order,) = lines.orders(Facts())
    target = tmp_path / "secrets"
    if before:
        target.write_text(before)
    script = order.script.replace(webui.SECRETS_FILE, str(target)).replace(webui.KEY_STAMP, str(tmp_path / "stamp"))
    script = script.replace("/etc/pilotlight", str(tmp_path)).replace("/var/lib/pilotlight/applied", str(tmp_path))
    (tmp_path / webui.UNIT).write_text("started with the old values")
    done = subprocess.run(["sh", "-c", script], input=order.stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert target.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "stamp").read_text().strip() == lines.mark
    assert not (tmp_path / webui.UNIT).exists()  # a deployment that dies now leaves a unit that must be started anew
    return target.read_text()


def test_values_that_are_there_stay_but_for_the_key(tmp_path: Path) -> None:
    made = webui.make_secrets(page(), Facts(files={webui.SECRETS_FILE: FileFact("", 0o600, "root", "root")}), "")
    (lines,) = [step.item for step in made.on_page]
    assert isinstance(lines, SecretLines)
    before = 'OPENAI_API_KEY=sk-pl-old\nWEBUI_SECRET_KEY=old&/\\1$secret\nWEBUI_ADMIN_PASSWORD=it\'s "old"\n'
    found = written(tmp_path, lines, before).splitlines()
    assert found[0] == f"OPENAI_API_KEY={lines.values['OPENAI_API_KEY']}"
    assert found[1:] == before.splitlines()[1:]
    assert keys.hash_of(lines.values["OPENAI_API_KEY"]) == lines.mark


def test_the_page_says_who_asks() -> None:
    assert webui.environment(page())["ENABLE_FORWARD_USER_INFO_HEADERS"] == "true"


def test_odd_passwords_arrive_as_they_are(tmp_path: Path) -> None:
    password = """a'b"c$d`e\\f=g #h%n é"""
    made = webui.make_secrets(page(), Facts(), password)
    (lines,) = [step.item for step in made.on_page]
    assert isinstance(lines, SecretLines)
    assert f"WEBUI_ADMIN_PASSWORD={password}\n" in written(tmp_path, lines)


def test_the_password_is_told_only_where_it_was_made() -> None:
    first = webui.make_secrets(page(), Facts(), "")
    assert first.account is not None
    assert len(first.account.password) >= 12
    given = webui.make_secrets(page(), Facts(), "the stack's own")
    assert given.account == webui.Account("admin@pilotlight.local")
    again = webui.make_secrets(page(), Facts(files={webui.SECRETS_FILE: FileFact("", 0o600, "root", "root")}), "")
    assert again.account is None


def test_accounts_that_are_there_are_not_promised_another_password() -> None:
    found = webui.make_secrets(page(), Facts(paths=frozenset({webui.DATABASE})), "")
    assert found.account is None


@pytest.mark.parametrize(("sign_up", "role"), [(True, "user"), (False, "pending")])
def test_who_signs_up_is_let_in(sign_up: bool, role: str) -> None:
    assert webui.environment(page(webui={"signUp": sign_up}))["DEFAULT_USER_ROLE"] == role


def test_the_data_are_roots_alone() -> None:
    text = unit_text()
    assert f"ExecStartPre=/usr/bin/install -d -m 700 {WEBUI_DATA}" in text
    assert text.index("install -d") < text.index("docker run")


@pytest.mark.parametrize(
    ("stamp", "file", "hashes", "needed"),
    [
        ("H", True, {"key-1": "X", "webui": "H"}, False),
        ("H", True, {"key-1": "H", "webui": "X"}, True),
        ("H", True, {"key-1": "H"}, True),
        ("H", True, {}, True),
        ("", True, {"webui": "H"}, True),
        ("H", False, {"webui": "H"}, True),
        ("H abc", True, {"webui": "H"}, False),
    ],
)
def test_when_secrets_are_made(stamp: str, file: bool, hashes: dict[str, str], needed: bool) -> None:
    there = ApiKeys(SCHEMA_VERSION, tuple(ApiKey(name, sha256, 1.0) for name, sha256 in hashes.items())).to_json()
    files = {webui.SECRETS_FILE: FileFact("", 0o600, "root", "root")} if file else {}
    front, on = Facts(texts={KEYS_FILE: there}), Facts(texts={webui.KEY_STAMP: stamp}, files=files)
    assert webui.secrets_needed(front, on) is needed


# ---------------------------------------------------------------- image
def image_of(facts: Facts) -> tuple[str, str]:
    image = items()[f"image {WEBUI_IMAGE}"]
    assert isinstance(image, Image)
    *_, order = image.orders(facts)
    return order.script, order.failure


def test_a_small_disk_is_said_before_anything_is_pulled() -> None:
    script, failure = image_of(Facts(free_gib=3.25))
    assert script == "exit 1"
    assert f"the image {WEBUI_IMAGE} needs about 6 GiB of disk, and 3.2 are free. Nothing was pulled." in failure
    assert "pilotlight:gateway.diskGiB" in failure


def test_an_image_is_pulled_or_loaded_and_which_is_said() -> None:
    script, failure = image_of(Facts(free_gib=9.0))
    assert "docker load" in script
    assert "docker pull" in script
    assert "could not be pulled" in failure
    assert "/containers/ghcr.io_open-webui_open-webui_v" in script


@pytest.mark.parametrize(
    ("image", "source"),
    [
        ("ghcr.io/a/b:v1", "ghcr.io"),
        ("localhost:5000/b:v1", "localhost:5000"),
        ("localhost/b:v1", "localhost"),
        ("a/b:v1", "registry-1.docker.io"),
        ("b:v1.2", "registry-1.docker.io"),
    ],
)
def test_the_registry_that_a_name_means(image: str, source: str) -> None:
    assert image_registry(image) == source


def test_a_docker_that_is_there_stays() -> None:
    for place in DOCKERD:
        assert DockerEngine().reason(Facts(paths=frozenset({place}))) == ""
    assert DockerEngine().reason(Facts()) == "missing"


def test_an_unhealthy_container_is_started_anew() -> None:
    unit = items()[webui.UNIT]
    assert isinstance(unit, ContainerUnit)
    right = Facts(
        texts={unit.unit.stamp: unit.unit.applied}, units={webui.UNIT: UnitFact("loaded", "active", "", "enabled", 0)}
    )
    assert unit.reason(right) == ""
    sick = {WEBUI_CONTAINER: ContainerFact("sha256:1", "running", "unhealthy")}
    assert unit.reason(Facts(texts=right.texts, units=right.units, containers=sick)) == "is unhealthy"


# ---------------------------------------------------------------- ports
def test_a_port_that_another_program_has_is_said_before_anything_is_changed() -> None:
    from remote.items.system import PortFree

    taken = Facts(listeners={"3000": ("haproxy", "node")})
    item = PortFree(3000, ("haproxy", "dockerd"))
    assert item.reason(taken) == "taken by node"
    (order,) = item.orders(taken)
    assert order.failure == "port 3000 is taken by node, and haproxy is to listen there. Stop node, then deploy again"
    assert item.reason(Facts(listeners={"3000": ("haproxy",)})) == ""
    assert item.reason(Facts(listeners={"3000": ()})) == ""
    assert item.reason(Facts(listeners={"3000": ("dockerd",)})) == ""
