"""What the machine that this process runs on is, by EC2's metadata service (IMDSv2).

One try with a short time-out: whoever asks can do without the answer. Where the service is and that a token is needed:
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-v2-how-it-works.html
"""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
from typing import Final

ENDPOINT_ENV: Final = "AWS_EC2_METADATA_SERVICE_ENDPOINT"  # as the AWS SDKs read it
ENDPOINT: Final = "http://169.254.169.254"
TIMEOUT_S: Final = 1.0
LONGEST: Final = 100  # bytes of an answer
log = logging.getLogger(__name__)


def instance_type() -> str:
    """The machine's own instance type; "" where the service does not say."""
    base = os.environ.get(ENDPOINT_ENV, ENDPOINT).rstrip("/")
    try:
        token = _ask(f"{base}/latest/api/token", "PUT", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
        return _ask(f"{base}/latest/meta-data/instance-type", "GET", {"X-aws-ec2-metadata-token": token})
    except (urllib.error.URLError, OSError, ValueError) as error:
        log.warning("the metadata service does not say which instance type this is: %s", error)
        return ""


def _ask(url: str, method: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # link-local: never by a proxy
    with opener.open(request, timeout=TIMEOUT_S) as answer:
        return str(answer.read(LONGEST).decode("ascii").strip())
