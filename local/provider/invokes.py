"""Look-up functions, `aws.ec2.get_ami` and the like.

A new one is a function of `Aws` and its arguments, and a row in `INVOKES`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from core.errors import CloudError
from local.provider.aws import Aws
from local.provider.kind import tag_map

Args = Mapping[str, Any]


def _filters(args: Args) -> list[dict[str, Any]]:
    return [{"Name": f["name"], "Values": f["values"]} for f in args.get("filters") or ()]


def get_ami(aws: Aws, args: Args) -> dict[str, Any]:
    """The one image that fits, or the newest with `mostRecent`; none or several is an error, as on AWS."""
    owners = {"Owners": args["owners"]} if args.get("owners") else {}
    images = aws.client("ec2").describe_images(Filters=_filters(args), **owners)["Images"]
    if args.get("nameRegex"):
        images = [i for i in images if re.search(args["nameRegex"], i.get("Name", ""))]
    if not images or (len(images) > 1 and not args.get("mostRecent")):
        raise CloudError(f"{len(images)} images fit {dict(args)}; exactly one is needed. Widen or narrow the filters.")
    image = max(images, key=lambda i: i.get("CreationDate", ""))
    return {
        "id": image["ImageId"],
        "imageId": image["ImageId"],
        "name": image.get("Name", ""),
        "description": image.get("Description", ""),
        "architecture": image.get("Architecture", ""),
        "arn": f"arn:aws:ec2:{aws.region}::image/{image['ImageId']}",
        "creationDate": image.get("CreationDate", ""),
        "ownerId": image.get("OwnerId", ""),
        "rootDeviceName": image.get("RootDeviceName", ""),
        "rootDeviceType": image.get("RootDeviceType", ""),
        "state": image.get("State", ""),
        "virtualizationType": image.get("VirtualizationType", ""),
        "blockDeviceMappings": [_device(m) for m in image.get("BlockDeviceMappings") or ()],
        "tags": tag_map(image.get("Tags")),
        "productCodes": [],
    }


def _device(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """`ebs` is a map of texts whose keys the bridge leaves as Terraform spells them."""
    ebs = mapping.get("Ebs") or {}
    names = {"delete_on_termination": "DeleteOnTermination", "encrypted": "Encrypted", "iops": "Iops"}
    names |= {"snapshot_id": "SnapshotId", "throughput": "Throughput"}
    names |= {"volume_size": "VolumeSize", "volume_type": "VolumeType"}
    spelled = {name: str(ebs[theirs]) for name, theirs in names.items() if theirs in ebs}
    return {"deviceName": mapping.get("DeviceName", ""), "ebs": {"volume_size": "0", **spelled}}


def get_vpc(aws: Aws, args: Args) -> dict[str, Any]:
    """One VPC by id, by filters or the default one."""
    filters = _filters(args)
    if args.get("default") is not None:
        filters.append({"Name": "is-default", "Values": [str(args["default"]).lower()]})
    ids = {"VpcIds": [args["id"]]} if args.get("id") else {}
    found = aws.client("ec2").describe_vpcs(Filters=filters, **ids)["Vpcs"]
    if len(found) != 1:
        raise CloudError(
            f"{len(found)} VPCs fit {dict(args)}; exactly one is needed. Give `subnetId` in the stack file."
        )
    vpc = found[0]
    return {
        "id": vpc["VpcId"],
        "arn": aws.arn("ec2", f"vpc/{vpc['VpcId']}"),
        "cidrBlock": vpc["CidrBlock"],
        "default": vpc.get("IsDefault", False),
        "ownerId": aws.account,
        "state": vpc["State"],
        "tags": tag_map(vpc.get("Tags")),
    }


def get_subnets(aws: Aws, args: Args) -> dict[str, Any]:
    """Ids of the subnets that fit."""
    found = aws.client("ec2").describe_subnets(Filters=_filters(args))["Subnets"]
    return {"id": aws.region, "ids": [s["SubnetId"] for s in found]}


def get_subnet(aws: Aws, args: Args) -> dict[str, Any]:
    """One subnet by id or filters."""
    filters = _filters(args)
    names = {"vpcId": "vpc-id", "availabilityZone": "availability-zone", "cidrBlock": "cidr-block"}
    filters += [{"Name": name, "Values": [args[key]]} for key, name in names.items() if args.get(key)]
    if args.get("defaultForAz") is not None:
        filters.append({"Name": "default-for-az", "Values": [str(args["defaultForAz"]).lower()]})
    ids = {"SubnetIds": [args["id"]]} if args.get("id") else {}
    found = aws.client("ec2").describe_subnets(Filters=filters, **ids)["Subnets"]
    if len(found) != 1:
        raise CloudError(f"{len(found)} subnets fit {dict(args)}; exactly one is needed.")
    subnet = found[0]
    return {
        "id": subnet["SubnetId"],
        "arn": aws.arn("ec2", f"subnet/{subnet['SubnetId']}"),
        "availabilityZone": subnet["AvailabilityZone"],
        "availabilityZoneId": subnet.get("AvailabilityZoneId", ""),
        "availableIpAddressCount": subnet["AvailableIpAddressCount"],
        "cidrBlock": subnet["CidrBlock"],
        "defaultForAz": subnet.get("DefaultForAz", False),
        "mapPublicIpOnLaunch": subnet.get("MapPublicIpOnLaunch", False),
        "ownerId": aws.account,
        "state": subnet["State"],
        "tags": tag_map(subnet.get("Tags")),
        "vpcId": subnet["VpcId"],
    }


def get_route_tables(aws: Aws, args: Args) -> dict[str, Any]:
    """Ids of the route tables that fit."""
    filters = [*_filters(args), *([{"Name": "vpc-id", "Values": [args["vpcId"]]}] if args.get("vpcId") else [])]
    found = aws.client("ec2").describe_route_tables(Filters=filters)["RouteTables"]
    return {"id": aws.region, "ids": [t["RouteTableId"] for t in found]}


def get_route_table(aws: Aws, args: Args) -> dict[str, Any]:
    """One route table by its id."""
    table = aws.client("ec2").describe_route_tables(RouteTableIds=[args["routeTableId"]])["RouteTables"][0]
    return {
        "id": table["RouteTableId"],
        "arn": aws.arn("ec2", f"route-table/{table['RouteTableId']}"),
        "associations": [],
        "gatewayId": "",
        "ownerId": aws.account,
        "routes": [_route(route) for route in table["Routes"]],
        "subnetId": "",
        "tags": tag_map(table.get("Tags")),
        "vpcId": table["VpcId"],
    }


_ROUTE: Final = {
    "carrierGatewayId": "CarrierGatewayId",
    "cidrBlock": "DestinationCidrBlock",
    "coreNetworkArn": "CoreNetworkArn",
    "destinationPrefixListId": "DestinationPrefixListId",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "gatewayId": "GatewayId",
    "instanceId": "InstanceId",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "localGatewayId": "LocalGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "odbNetworkArn": "OdbNetworkArn",
    "transitGatewayId": "TransitGatewayId",
    "vpcEndpointId": "VpcEndpointId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def _route(route: Mapping[str, Any]) -> dict[str, str]:
    return {name: route.get(theirs, "") for name, theirs in _ROUTE.items()}


def get_service_quota(aws: Aws, args: Args) -> dict[str, Any]:
    """A quota of the account by its code. The embedded cloud's own are in `local/cloud/quotas.py`."""
    wanted = {"ServiceCode": args["serviceCode"], "QuotaCode": args["quotaCode"]}
    quota = aws.client("service-quotas").get_service_quota(**wanted)["Quota"]
    return {
        "id": quota["QuotaArn"],
        "adjustable": quota["Adjustable"],
        "arn": quota["QuotaArn"],
        "defaultValue": quota["Value"],
        "globalQuota": quota["GlobalQuota"],
        "quotaCode": quota["QuotaCode"],
        "quotaName": quota["QuotaName"],
        "serviceCode": quota["ServiceCode"],
        "serviceName": quota["ServiceName"],
        "usageMetrics": [],
        "value": quota["Value"],
    }


def get_key(aws: Aws, args: Args) -> dict[str, Any]:
    """A KMS key by its id or ARN."""
    key = aws.client("kms").describe_key(KeyId=args["keyId"])["KeyMetadata"]
    spec = key.get("KeySpec") or key.get("CustomerMasterKeySpec", "")
    return {
        "id": key["KeyId"],
        "arn": key["Arn"],
        "awsAccountId": key.get("AWSAccountId", aws.account),
        "customerMasterKeySpec": spec,
        "description": key.get("Description", ""),
        "enabled": key["Enabled"],
        "keyManager": key.get("KeyManager", ""),
        "keySpec": spec,
        "keyState": key["KeyState"],
        "keyUsage": key["KeyUsage"],
        "multiRegion": key.get("MultiRegion", False),
        "origin": key.get("Origin", ""),
    }


def get_instance_type_offerings(aws: Aws, args: Args) -> dict[str, Any]:
    """Which types are offered where."""
    pages = aws.client("ec2").get_paginator("describe_instance_type_offerings")
    kind = args.get("locationType", "region")
    found = [o for p in pages.paginate(LocationType=kind, Filters=_filters(args)) for o in p["InstanceTypeOfferings"]]
    return {
        "id": aws.region,
        "instanceTypes": [o["InstanceType"] for o in found],
        "locations": [o["Location"] for o in found],
        "locationTypes": [o["LocationType"] for o in found],
    }


def get_instance_type(aws: Aws, args: Args) -> dict[str, Any]:
    """Memory, cores, architectures and GPUs of a type."""
    seen = aws.client("ec2").describe_instance_types(InstanceTypes=[args["instanceType"]])["InstanceTypes"][0]
    gpus = [
        {
            "count": g["Count"],
            "manufacturer": g["Manufacturer"],
            "memorySize": g.get("MemoryInfo", {}).get("SizeInMiB", 0),
            "name": g["Name"],
        }
        for g in seen.get("GpuInfo", {}).get("Gpus", ())
    ]
    return {
        "id": args["instanceType"],
        "defaultVcpus": seen["VCpuInfo"]["DefaultVCpus"],
        "gpuses": gpus,
        "memorySize": seen["MemoryInfo"]["SizeInMiB"],
        "supportedArchitectures": seen["ProcessorInfo"]["SupportedArchitectures"],
    }


def get_availability_zones(aws: Aws, args: Args) -> dict[str, Any]:
    """The zones of the region."""
    found = aws.client("ec2").describe_availability_zones(Filters=_filters(args))["AvailabilityZones"]
    return {
        "id": aws.region,
        "names": [z["ZoneName"] for z in found],
        "zoneIds": [z["ZoneId"] for z in found],
        "groupNames": [aws.region],
    }


def get_caller_identity(aws: Aws, args: Args) -> dict[str, Any]:  # noqa: ARG001
    """Who we are: the embedded cloud's one account."""
    seen = aws.client("sts").get_caller_identity()
    return {"id": seen["Account"], "accountId": seen["Account"], "arn": seen["Arn"], "userId": seen["UserId"]}


def get_region(aws: Aws, args: Args) -> dict[str, Any]:  # noqa: ARG001
    """The provider's region."""
    names = {"id": aws.region, "name": aws.region, "region": aws.region, "description": aws.region}
    return {**names, "endpoint": f"ec2.{aws.region}.amazonaws.com"}


def get_partition(aws: Aws, args: Args) -> dict[str, Any]:  # noqa: ARG001
    """AWS's ordinary partition."""
    return {"id": "aws", "partition": "aws", "dnsSuffix": "amazonaws.com", "reverseDnsPrefix": "com.amazonaws"}


def get_parameter(aws: Aws, args: Args) -> dict[str, Any]:
    """A parameter of Systems Manager."""
    decrypt = args.get("withDecryption", True)
    seen = aws.client("ssm").get_parameter(Name=args["name"], WithDecryption=decrypt)["Parameter"]
    return {
        "id": seen["Name"],
        "arn": seen.get("ARN", ""),
        "type": seen["Type"],
        "value": seen["Value"],
        "insecureValue": seen["Value"] if seen["Type"] != "SecureString" else "",
        "version": seen["Version"],
        "withDecryption": decrypt,
    }


INVOKES: Final[dict[str, Callable[[Aws, Args], dict[str, Any]]]] = {
    "aws:ec2/getAmi:getAmi": get_ami,
    "aws:ec2/getInstanceType:getInstanceType": get_instance_type,
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": get_instance_type_offerings,
    "aws:ec2/getRouteTable:getRouteTable": get_route_table,
    "aws:ec2/getRouteTables:getRouteTables": get_route_tables,
    "aws:ec2/getSubnet:getSubnet": get_subnet,
    "aws:ec2/getSubnets:getSubnets": get_subnets,
    "aws:ec2/getVpc:getVpc": get_vpc,
    "aws:index/getAvailabilityZones:getAvailabilityZones": get_availability_zones,
    "aws:index/getCallerIdentity:getCallerIdentity": get_caller_identity,
    "aws:index/getPartition:getPartition": get_partition,
    "aws:index/getRegion:getRegion": get_region,
    "aws:kms/getKey:getKey": get_key,
    "aws:servicequotas/getServiceQuota:getServiceQuota": get_service_quota,
    "aws:ssm/getParameter:getParameter": get_parameter,
}
