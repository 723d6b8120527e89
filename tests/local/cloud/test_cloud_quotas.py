"""The account's quotas, as preview asks for them."""

import pytest
from moto.servicequotas.exceptions import NoSuchResource

from core.capacity import quotas
from local.cloud.quotas import GrantedQuotas
from local.cloud.site import ACCOUNT, REGION


@pytest.mark.parametrize("instance_type", ["g6.xlarge", "g5.48xlarge", "p5.48xlarge", "t4g.small", "inf2.xlarge"])
def test_every_quota_that_preview_asks_for_is_granted(instance_type):
    wanted = quotas.quota(instance_type)
    found = GrantedQuotas(REGION, ACCOUNT).get_service_quota("ec2", wanted.code)
    assert (found["QuotaName"], found["Value"]) == (wanted.name, 192.0)


def test_others_are_moto_s_own():
    backend = GrantedQuotas(REGION, ACCOUNT)
    assert backend.get_service_quota("vpc", "L-F678F1CE")["QuotaName"] == "VPCs per Region"
    with pytest.raises(NoSuchResource):
        backend.get_service_quota("ec2", "L-none")
