"""The machine images that `describe_images` finds. Must be written before moto is imported: it reads them at import.

They carry the names that the AWS look-up for Ubuntu 24.04 asks for, so that a stack needs no special case; the
description says what they really are. To offer another image, add a name to `_NAMES`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Final

from core.versions import UBUNTU

CANONICAL: Final = "099720109477"
_NAMES: Final = {
    "x86_64": f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-{UBUNTU}-amd64-server-20260801",
    "arm64": f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-{UBUNTU}-arm64-server-20260801",
}


def images(image: str) -> list[dict[str, object]]:
    """moto's AMI records for one container image; ids depend on the image and the architecture only."""
    return [_ami(image, architecture, name) for architecture, name in _NAMES.items()]


def to_json(image: str) -> str:
    """The file that MOTO_AMIS_PATH names."""
    return json.dumps(images(image), indent=1)


def _ami(image: str, architecture: str, name: str) -> dict[str, object]:
    return {
        "ami_id": "ami-0" + hashlib.sha256(f"{image} {architecture}".encode()).hexdigest()[:16],
        "name": name,
        "description": f"pilotlight's embedded cloud: the container image {image}, Debian with systemd, not Ubuntu; "
        f"runs on this computer's own processor, whatever `{architecture}` says",
        "owner_id": CANONICAL,
        "architecture": architecture,
        "creation_date": "2026-08-01T00:00:00.000Z",
        "hypervisor": "xen",
        "image_location": f"amazon/{name}",
        "image_type": "machine",
        "public": True,
        "root_device_name": "/dev/sda1",
        "root_device_type": "ebs",
        "sriov": "simple",
        "state": "available",
        "virtualization_type": "hvm",
    }
