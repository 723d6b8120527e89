"""Paths, systemd units and names on machines, and images of containers."""

from __future__ import annotations

import re
from typing import Final

from core import versions
from core.contract.network import RELAY_PORTS

# ---------------------------------------------------------------- paths on machines
ETC: Final = "/etc/pilotlight"
AGENT_CONFIG: Final = f"{ETC}/agent.json"  # HostConfig
RELAY_CONFIG: Final = f"{ETC}/relay.json"  # RelayConfig
REAPER_CONFIG: Final = f"{ETC}/reaper.json"  # ReaperConfig, on a machine that runs the reaper itself
STACK_FILE: Final = f"{ETC}/stack"  # there too: the name of the one stack that this machine is
UNIT_SETTINGS: Final = f"{ETC}/unit.json"  # UnitSettings, there too: `fab deploy` writes what on AWS `pulumi up` does
LEASES_FILE: Final = "/var/lib/pilotlight/relay/leases.sqlite"  # there too; its folder is the relay's
CERTIFICATE_CONFIG: Final = f"{ETC}/certificate.json"  # CertificateConfig, where a certificate is asked for by ACME
CERTIFICATE: Final = f"{ETC}/tls/certificate.pem"  # chain and private key, as HAProxy reads them; root's alone
DATA_DIR: Final = "/var/lib/pilotlight/data"  # what outlives a gateway: a volume of its own, where it has one
KEYS_FILE: Final = f"{DATA_DIR}/keys.json"  # ApiKeys; remote/scripts/edit_keys.py changes it
KEYS_MAP: Final = f"{ETC}/keys.map"  # HAProxy's, of KEYS_FILE: <hash> <name>:<expires>:<rpm>:<quiet>:<counted>
SESSION_SECRET: Final = "/var/lib/pilotlight/relay/session.key"  # the relay makes it; the dashboard's sessions
# Our code, a folder a program (core/shipping.py): its working folder and PYTHONPATH
AGENT_APP: Final = "/opt/pilotlight/app/agent"
RELAY_APP: Final = "/opt/pilotlight/app/relay"
LEASE_CLIENT_APP: Final = "/opt/pilotlight/app/lease-client"  # runs in the relay's environment, RELAY_VENV
CERTIFICATES_APP: Final = "/opt/pilotlight/app/certificates"  # runs with the system's own python3
REAPER_APP: Final = "/opt/pilotlight/app/reaper"  # runs in the relay's environment, RELAY_VENV
AGENT_VENV: Final = "/opt/pilotlight/agent"
RELAY_VENV: Final = "/opt/pilotlight/relay"
ENGINE_VENV: Final = "/opt/pilotlight/engine"
CERTBOT_VENV: Final = "/opt/pilotlight/certbot"
CERTBOT_DATA: Final = "/var/lib/pilotlight/certbot"  # accounts, keys and certificates, a folder an authority
MODELS_DIR: Final = "/var/lib/pilotlight/models"
RUN_DIR: Final = "/run/pilotlight"  # tmpfs
TABLE_SEEN_FILE: Final = f"{RUN_DIR}/table-seen"  # the agent touches it whenever the table answered; the dead-man reads
BOOT_ID_FILE: Final = f"{RUN_DIR}/boot-id"  # drawn once a boot (containers share the kernel's own boot id)
SHUTDOWN_REPORT_FILE: Final = (
    "/var/lib/pilotlight/shutdown-report.json"  # survives a boot: which one, and whether it said them
)
ROUTES_MAP: Final = f"{ETC}/routes.map"  # on disk every route says "relay"
HAPROXY_SOCKET: Final = "/run/haproxy/admin.sock"
RELAY_RUN_DIR: Final = "/run/pilotlight-relay"  # tmpfs: what the relays tell each other
REDIS_SOCKET: Final = "/run/pilotlight-redis/redis.sock"  # no TCP port
REDIS_PASSWORD: Final = (
    f"{ETC}/redis-password.conf"  # one line "requirepass <hex>": Redis includes it, the relay reads it
)
REDIS_DATA: Final = f"{DATA_DIR}/redis"  # its append-only file
WEBUI_DATA: Final = f"{DATA_DIR}/webui"  # the chat page's accounts, conversations and files
ENGINE_UNIT: Final = "pilotlight-engine@{name}.service"
# A machine that stays on: all engines start and stop with this target, and who may not do so asks at the socket
ENGINES_TARGET: Final = "pilotlight-engines.target"
POWER_SOCKET_UNIT: Final = "pilotlight-power.socket"
POWER_UNIT: Final = "pilotlight-power@{name}.service"  # one an order
POWER_SOCKET: Final = "/run/pilotlight-power.sock"
REAPER_UNIT: Final = "pilotlight-reaper.service"
AGENT_UNIT: Final = "pilotlight-agent.service"
DEAD_MAN_UNIT: Final = "pilotlight-dead-man.service"
CERTIFICATE_UNIT: Final = "pilotlight-certificate.service"  # its timer has the same name
RELAY_UNIT: Final = "pilotlight-relay@{name}.service"
RELAY_UNITS: Final = tuple(RELAY_UNIT.format(name=name) for name in RELAY_PORTS)
REDIS_UNIT: Final = "pilotlight-redis.service"
DATA_UNIT: Final = "pilotlight-data.service"  # mounts the volume at DATA_DIR
ENGINE_USER: Final = "pilotlight-engine"
# Set in a machine's environment where package caches are shared with the computer (the embedded cloud does)
CACHE_ENV: Final = "PILOTLIGHT_CACHE"
WEBUI_CONTAINER: Final = "pilotlight-webui"
WEBUI_IMAGE: Final = f"ghcr.io/open-webui/open-webui:v{versions.OPEN_WEBUI}"
ARCHIVES: Final = "containers"  # below a machine's shared cache (CACHE_ENV): images as archives, for want of a registry
REGISTRY_ANSWERS: Final = (
    200,
    401,
)  # statuses of GET /v2/: it lets us in, or asks for a log-in (OCI distribution spec)


def volume_link(volume_id: str) -> str:
    """Where udev shows an EBS volume on a machine of the Nitro system: by its serial number, which is its id.

    https://docs.aws.amazon.com/ebs/latest/userguide/nvme-ebs-volumes.html
    """
    return f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume_id.replace('-', '')}"


def image_registry(image: str) -> str:
    """The registry that an image's name means: `ghcr.io` in ghcr.io/a/b:v1; Docker Hub's where it names none."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "registry-1.docker.io"


def image_archive(image: str) -> str:
    """File name of an image's archive (`docker save`) below ARCHIVES."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", image) + ".tar"
