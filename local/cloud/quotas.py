"""The account's EC2 quotas, as Service Quotas tells them: moto knows those of VPC only.

These are an account's that asked for more: AWS's own defaults for G and P instances are 0, with which no stack could be
shown. They are told and not enforced: RunInstances does not count vCPUs here.
"""

from __future__ import annotations

from typing import Any, Final

from moto.servicequotas import urls
from moto.servicequotas.models import ServiceQuotasBackend, servicequotas_backends

from core.capacity import quotas

VCPUS: Final = {"g6.xlarge": 192.0, "p5.48xlarge": 192.0, "inf2.xlarge": 192.0, "t4g.small": 192.0}  # by a type of each


def install() -> None:
    """Put GrantedQuotas where moto makes Service Quotas backends."""
    servicequotas_backends.backend = GrantedQuotas


class GrantedQuotas(ServiceQuotasBackend):
    """Service Quotas with EC2's."""

    @property
    def _url_module(self) -> Any:
        return urls

    def list_aws_default_service_quotas(self, service_code: str) -> list[dict[str, Any]]:
        """ListAWSDefaultServiceQuotas."""
        if service_code == quotas.SERVICE:
            return [self._quota(found, vcpus) for found, vcpus in self._granted()]
        theirs: list[dict[str, Any]] = super().list_aws_default_service_quotas(service_code)
        return theirs

    def get_service_quota(self, service_code: str, quota_code: str) -> dict[str, Any]:
        """GetServiceQuota."""
        if service_code == quotas.SERVICE:
            for found in self.list_aws_default_service_quotas(service_code):
                if found["QuotaCode"] == quota_code:
                    return found
        theirs: dict[str, Any] = super().get_service_quota(service_code, quota_code)
        return theirs

    def _granted(self) -> list[tuple[quotas.Quota, float]]:
        return [(found, vcpus) for name, vcpus in VCPUS.items() if (found := quotas.quota(name))]

    def _quota(self, found: quotas.Quota, vcpus: float) -> dict[str, Any]:
        return {
            "Adjustable": True,
            "GlobalQuota": False,
            "QuotaArn": f"arn:aws:servicequotas:{self.region_name}:{self.account_id}:{quotas.SERVICE}/{found.code}",
            "QuotaCode": found.code,
            "QuotaName": found.name,
            "ServiceCode": quotas.SERVICE,
            "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
            "Unit": "None",
            "Value": vcpus,
        }
