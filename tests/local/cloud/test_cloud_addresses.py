from ipaddress import IPv4Network

import pytest

from core.errors import CloudError
from local.cloud import addresses
from local.cloud.addresses import CANDIDATES, PublicAddresses

ROUTES = """Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010200C0	0003	0	0	0	00000000	0	0	0
docker0	000011AC	00000000	0001	0	0	0	0000FFFF	0	0	0
br-1	00004D0A	00000000	0001	0	0	0	0000FFFF	0	0	0
"""


def test_routes_are_read_without_the_default_route():
    assert addresses.routed(ROUTES) == [IPv4Network("172.17.0.0/16"), IPv4Network("10.77.0.0/16")]


def test_the_first_candidate_that_nobody_routes_is_taken():
    assert next(addresses.free_subnets(addresses.routed(ROUTES))) == IPv4Network("10.78.0.0/16")


def test_a_wider_route_takes_its_candidates_away():
    taken = [IPv4Network("10.64.0.0/11")]  # 10.64 … 10.95, say a VPN
    assert next(addresses.free_subnets(taken)) == IPv4Network("10.96.0.0/16")


def test_no_free_network_says_what_to_do():
    with pytest.raises(CloudError, match=r"fab cloud\.down"):
        next(addresses.free_subnets([IPv4Network("10.0.0.0/8")]))


def test_public_block_is_apart_from_the_default_subnets():
    subnet = CANDIDATES[0]
    block = addresses.public_block(subnet)
    assert block == IPv4Network("10.77.240.0/20")
    assert not any(block.overlaps(zone) for zone in list(subnet.subnets(new_prefix=20))[:6])
    assert addresses.gateway(subnet) == "10.77.0.1"


def test_a_public_address_in_use_is_never_handed_out_and_one_given_back_comes_last():
    used: set[str] = set()
    pool = PublicAddresses(IPv4Network("10.77.240.0/29"), lambda: used)
    taken = []
    for _ in range(6):
        taken.append(pool.take())
        used.add(taken[-1])
    assert len(set(taken)) == 6
    with pytest.raises(CloudError, match="All 6 public addresses"):
        pool.take()
    used.remove(taken[3])
    assert pool.take() == taken[3]


@pytest.mark.parametrize(("address", "inside"), [("10.77.3.4", True), ("172.31.0.4", False), (None, False)])
def test_only_addresses_of_the_network_can_be_machines(address, inside):
    assert addresses.is_inside(address, CANDIDATES[0]) is inside
