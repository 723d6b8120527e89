"""moto's EC2 with real machines behind it.

`MachineBackend` overrides what moves a machine or gives it an address; everything else is moto's. An order is checked
against the state table (`states.py`), put into its passing state (`pending`, `stopping`, `shutting-down`), and carried
out by a worker; the final state is entered when the container has followed. A machine that goes down by itself is told
by Docker (`on_exit`).
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ClassVar, cast

from moto.core.utils import utcnow
from moto.ec2 import urls
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends, elastic_network_interfaces
from moto.ec2.models.instance_types import INSTANCE_TYPES
from moto.ec2.models.instances import Instance, InstanceState, Reservation

from local.cloud import addresses, states
from local.cloud.addresses import PublicAddresses
from local.cloud.faults import STOPPING, Call, FaultBoard
from local.cloud.machines import REBOOTED, Exit, Machines
from local.cloud.site import ACCOUNT, REGION, Site

log = logging.getLogger(__name__)

Orders = list[tuple[Instance, InstanceState]]


class Plant:
    """What the backend works with: machines, workers, one lock a machine, addresses, faults."""

    def __init__(self, site: Site, machines: Machines, faults: FaultBoard) -> None:
        self.site = site
        self.machines = machines
        self.faults = faults
        self.public = PublicAddresses(addresses.public_block(site.network), lambda: backend().public_addresses())
        self.stopping = threading.Event()
        self._workers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="machine")
        self._locks: dict[str, threading.RLock] = defaultdict(threading.RLock)

    def work(self, instance: Instance, job: Callable[[Instance], None]) -> None:
        """Do this to the machine in the background, after whatever is being done to it now."""
        self._workers.submit(self._locked, instance, job).add_done_callback(_log_failure)

    def _locked(self, instance: Instance, job: Callable[[Instance], None]) -> None:
        with self._locks[instance.id]:
            job(instance)

    def close(self) -> None:
        """No more work; what is under way is not waited for."""
        self.stopping.set()
        self._workers.shutdown(wait=False, cancel_futures=True)


def _log_failure(done: Future[None]) -> None:
    if not done.cancelled() and (error := done.exception()):
        log.error("a machine did not follow its order", exc_info=error)


def backend() -> MachineBackend:
    """The backend of the region that has the machines."""
    found: Any = ec2_backends[ACCOUNT][REGION]
    return cast(MachineBackend, found)


def _holder(eip: Any) -> Instance | None:
    """The instance that has this Elastic IP."""
    found: Instance | None = eip.instance or (eip.eni.instance if eip.eni else None)
    return found


def _attached(instance: Instance) -> list[str]:
    """Ids of the volumes beside the root disk."""
    mapped = instance.get_block_device_mapping
    return [disk.volume_id for path, disk in mapped if path != instance.root_device_name]


def install(plant: Plant) -> None:
    """Put MachineBackend where moto makes EC2 backends. To be called before the first request."""
    MachineBackend.plant = plant
    ec2_backends.backend = MachineBackend
    vars(elastic_network_interfaces)["random_public_ip"] = plant.public.take


class MachineBackend(EC2Backend):
    """EC2 whose instances are containers (in REGION; elsewhere machines are refused)."""

    plant: ClassVar[Plant]

    @property
    def _url_module(self) -> Any:
        return urls

    # ------------------------------------------------------------ the network
    def create_vpc(self, cidr_block: str, *args: Any, **kwargs: Any) -> Any:
        """The default VPC is the docker network."""
        if kwargs.get("is_default") and self.region_name == REGION:
            cidr_block = self.plant.site.subnet
        return super().create_vpc(cidr_block, *args, **kwargs)

    def create_default_vpc(self) -> Any:
        """With an internet gateway and the way to it, as AWS makes the default VPC; moto makes neither."""
        vpc = super().create_default_vpc()
        gateway = self.create_internet_gateway()
        self.attach_internet_gateway(gateway.id, vpc.id)
        filters = {"vpc-id": [vpc.id], "association.main": ["true"]}
        main = self.describe_route_tables(filters=filters)[0]
        self.create_route(main.id, "0.0.0.0/0", gateway_id=gateway.id)
        return vpc

    def allocate_address(self, domain: str, address: str | None = None, tags: Any = None) -> Any:
        """Elastic IPs come from the public block."""
        return super().allocate_address(domain, address or self.plant.public.take(), tags)

    def associate_address(self, *args: Any, **kwargs: Any) -> Any:
        """As on AWS, and the machine answers on the address."""
        eip = super().associate_address(*args, **kwargs)
        self._readdress(_holder(eip))
        return eip

    def disassociate_address(self, address: str | None = None, association_id: str | None = None) -> None:
        """As on AWS, and the machine no longer answers on the address."""
        found = self.address_by_ip([address]) if address else self.address_by_association([association_id or ""])
        instance = _holder(found[0])
        super().disassociate_address(address, association_id)
        self._readdress(instance)

    def public_addresses(self) -> set[str]:
        """Every public address in use."""
        elastic = {eip.public_ip for eip in self.addresses}
        return elastic | {i.public_ip for i in self.all_instances() if i.public_ip}

    def _readdress(self, instance: Instance | None) -> None:
        if instance is not None and instance.state in {"pending", "running"}:
            self.plant.work(instance, self._address)

    def _address(self, instance: Instance) -> None:
        if self.plant.machines.is_on(instance.id):
            wanted = [instance.public_ip] if instance.public_ip else []
            self.plant.machines.set_public_addresses(instance.id, wanted)

    # ------------------------------------------------------------ disks
    def attach_volume(
        self, volume_id: str, instance_id: str, device_path: str, delete_on_termination: bool = False
    ) -> Any:
        """As on AWS; a machine that runs sees the disk."""
        volume = self.get_volume(volume_id)
        if volume.attachment:
            raise EC2ClientError("VolumeInUse", f"{volume_id} is already attached to an instance")
        done = super().attach_volume(volume_id, instance_id, device_path, delete_on_termination)
        self._redisk(self.get_instance(instance_id), device_path)
        return done

    def detach_volume(self, volume_id: str, instance_id: str, device_path: str) -> Any:
        """As on AWS; a machine that runs no longer sees the disk, but keeps what it has mounted."""
        done = super().detach_volume(volume_id, instance_id, device_path)
        self._redisk(self.get_instance(instance_id), device_path)
        return done

    def _redisk(self, instance: Instance, device: str) -> None:
        if instance.state == "running" and device != instance.root_device_name:
            self.plant.work(instance, self._disks)

    def _disks(self, instance: Instance) -> None:
        if self.plant.machines.is_on(instance.id):
            self.plant.machines.set_volumes(instance.id, _attached(instance))

    # ------------------------------------------------------------ orders
    def run_instances(self, *args: Any, **kwargs: Any) -> Reservation:
        """RunInstances: `pending` until the container runs."""
        if self.region_name != REGION:
            raise EC2ClientError("Unsupported", f"The embedded cloud has its machines in {REGION} only.")
        if not kwargs.get("subnet_id") and not kwargs.get("nics"):
            kwargs["subnet_id"] = self._default_subnet(kwargs.get("placement"))
        reservation = super().run_instances(*args, **kwargs)
        for instance in reservation.instances:
            if not addresses.is_inside(instance.private_ip, self.plant.site.network):
                self._end(instance, states.SERVER)
                raise EC2ClientError("Unsupported", f"Machines are in the default VPC only ({self.plant.site.subnet}).")
            states.enter(instance, "pending")
            self.plant.work(instance, self._create)
        return reservation

    def start_instances(self, instance_ids: list[str]) -> Orders:
        """StartInstances; IncorrectInstanceState unless stopped, pending or running."""
        return [(i, self._pass(i, does, "pending", self._boot)) for i, does in self._ordered(instance_ids, "start")]

    def stop_instances(self, instance_ids: list[str]) -> Orders:
        """StopInstances: `stopping` until the container is down."""
        return [(i, self._pass(i, does, "stopping", self._halt)) for i, does in self._ordered(instance_ids, "stop")]

    def terminate_instances(self, instance_ids: list[str]) -> Orders:
        """TerminateInstances: `shutting-down` until the container and its disk are gone."""
        ordered = self._ordered(instance_ids, "terminate")
        protected = [i.id for i, does in ordered if does and i.disable_api_termination]
        if protected:
            raise EC2ClientError(
                "OperationNotPermitted",
                f"The instance '{protected[0]}' may not be terminated. "
                "Modify its 'disableApiTermination' instance attribute and try again.",
            )
        return [(i, self._pass(i, does, "shutting-down", self._destroy)) for i, does in ordered]

    def reboot_instances(self, instance_ids: list[str]) -> list[Instance]:
        """RebootInstances: stays `running`."""
        ordered = self._ordered(instance_ids, "reboot")
        for instance, _ in ordered:
            self.plant.work(instance, self._reboot)
        return [instance for instance, _ in ordered]

    def modify_instance_attribute(self, instance_id: str, key: str, value: Any) -> Instance:
        """Type and user data of a stopped instance only, as on EC2; an unknown type is refused."""
        if key in {"instance_type", "user_data"}:
            states.require_stopped(self.get_instance(instance_id))
        if key == "instance_type" and value not in INSTANCE_TYPES:
            raise EC2ClientError("InvalidInstanceAttributeValue", f"The instance type '{value}' does not exist.")
        return super().modify_instance_attribute(instance_id, key, value)

    def _ordered(self, instance_ids: list[str], order: str) -> list[tuple[Instance, bool]]:
        """All are checked before any is moved."""
        return [(i, states.acts(i, order)) for i in self.get_multi_instances_by_id(instance_ids)]

    def _pass(self, instance: Instance, does: bool, state: str, job: Callable[[Instance], None]) -> InstanceState:
        before = instance._state
        if does:
            states.enter(instance, state, "" if state == "pending" else states.USER)
            self.plant.work(instance, job)
        return before

    # ------------------------------------------------------------ what workers do
    def _create(self, instance: Instance) -> None:
        machines = self.plant.machines
        try:
            machines.create(instance.id, private_ip=str(instance.private_ip), public_key=self._public_key(instance))
        except Exception:
            self._end(instance, states.SERVER)
            raise
        self._power_on(instance)

    def _boot(self, instance: Instance) -> None:
        for nic in instance.nics.values():
            nic.start()
        self._keep_elastic(instance)
        instance.launch_time = utcnow()
        self._power_on(instance)

    def _power_on(self, instance: Instance) -> None:
        try:
            self.plant.machines.start(instance.id)
            self._address(instance)
            if _attached(instance):
                self._disks(instance)
        except Exception:
            states.enter(instance, "stopped", states.SERVER)
            raise
        if instance.state == "pending":
            states.enter(instance, "running")

    def _halt(self, instance: Instance) -> None:
        self.plant.machines.stop(instance.id)
        self._enter_stopped(instance, states.USER)

    def _enter_stopped(self, instance: Instance, reason: str) -> None:
        self._linger(instance, reason)
        for nic in instance.nics.values():
            nic.stop()
        self._keep_elastic(instance)
        if instance.state != "shutting-down":
            states.enter(instance, "stopped", reason)

    def _keep_elastic(self, instance: Instance) -> None:
        """An Elastic IP outlives a stop; moto's interfaces drop it with the automatic address."""
        for eip in self.addresses:
            nic: Any = eip.eni
            if nic in instance.nics.values():
                nic.public_ip = eip.public_ip

    def _linger(self, instance: Instance, reason: str) -> None:
        """An injected slow `stopping`: the machine is down, EC2 does not say so yet."""
        types, zones = frozenset({instance.instance_type}), frozenset({str(instance.availability_zone)})
        fault = self.plant.faults.take(Call("machine", STOPPING, instance.id, types, zones))
        if fault:
            states.enter(instance, "stopping", reason)
            self.plant.stopping.wait(fault.delay_s)

    def _destroy(self, instance: Instance) -> None:
        self.plant.machines.remove(instance.id)
        self._end(instance, states.USER)

    def _end(self, instance: Instance, reason: str) -> None:
        for eip in [e for e in self.addresses if e.eni in instance.nics.values()]:
            super().disassociate_address(address=eip.public_ip)
        instance.terminate()
        states.enter(instance, "terminated", reason)

    def _reboot(self, instance: Instance) -> None:
        self.plant.machines.reboot(instance.id)
        self._address(instance)
        if _attached(instance):
            self._disks(instance)

    # ------------------------------------------------------------ what machines do by themselves
    def on_exit(self, seen: Exit) -> None:
        """A container went down: by our own order (then nothing), by a reboot inside, or by a power-off inside."""
        instance = self.get_instance_by_id(seen.instance_id)
        if instance is not None:
            self.plant.work(instance, lambda i: self._settle(i, seen.code))

    def _settle(self, instance: Instance, code: int) -> None:
        if instance.state != "running" or self.plant.machines.is_on(instance.id):
            return
        if code == REBOOTED:
            self._power_on(instance)
        elif instance.instance_initiated_shutdown_behavior == "terminate":
            states.enter(instance, "shutting-down", states.INSIDE)
            self.plant.machines.remove(instance.id)
            self._end(instance, states.INSIDE)
        else:
            self._enter_stopped(instance, states.INSIDE)

    # ------------------------------------------------------------ looking up
    def _default_subnet(self, zone: str | None) -> str:
        subnets = self.get_default_subnets()
        return str(subnets[zone or min(subnets)].id)

    def _public_key(self, instance: Instance) -> str:
        if not instance.key_name:
            return ""
        return str(self.describe_key_pairs([instance.key_name])[0].public_key)
