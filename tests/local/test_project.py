import pytest
import yaml

from core.errors import CloudError
from local import project
from local.cloud import environment

TEMPLATE = {
    "config": {
        "aws:region": "us-east-1",
        "pilotlight:host": {"instanceTypes": ["g6.xlarge"], "diskGiB": 20},
        "pilotlight:idle": {"profile": "online", "stopAfter": "20s"},
    }
}


def test_the_cloud_s_key_and_the_overrides_are_merged_in():
    after = project.merge(
        TEMPLATE, {}, "ssh-ed25519 KEY", {"idle": {"stopAfter": "5s"}, "pilotlight:budget": {"monthlyUsd": 1}}
    )
    assert after["config"] == {
        "aws:region": "us-east-1",
        "pilotlight:host": {"instanceTypes": ["g6.xlarge"], "diskGiB": 20, "sshPublicKey": "ssh-ed25519 KEY"},
        "pilotlight:idle": {"profile": "online", "stopAfter": "5s"},
        "pilotlight:budget": {"monthlyUsd": 1},
        "pilotlight:cloud": "embedded",
    }


def test_none_takes_a_key_away():
    after = project.merge(TEMPLATE, {}, "KEY", {"idle": {"profile": None}})
    assert after["config"]["pilotlight:idle"] == {"stopAfter": "20s"}


def test_what_pulumi_wrote_is_kept_and_the_rest_is_rendered_anew():
    hooks = {"webhooks": [{"url": {"secure": "v1:y"}}]}
    before = {
        "encryptionsalt": "v1:salt",
        "config": {
            "pilotlight:token": {"secure": "v1:x"},
            "pilotlight:notify": hooks,
            "pilotlight:idle": {"stopAfter": "1h"},
        },
    }
    after = project.merge(TEMPLATE, before, "KEY", {})
    assert after["encryptionsalt"] == "v1:salt"
    assert after["config"]["pilotlight:token"] == {"secure": "v1:x"}
    assert after["config"]["pilotlight:notify"] == hooks
    assert after["config"]["pilotlight:idle"]["stopAfter"] == "20s"


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    (tmp_path / "checkout/stacks").mkdir(parents=True)
    (tmp_path / "checkout/stacks/Pulumi.demo.yaml").write_text(yaml.safe_dump(TEMPLATE))
    monkeypatch.setattr(project.folders, "CHECKOUT", tmp_path / "checkout")
    state = tmp_path / "state"
    state.mkdir()
    environment.make_secrets(state, "lab")
    return state


def test_the_rendered_project_runs_the_checkout_s_program(checkout):
    folder = project.render_project(checkout)
    document = yaml.safe_load((folder / "Pulumi.yaml").read_text())
    assert document["main"] == str(project.folders.CHECKOUT)
    assert document["stackConfigDir"] == "stacks"


def test_a_stack_is_rendered_under_its_own_name(checkout):
    path = project.render_stack(checkout, "two", "demo", {})
    assert path == checkout / "project/stacks/Pulumi.two.yaml"
    key = yaml.safe_load(path.read_text())["config"]["pilotlight:host"]["sshPublicKey"]
    assert key.startswith("ssh-ed25519 ")
    assert key.endswith(" lab")


def test_an_unknown_template_names_the_known_ones(checkout):
    with pytest.raises(CloudError, match="Stacks: demo"):
        project.render_stack(checkout, "x", "nothing", {})


def test_secrets_are_nobody_else_s(checkout):
    assert {oct((checkout / n).stat().st_mode & 0o777) for n in (environment.SSH_KEY, environment.PASSPHRASE)} == {
        "0o600"
    }


def template(text):
    (project.folders.CHECKOUT / "stacks/Pulumi.demo.yaml").write_text(text)


def edit(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_a_rendered_file_says_which_one_to_edit(checkout):
    text = project.render_stack(checkout, "two", "demo", {}).read_text()
    assert text.startswith(
        f"# Rendered from {project.folders.CHECKOUT}/stacks/Pulumi.demo.yaml, which is the file to edit"
    )


def test_what_was_edited_is_told_from_what_was_rendered_and_secrets_are_no_edits(checkout):
    path = project.render_stack(checkout, "demo", "demo", {"idle": {"maxLease": "2h"}})
    assert project.edits(checkout, "demo") == {}
    edit(path, "stopAfter: 20s", "stopAfter: 1h")
    edit(path, "    diskGiB: 20\n", "")
    path.write_text(path.read_text() + "  pilotlight:webui:\n    adminPassword:\n      secure: v1:x\n")
    assert project.edits(checkout, "demo") == {
        "pilotlight:host": {"diskGiB": None},
        "pilotlight:idle": {"stopAfter": "1h"},
    }
    assert "+  stopAfter: 1h" in project.difference(checkout, "demo")
    assert "-  diskGiB: 20" in project.difference(checkout, "demo")


def test_kept_edits_stay_over_a_newer_checkout_and_stay_edits(checkout):
    path = project.render_stack(checkout, "demo", "demo", {})
    edit(path, "stopAfter: 20s", "stopAfter: 1h")
    edits = project.edits(checkout, "demo")
    template(yaml.safe_dump(TEMPLATE).replace("online", "batch"))
    config = yaml.safe_load(project.render_stack(checkout, "demo", "demo", {}, edits).read_text())["config"]
    assert config["pilotlight:idle"] == {"profile": "batch", "stopAfter": "1h"}
    assert project.edits(checkout, "demo") == edits


def test_rendering_again_takes_the_checkout_s_file_of_then_with_the_same_template_and_overrides(checkout):
    path = project.render_stack(checkout, "two", "demo", {"idle": {"maxLease": "2h"}})
    edit(path, "stopAfter: 20s", "stopAfter: 1h")
    template(yaml.safe_dump(TEMPLATE).replace("20s", "30s"))
    assert project.render_again(checkout, "two") == project.folders.CHECKOUT / "stacks/Pulumi.demo.yaml"
    idle = yaml.safe_load(path.read_text())["config"]["pilotlight:idle"]
    assert idle == {"profile": "online", "stopAfter": "30s", "maxLease": "2h"}
