import datetime as dt
import json
from types import SimpleNamespace

import pytest

from local.cloud.credentials import MACHINE_LIFE_S, Holder, draw
from local.cloud.faults import FaultBoard, parse
from local.cloud.metadata import Metadata, document, lookup

TOKEN = "/latest/api/token"
ID = "/latest/meta-data/instance-id"
TTL = "HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS"


def machine(*, tokens="required", endpoint="enabled", role=""):
    roles = [SimpleNamespace(name=role)]
    profile = SimpleNamespace(iam_instance_profile=SimpleNamespace(roles=roles))
    return SimpleNamespace(
        id="i-1",
        image_id="ami-1",
        private_dns_name="ip-10-77-0-4.ec2.internal",
        private_ip="10.77.0.4",
        public_ip="10.77.240.1",
        instance_type="g6.xlarge",
        lifecycle=None,
        architecture="x86_64",
        availability_zone="us-east-1a",
        metadata_options=SimpleNamespace(http_tokens=tokens, http_endpoint=endpoint, instance_metadata_tags="disabled"),
        ec2_backend=SimpleNamespace(iam_instance_profile_associations={"i-1": profile} if role else {}),
    )


class Imds:
    def __init__(self, instance, others=()):
        self.now = 0.0
        known = {"10.77.0.4": instance, **dict(others)}
        self.issued = []
        self.board = FaultBoard(lambda: self.now)
        self.app = Metadata(known.get, lambda: self.now, self.issue, self.board)

    def issue(self):
        self.issued.append(draw(Holder.MACHINE, session=True))
        return self.issued[-1]

    def ask(self, path, method="GET", source="10.77.0.4", **headers):
        return self.app.answer({"PATH_INFO": path, "REQUEST_METHOD": method, "REMOTE_ADDR": source, **headers})

    def token(self, ttl="60"):
        return self.ask(TOKEN, "PUT", HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS=ttl)[1]

    def read(self, path, token="", **more):
        return self.ask(path, HTTP_X_AWS_EC2_METADATA_TOKEN=token, **more)


def test_nothing_is_read_without_a_token():
    imds = Imds(machine())
    assert imds.read(ID) == ("401 Unauthorized", "")
    assert imds.read(ID, token="guess")[0] == "401 Unauthorized"
    assert imds.read(ID, token=imds.token()) == ("200 OK", "i-1")


def test_a_fault_keeps_the_service_from_answering_for_a_while(monkeypatch):
    imds, slept, said = Imds(machine()), [], []
    monkeypatch.setattr("local.cloud.metadata.time.sleep", slept.append)
    environ = {"PATH_INFO": TOKEN, "REQUEST_METHOD": "PUT", "REMOTE_ADDR": "10.77.0.4", TTL: "60"}

    def ask():
        imds.app(environ, lambda status, _: said.append(status))

    imds.board.put(parse({"action": "metadata:*", "delay_s": 4.0, "seconds": 30}))
    ask()
    imds.app({**environ, "REMOTE_ADDR": "10.77.0.9"}, lambda status, _: said.append(status))
    imds.now = 30.0
    ask()
    assert said == ["503 Service Unavailable"] * 2 + ["200 OK"]
    assert slept == [4.0, 4.0]
    imds.board.put(parse({"action": "metadata:Token", "delay_s": 1.0, "error": ""}))
    ask()
    assert (said[-1], slept[-1]) == ("200 OK", 1.0)


def test_a_token_ends():
    imds = Imds(machine())
    token = imds.token("60")
    imds.now = 59.9
    assert imds.read(ID, token=token)[0] == "200 OK"
    imds.now = 60.0
    assert imds.read(ID, token=token)[0] == "401 Unauthorized"


def test_a_token_is_its_machine_s_own():
    other = machine()
    other.id = "i-2"
    imds = Imds(machine(), {"10.77.0.5": other}.items())
    assert imds.read(ID, token=imds.token(), source="10.77.0.5")[0] == "401 Unauthorized"


def test_version_one_where_the_instance_allows_it():
    assert Imds(machine(tokens="optional")).read(ID) == ("200 OK", "i-1")


@pytest.mark.parametrize("ttl", ["", "0", "21601", "-1", "x"])
def test_a_wrong_life_time_is_refused(ttl):
    assert Imds(machine()).ask(TOKEN, "PUT", HTTP_X_AWS_EC2_METADATA_TOKEN_TTL_SECONDS=ttl)[0] == "400 Bad Request"


def test_strangers_forwarders_and_switched_off_machines_get_nothing():
    imds = Imds(machine())
    assert imds.ask(ID, source="10.77.0.9")[0] == "403 Forbidden"
    assert imds.read(ID, token=imds.token(), HTTP_X_FORWARDED_FOR="1.2.3.4")[0] == "403 Forbidden"
    assert Imds(machine(endpoint="disabled")).ask(ID)[0] == "403 Forbidden"


def test_credentials_are_listed_and_read_by_role():
    imds = Imds(machine(role="host"))
    folder = "/latest/meta-data/iam/security-credentials/"
    assert imds.read(folder, token=imds.token()) == ("200 OK", "host")
    keys = json.loads(imds.read(folder + "host", token=imds.token())[1])
    assert keys["Code"] == "Success"
    assert (keys["AccessKeyId"], keys["SecretAccessKey"], keys["Token"]) == (
        imds.issued[0].key,
        imds.issued[0].secret,
        imds.issued[0].token,
    )
    assert dt.datetime.fromisoformat(keys["Expiration"]) > dt.datetime.now(dt.UTC)


def test_credentials_stay_the_same_for_half_their_life():
    imds = Imds(machine(role="host"))
    path = "/latest/meta-data/iam/security-credentials/host"
    first = imds.read(path, token=imds.token("21600"))
    imds.now = MACHINE_LIFE_S / 2 - 1
    assert imds.read(path, token=imds.token()) == first
    imds.now = MACHINE_LIFE_S / 2
    assert imds.read(path, token=imds.token()) != first


def test_a_machine_without_a_profile_has_no_credentials():
    imds = Imds(machine())
    assert imds.read("/latest/meta-data/iam/security-credentials/", token=imds.token())[0] == "404 Not Found"


def test_folders_list_what_is_below():
    found = document(machine(), "")
    assert lookup(found, "/latest/meta-data/placement") == "availability-zone\nregion"
    assert "placement/" in (lookup(found, "/latest/meta-data/") or "").split("\n")
    assert lookup(found, "/latest/meta-data/nothing") is None
