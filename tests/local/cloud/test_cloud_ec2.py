"""EC2's states over machines that only remember what they were told: orders wait until the test lets workers work."""

from ipaddress import IPv4Network

import pytest
from moto.ec2.exceptions import EC2ClientError

from local.cloud import ec2
from local.cloud.faults import FaultBoard, parse
from local.cloud.machines import REBOOTED, Exit
from local.cloud.site import ACCOUNT, REGION, Site

SITE = Site("lab", "boot", "10.77.0.0/16", "image", "/state", "/cache", "/checkout")
POWERED_OFF = 130


class FakeMachines:
    def __init__(self):
        self.on: dict[str, bool] = {}
        self.public: dict[str, list[str]] = {}
        self.volumes: dict[str, list[str]] = {}
        self.broken = False

    def create(self, instance_id, *, private_ip, public_key):
        if self.broken:
            raise OSError("Docker refuses")
        self.on[instance_id] = False

    def start(self, instance_id):
        if self.broken:
            raise OSError("Docker refuses")
        self.on[instance_id] = True

    def stop(self, instance_id):
        self.on[instance_id] = False

    def reboot(self, instance_id):
        assert self.on[instance_id]

    def remove(self, instance_id):
        del self.on[instance_id]

    def is_on(self, instance_id):
        return self.on.get(instance_id, False)

    def set_public_addresses(self, instance_id, wanted):
        self.public[instance_id] = wanted

    def set_volumes(self, instance_id, attached):
        assert self.on[instance_id]
        self.volumes[instance_id] = attached


class Lab(ec2.Plant):
    """Work is done when the test says so."""

    def __init__(self):
        self.fake = FakeMachines()
        super().__init__(SITE, self.fake, FaultBoard(lambda: 0.0))
        self.waiting = []

    def work(self, instance, job):
        self.waiting.append((instance, job))

    def settle(self):
        while self.waiting:
            instance, job = self.waiting.pop(0)
            job(instance)


@pytest.fixture
def lab(monkeypatch):
    lab = Lab()
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")
    monkeypatch.setattr(ec2.MachineBackend, "plant", lab, raising=False)
    lab.backend = ec2.MachineBackend(REGION, ACCOUNT)
    monkeypatch.setattr(ec2, "backend", lambda: lab.backend)
    yield lab
    lab.close()


@pytest.fixture
def machine(lab):
    instance = launch(lab)
    lab.settle()
    return instance


def launch(lab, **options):
    settings = {"instance_type": "g6.xlarge", "is_instance_type_default": False, "region_name": REGION, **options}
    settings = {"nics": [], "tags": {}, "associate_public_ip": None, **settings}
    return lab.backend.run_instances("ami-1", 1, None, [], **settings).instances[0]


def refusal(call, *args):
    with pytest.raises(EC2ClientError) as caught:
        call(*args)
    return caught.value.code


def test_the_default_vpc_is_the_docker_network(lab):
    assert lab.backend.get_default_vpc().cidr_block == SITE.subnet


def test_the_default_vpc_has_a_way_to_the_internet_as_on_aws(lab):
    vpc = lab.backend.get_default_vpc()
    (gateway,) = lab.backend.internet_gateways.values()
    (table,) = lab.backend.describe_route_tables(filters={"vpc-id": [vpc.id], "association.main": ["true"]})
    assert gateway.vpc.id == vpc.id
    assert [r.gateway_id for r in table.routes if r.destination_cidr_block == "0.0.0.0/0"] == [gateway.id]
    instance = launch(lab)
    assert instance.private_ip == "10.77.0.4"
    assert instance.subnet_id == lab.backend.get_default_subnets()["us-east-1a"].id


def test_an_instance_is_pending_until_its_machine_runs(lab):
    instance = launch(lab)
    assert (instance.state, lab.fake.on) == ("pending", {})
    lab.settle()
    assert (instance.state, lab.fake.on) == ("running", {instance.id: True})


def test_a_machine_that_cannot_be_made_ends_the_instance_with_a_reason(lab):
    lab.fake.broken = True
    instance = launch(lab)
    with pytest.raises(OSError, match="Docker refuses"):
        lab.settle()
    assert (instance.state, instance.state_reason.code) == ("terminated", "Server.InternalError")


def test_stopping_is_said_until_the_machine_is_down_and_a_start_in_between_is_refused(lab, machine):
    lab.backend.stop_instances([machine.id])
    assert (machine.state, lab.fake.on[machine.id]) == ("stopping", True)
    assert refusal(lab.backend.start_instances, [machine.id]) == "IncorrectInstanceState"
    lab.settle()
    assert (machine.state, lab.fake.on[machine.id]) == ("stopped", False)
    assert machine.state_reason.code == "Client.UserInitiatedShutdown"
    assert machine._reason.startswith("User initiated (")


def test_a_stopped_machine_starts_again_at_its_private_address(lab, machine):
    before = machine.private_ip
    lab.backend.stop_instances([machine.id])
    lab.settle()
    lab.backend.start_instances([machine.id])
    assert machine.state == "pending"
    lab.settle()
    assert (machine.state, machine.private_ip, lab.fake.on[machine.id]) == ("running", before, True)
    assert machine.state_reason.code == ""


def test_a_start_that_docker_refuses_ends_stopped_with_a_reason(lab, machine):
    lab.backend.stop_instances([machine.id])
    lab.settle()
    lab.fake.broken = True
    lab.backend.start_instances([machine.id])
    with pytest.raises(OSError, match="Docker refuses"):
        lab.settle()
    assert (machine.state, machine.state_reason.code) == ("stopped", "Server.InternalError")


def test_orders_that_ask_for_what_is_do_nothing(lab, machine):
    lab.backend.start_instances([machine.id])
    assert (machine.state, lab.waiting) == ("running", [])


@pytest.mark.parametrize("order", ["start_instances", "stop_instances", "reboot_instances"])
def test_a_terminated_instance_takes_no_order(lab, machine, order):
    lab.backend.terminate_instances([machine.id])
    assert machine.state == "shutting-down"
    lab.settle()
    assert (machine.state, lab.fake.on) == ("terminated", {})
    assert refusal(getattr(lab.backend, order), [machine.id]) == "IncorrectInstanceState"


def test_termination_protection_holds(lab):
    instance = launch(lab, disable_api_termination=True)
    lab.settle()
    assert refusal(lab.backend.terminate_instances, [instance.id]) == "OperationNotPermitted"


def test_one_refused_instance_stops_the_whole_order(lab, machine):
    other = launch(lab)
    lab.settle()
    lab.backend.stop_instances([other.id])
    assert refusal(lab.backend.start_instances, [machine.id, other.id]) == "IncorrectInstanceState"
    lab.settle()
    assert other.state == "stopped"


def test_a_power_off_inside_stops_the_instance(lab, machine):
    lab.fake.on[machine.id] = False
    lab.backend.on_exit(Exit(machine.id, POWERED_OFF))
    lab.settle()
    assert (machine.state, machine.state_reason.code) == ("stopped", "Client.InstanceInitiatedShutdown")
    assert machine._reason == ""


def test_a_power_off_inside_terminates_where_the_instance_says_so(lab):
    instance = launch(lab, instance_initiated_shutdown_behavior="terminate")
    lab.settle()
    lab.fake.on[instance.id] = False
    lab.backend.on_exit(Exit(instance.id, POWERED_OFF))
    lab.settle()
    assert (instance.state, instance.state_reason.code) == ("terminated", "Client.InstanceInitiatedShutdown")
    assert lab.fake.on == {}


def test_a_reboot_inside_brings_it_up_again(lab, machine):
    lab.fake.on[machine.id] = False
    lab.backend.on_exit(Exit(machine.id, REBOOTED))
    lab.settle()
    assert (machine.state, lab.fake.on[machine.id]) == ("running", True)


def test_the_exit_of_an_ordered_stop_or_of_an_earlier_boot_changes_nothing(lab, machine):
    lab.backend.on_exit(Exit(machine.id, POWERED_OFF))  # late: it runs again
    lab.settle()
    assert machine.state == "running"
    lab.backend.stop_instances([machine.id])
    lab.settle()
    lab.backend.on_exit(Exit(machine.id, POWERED_OFF))
    lab.settle()
    assert machine.state_reason.code == "Client.UserInitiatedShutdown"


def test_an_injected_slow_stop_says_stopping_while_the_machine_is_down(lab, machine):
    lab.faults.put(parse({"action": "stopping", "delay_s": 7}))
    seen = []
    lab.stopping.wait = lambda seconds: seen.append((seconds, machine.state, lab.fake.on[machine.id]))
    lab.backend.stop_instances([machine.id])
    lab.settle()
    assert seen == [(7, "stopping", False)]
    assert machine.state == "stopped"


def test_type_and_user_data_change_only_while_stopped(lab, machine):
    modify = lab.backend.modify_instance_attribute
    assert refusal(modify, machine.id, "instance_type", "g5.xlarge") == "IncorrectInstanceState"
    assert refusal(modify, machine.id, "user_data", "x") == "IncorrectInstanceState"
    lab.backend.stop_instances([machine.id])
    lab.settle()
    assert refusal(modify, machine.id, "instance_type", "g9.x") == "InvalidInstanceAttributeValue"
    modify(machine.id, "instance_type", "g5.xlarge")
    assert machine.instance_type == "g5.xlarge"


def test_an_elastic_ip_is_the_machine_s_and_outlives_a_stop(lab, machine):
    eip = lab.backend.allocate_address("vpc")
    lab.backend.associate_address(instance=machine, allocation_id=eip.allocation_id)
    lab.settle()
    assert lab.fake.public[machine.id] == [eip.public_ip]
    lab.backend.stop_instances([machine.id])
    lab.settle()
    assert machine.public_ip == eip.public_ip
    lab.backend.start_instances([machine.id])
    lab.settle()
    assert lab.fake.public[machine.id] == [machine.public_ip] == [eip.public_ip]
    lab.backend.disassociate_address(association_id=eip.association_id)
    lab.settle()
    assert eip.public_ip not in lab.fake.public[machine.id]


def test_a_terminated_instance_gives_its_elastic_ip_back(lab, machine):
    eip = lab.backend.allocate_address("vpc")
    lab.backend.associate_address(instance=machine, allocation_id=eip.allocation_id)
    lab.backend.terminate_instances([machine.id])
    lab.settle()
    assert (eip.instance_id, eip.association_id) == ("", None)


def test_an_automatic_public_address_is_lost_by_a_stop(lab, machine):
    assert lab.backend.public_addresses() == {machine.public_ip} != {None}
    lab.backend.stop_instances([machine.id])
    lab.settle()
    assert machine.public_ip is None


def test_machines_are_in_one_region_only(lab):
    elsewhere = ec2.MachineBackend("eu-central-1", ACCOUNT)
    assert refusal(lambda: elsewhere.run_instances("ami-1", 1, None, [], nics=[], tags={})) == "Unsupported"


def test_machines_are_in_the_default_vpc_only(lab):
    vpc = lab.backend.create_vpc("172.30.0.0/16")
    subnet = lab.backend.create_subnet(vpc.id, "172.30.0.0/20", availability_zone="us-east-1a")
    assert not IPv4Network(subnet.cidr_block).overlaps(SITE.network)
    assert refusal(lambda: launch(lab, subnet_id=subnet.id)) == "Unsupported"
    assert [i.state for i in lab.backend.all_instances()] == ["terminated"]
    assert (lab.waiting, lab.fake.on) == ([], {})


# ---------------------------------------------------------------- disks
def volume(lab):
    return lab.backend.create_volume(10, "us-east-1a").id


def test_a_machine_sees_a_volume_while_it_is_attached(lab, machine):
    assert lab.fake.volumes == {}, "its root disk is none of them"
    disk = volume(lab)
    lab.backend.attach_volume(disk, machine.id, "/dev/sdf")
    lab.settle()
    assert lab.fake.volumes == {machine.id: [disk]}
    with pytest.raises(EC2ClientError, match="already attached"):
        lab.backend.attach_volume(disk, machine.id, "/dev/sdg")
    lab.backend.detach_volume(disk, machine.id, "/dev/sdf")
    lab.settle()
    assert lab.fake.volumes == {machine.id: []}


def test_a_volume_is_seen_again_after_each_boot(lab, machine):
    disk = volume(lab)
    lab.backend.attach_volume(disk, machine.id, "/dev/sdf")
    lab.settle()
    for again in (lambda: lab.backend.reboot_instances([machine.id]), lambda: restarted(lab, machine)):
        lab.fake.volumes.clear()
        again()
        lab.settle()
        assert lab.fake.volumes == {machine.id: [disk]}


def restarted(lab, machine):
    lab.backend.stop_instances([machine.id])
    lab.settle()
    lab.backend.start_instances([machine.id])


def test_a_volume_outlives_its_machine(lab, machine):
    disk = volume(lab)
    lab.backend.attach_volume(disk, machine.id, "/dev/sdf")
    lab.settle()
    lab.backend.terminate_instances([machine.id])
    lab.settle()
    other = launch(lab)
    lab.settle()
    lab.backend.attach_volume(disk, other.id, "/dev/sdf")
    lab.settle()
    assert lab.fake.volumes[other.id] == [disk]
