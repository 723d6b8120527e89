"""bootstrap.sh on a checkout and with programs of the test's own making."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from core import versions
from local.folders import CHECKOUT

UV = """#!/bin/sh
if [ "$1" = --version ]; then echo "uv {version} (test)"; exit 0; fi
echo "$@" >>"$CALLS"
case "$*" in
*"venv "*) mkdir -p .venv/bin; printf '#!/bin/sh\\nexit 0\\n' >.venv/bin/python; chmod +x .venv/bin/python ;;
*"pip sync"*) exit ${{SYNC_FAILS:-0}} ;;
esac
"""
TOOLS = ("sh", "sed", "tr", "grep", "paste", "dirname", "mkdir", "cut", "cmp", "ln", "rm", "cp", "mv", "chmod", "id")


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder, self.programs, self.calls = folder / "clone", folder / "bin", folder / "calls"
        for name in ("core/versions.py", "local/setup/bootstrap.sh", "local/setup/pilotlight"):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, self.folder / name)
        (self.folder / "requirements.lock").write_text("rich==1\n")
        self.programs.mkdir()
        for tool in TOOLS:
            (self.programs / tool).symlink_to(str(shutil.which(tool)))
        self.program("uv", UV.format(version=versions.UV))
        self.program("python3", "#!/bin/sh\nexit 0\n")

    def program(self, name: str, text: str) -> None:
        (self.programs / name).write_text(text)
        (self.programs / name).chmod(0o755)

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        home = str(self.folder.parent / "home")
        environ = {"PATH": str(self.programs), "HOME": home, "CALLS": str(self.calls), **env}
        script = str(self.folder / "local/setup/bootstrap.sh")
        return subprocess.run(
            ["sh", script], env=environ, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )

    def called(self) -> str:
        return self.calls.read_text() if self.calls.exists() else ""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_it_makes_the_environment_once(checkout: Checkout) -> None:
    first = checkout.run()
    assert first.returncode == 0, first.stderr
    assert "pip sync" in checkout.called()
    assert os.readlink(checkout.folder / ".venv/bin/uv") == str(checkout.programs / "uv")
    checkout.calls.unlink()
    assert checkout.run().stdout == ""
    assert checkout.called() == ""


def test_the_program_stands_beside_fab_also_in_an_environment_from_before(checkout: Checkout) -> None:
    checkout.run()
    program = checkout.folder / ".venv/bin/pilotlight"
    assert program.samefile(checkout.folder / "local/setup/pilotlight")
    program.unlink()
    checkout.run()
    assert program.samefile(checkout.folder / "local/setup/pilotlight")


def test_a_changed_lock_is_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.run()
    checkout.calls.unlink()
    (checkout.folder / "requirements.lock").write_text("rich==2\n")
    assert checkout.run().returncode == 0
    assert "pip sync" in checkout.called()
    assert "venv --clear" not in checkout.called()


def test_an_installation_that_failed_is_done_again(checkout: Checkout) -> None:
    failed = checkout.run(SYNC_FAILS="1")
    assert failed.returncode == 1
    assert "requirements.lock could not be installed. Run: UV_SYSTEM_CERTS=true .venv/bin/uv pip sync" in failed.stderr
    checkout.calls.unlink()
    assert checkout.run().returncode == 0
    assert "pip sync" in checkout.called()


def test_a_lock_that_was_half_replaced_and_taken_back_is_installed_again(checkout: Checkout) -> None:
    checkout.run()
    (checkout.folder / "requirements.lock").write_text("rich==2\n")
    checkout.run(SYNC_FAILS="1")
    checkout.calls.unlink()
    (checkout.folder / "requirements.lock").write_text("rich==1\n")
    checkout.run()
    assert "pip sync" in checkout.called()


def test_without_root_a_missing_python_is_one_message_with_the_command(checkout: Checkout) -> None:
    (checkout.programs / "uv").unlink()
    (checkout.programs / "python3").unlink()
    checkout.program("apt-get", "#!/bin/sh\nexit 0\n")
    (checkout.programs / "id").unlink()
    checkout.program("id", "#!/bin/sh\necho 1000\n")
    refused = checkout.run()
    assert refused.returncode == 1
    assert "Run: sudo sh -c 'apt-get update && apt-get install -y python3 python3-venv'" in refused.stderr


def test_a_python_that_is_too_old_is_passed_over_for_a_newer_name(checkout: Checkout) -> None:
    checkout.program("python3", "#!/bin/sh\nexit 1\n")
    checkout.program("python3.12", "#!/bin/sh\nexit 0\n")
    assert checkout.run().returncode == 0
    assert f"--python {checkout.programs}/python3.12" in checkout.called()


def test_uv_of_another_version_is_not_used(checkout: Checkout) -> None:
    checkout.program("uv", UV.format(version="0.1.0"))
    # `python3 -m venv DIR` makes a pip that "installs" the pinned uv beside itself.
    checkout.program(
        "python3",
        f"""#!/bin/sh
if [ "$2" = venv ]; then
    mkdir -p "$3/bin"
    printf '#!/bin/sh\\necho "$@" >>"$CALLS"; cp {checkout.programs}/pinned "${{0%%/*}}/uv"\\n' >"$3/bin/pip"
    chmod +x "$3/bin/pip"
fi
""",
    )
    checkout.program("pinned", UV.format(version=versions.UV))
    done = checkout.run()
    assert done.returncode == 0, done.stderr
    assert f"install uv=={versions.UV}" in checkout.called()
    cached = checkout.folder.parent / f"home/.cache/pilotlight/tools/uv-{versions.UV}/uv"
    assert os.readlink(checkout.folder / ".venv/bin/uv") == str(cached)


# ------------------------------------------------------------ behind a proxy that inspects TLS
SHOWS = """#!/bin/sh
if [ "$1" = --version ]; then echo "uv {version} (test)"; exit 0; fi
echo "certs=$UV_SYSTEM_CERTS proxy=$HTTPS_PROXY" >>"$CALLS"
case "$*" in *"venv "*) mkdir -p .venv/bin; printf '#!/bin/sh\\n' >.venv/bin/python; chmod +x .venv/bin/python ;; esac
"""


def test_uv_uses_the_system_s_certificates_and_the_environment_s_proxy(checkout: Checkout) -> None:
    checkout.program("uv", SHOWS.format(version=versions.UV))
    assert checkout.run(HTTPS_PROXY="http://proxy:3128").returncode == 0
    assert set(checkout.called().splitlines()) == {"certs=true proxy=http://proxy:3128"}


@pytest.mark.parametrize(
    ("configured", "env", "expected"),
    [(False, {}, "{bundle}"), (True, {}, ""), (False, {"PIP_CERT": "/own.pem"}, "/own.pem")],
)
def test_pip_uses_them_too_unless_it_was_told_otherwise(
    checkout: Checkout, tmp_path: Path, configured: bool, env: dict[str, str], expected: str
) -> None:
    bundle = tmp_path / "store.crt"
    bundle.write_text("a certificate")
    checkout.program("uv", UV.format(version="0.1.0"))
    pip = f"""#!/bin/sh
if [ "$1" = config ]; then exit {0 if configured else 1}; fi
echo "cert=$PIP_CERT" >>"$CALLS"
exit 1
"""
    checkout.program("fake-pip", pip)
    copy = f'[ "$2" = venv ] && mkdir -p "$3/bin" && cp {checkout.programs}/fake-pip "$3/bin/pip"'
    checkout.program("python3", f"#!/bin/sh\n{copy}\nexit 0\n")
    failed = checkout.run(SSL_CERT_FILE=str(bundle), **env)
    assert f"cert={expected.format(bundle=bundle)}" in checkout.called().splitlines()
    assert failed.returncode == 1
    for part in ("HTTPS_PROXY", "NO_PROXY", "/usr/local/share/ca-certificates/", "sudo update-ca-certificates"):
        assert part in failed.stderr


def test_apt_as_root_keeps_the_proxies(checkout: Checkout) -> None:
    (checkout.programs / "uv").unlink()
    (checkout.programs / "python3").unlink()
    (checkout.programs / "id").unlink()
    checkout.program("id", "#!/bin/sh\necho 1000\n")
    checkout.program("apt-get", "#!/bin/sh\nexit 0\n")
    checkout.program("sudo", '#!/bin/sh\necho "$@" >>"$CALLS"\ncase "$*" in *update*) exit 1 ;; esac\nexit 0\n')
    assert checkout.run(https_proxy="http://proxy:3128").returncode == 1
    assert "--preserve-env=http_proxy,https_proxy,no_proxy,HTTP_PROXY,HTTPS_PROXY,NO_PROXY apt-get" in checkout.called()
