"""`python3 -m runtime.certificates check|issue|load`: a line when it is done, a message and exit code 1 when not."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from core.contract.documents import CertificateConfig
from core.contract.paths import CERTIFICATE, CERTIFICATE_CONFIG
from core.errors import CertificateError, PilotlightError
from runtime.certificates import issue
from runtime.certificates.front_door import FrontDoor


def main() -> int:
    """What was done is said on standard output, what went wrong on standard error."""
    parser = argparse.ArgumentParser("runtime.certificates", description="The gateway's certificate.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    check = verbs.add_parser("check", help="does the domain point here?")
    check.add_argument("domain")
    check.add_argument("address", help="the gateway's, IPv4")
    verbs.add_parser("issue", help="ask for a certificate, or renew it where that is due")
    verbs.add_parser("load", help="take the certificate on standard input")
    given = parser.parse_args()
    try:
        sys.stdout.write(f"{_said(given)}\n")
    except PilotlightError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _said(given: argparse.Namespace) -> str:
    if given.verb == "check":
        issue.require_here(given.domain, given.address)
        return f"{given.domain} points to {given.address}"
    if given.verb == "load":
        return issue.place(sys.stdin.read(), Path(CERTIFICATE), FrontDoor())
    return issue.issue(_config())


def _config() -> CertificateConfig:
    try:
        text = Path(CERTIFICATE_CONFIG).read_text(encoding="utf-8")
    except OSError as error:
        raise CertificateError(f"{CERTIFICATE_CONFIG} cannot be read: {error}. Run `fab deploy`.") from error
    return CertificateConfig.from_json(text)


if __name__ == "__main__":
    sys.exit(main())
