import io
import tarfile
from pathlib import Path

import pytest

from local import trust
from local.cloud import machine_files
from local.cloud.machines import computer_hosts, resolver_file
from local.cloud.site import Site

SITE = Site("lab", "boot", "10.77.0.0/16", "image", "/state", "/cache", "/checkout")


def test_the_computer_s_package_settings_are_passed_on_and_nothing_else():
    computer = {
        "https_proxy": "http://proxy.example:3128",
        "NO_PROXY": "localhost",
        "PIP_INDEX_URL": "https://index.example/simple",
        "UV_INDEX_URL": "https://index.example/simple",
        "PIP_FIND_LINKS": "/opt/wheels",
        "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
        "AWS_SECRET_ACCESS_KEY": "real",
        "HOME": "/root",
    }
    found = machine_files.environment(SITE, computer)
    assert found["https_proxy"] == "http://proxy.example:3128"
    assert found["NO_PROXY"] == found["no_proxy"] == "localhost,10.77.0.1,10.77.0.0/16"
    assert found["PIP_INDEX_URL"] == found["UV_INDEX_URL"] == "https://index.example/simple"
    assert found["SSL_CERT_FILE"] == "/etc/ssl/certs/ca-certificates.crt"
    assert not {"PIP_FIND_LINKS", "AWS_SECRET_ACCESS_KEY", "HOME"} & set(found)


def test_a_proxy_is_not_in_the_way_to_the_cloud_where_the_computer_names_no_exceptions():
    found = machine_files.environment(SITE, {"http_proxy": "http://proxy:3128"})
    assert found["no_proxy"] == found["NO_PROXY"] == "10.77.0.1,10.77.0.0/16"
    assert "no_proxy" not in machine_files.environment(SITE, {})


def test_every_client_of_a_machine_uses_the_computer_s_certificates(tmp_path):
    found = machine_files.environment(SITE, {"SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"})
    assert {found[name] for name in trust.FILES} == {"/etc/ssl/certs/ca-certificates.crt"}
    assert found["UV_SYSTEM_CERTS"] == "true"


def test_certificates_from_elsewhere_go_along(tmp_path):
    own = tmp_path / "own.pem"
    own.write_text("-----BEGIN CERTIFICATE-----\n")
    files = machine_files.files(SITE, {"SSL_CERT_FILE": str(own), "PIP_CERT": str(own)}, tmp_path)
    assert files[machine_files.OWN_BUNDLE] == own.read_text()
    for name in trust.FILES:
        assert f'{name}="{machine_files.OWN_BUNDLE}"' in files["/etc/environment"]
    assert machine_files.OWN_BUNDLE not in machine_files.files(SITE, {}, tmp_path)


def test_machines_find_the_cloud_and_the_cache():
    found = machine_files.environment(SITE, {})
    assert found["AWS_ENDPOINT_URL"] == "http://10.77.0.1:5566"
    assert found["AWS_EC2_METADATA_SERVICE_ENDPOINT"] == "http://10.77.0.1:1338"
    assert found["UV_CACHE_DIR"].startswith(found["PILOTLIGHT_CACHE"])


def test_systemd_gets_the_same_environment_with_its_percent_signs_doubled(tmp_path):
    files = machine_files.files(SITE, {"http_proxy": "http://u:p%40@proxy"}, tmp_path)
    assert 'http_proxy="http://u:p%40@proxy"' in files["/etc/environment"]
    assert '"http_proxy=http://u:p%%40@proxy"' in files["/etc/systemd/system.conf.d/50-pilotlight.conf"]


def test_apt_s_acquire_options_are_taken_out_of_its_configuration(tmp_path):
    (tmp_path / "10proxy").write_text('Acquire::http::Proxy "http://proxy:3128";\nAPT::Get::Assume-Yes "true";\n')
    (tmp_path / "20more").write_text('  Acquire::Check-Date "false";\n')
    config = sorted(tmp_path.iterdir())
    assert (
        machine_files.acquire_options(config)
        == 'Acquire::http::Proxy "http://proxy:3128";\nAcquire::Check-Date "false";\n'
    )


def test_the_login_user_owns_its_key():
    with tarfile.open(fileobj=io.BytesIO(machine_files.login_files("ssh-ed25519 AAAA me\n", (1000, 1001)))) as tar:
        found = {m.name: (m.uid, m.gid, oct(m.mode)) for m in tar}
        key = tar.extractfile("home/ubuntu/.ssh/authorized_keys")
        assert key is not None
        assert key.read() == b"ssh-ed25519 AAAA me\n"
    assert found == {
        "home/ubuntu/.ssh": (1000, 1001, "0o700"),
        "home/ubuntu/.ssh/authorized_keys": (1000, 1001, "0o600"),
    }


def test_names_of_the_computer_are_known_inside_but_not_its_own():
    hosts = "127.0.0.1 localhost\n192.0.2.7 mirror mirror.example # ours\n::1 ip6-localhost\n"
    assert computer_hosts(hosts) == {"mirror": "192.0.2.7", "mirror.example": "192.0.2.7"}


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ("nameserver 192.0.2.53\n", "", 0),
        ("nameserver 127.0.0.53\n", "nameserver 192.0.2.53\n", 1),
        ("nameserver 127.0.0.1\n", None, None),
        ("# empty\n", None, None),
    ],
)
def test_the_resolver_file_is_one_whose_server_machines_can_reach(tmp_path: Path, first, second, chosen):
    paths = [tmp_path / "resolv.conf", tmp_path / "stub.conf"]
    for path, text in zip(paths, (first, second), strict=True):
        if text is not None:
            path.write_text(text)
    assert resolver_file(paths) == (None if chosen is None else paths[chosen])
