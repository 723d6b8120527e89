"""A running embedded cloud in your hands: what tests, benches and the demo use.

cloud = client.up("pilotlight-test")
cloud.client("ec2").describe_instances()
cloud.fault("ec2:StartInstances", error="InsufficientInstanceCapacity")
cloud.pulumi(["up", "-s", "demo", "--yes"])
"""

from __future__ import annotations

import json
import os
import subprocess
import urllib.error
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import boto3
from botocore.config import Config

from core.errors import CloudError
from local import folders, project, trust
from local.cloud import lifecycle
from local.cloud.credentials import Credentials
from local.cloud.site import REGION


@dataclass(frozen=True)
class Cloud:
    """cloud.json, and what one does with it."""

    name: str
    endpoint: str
    metadata: str
    subnet: str
    boot_id: str
    project: str
    environment: Mapping[str, str]
    credentials: Mapping[str, str]
    ssh_key: str
    cache: str

    @classmethod
    def load(cls, name: str | None = None) -> Self:
        """The cloud of this name that is up now; CloudError where it is not."""
        wanted = name or folders.cloud_name()
        found = lifecycle.running(wanted)
        if found is None:
            raise CloudError(f"The embedded cloud `{wanted}` is not up. Run `fab cloud.up`.")
        os.environ.update(trust.around_proxies(os.environ, *_addresses(found)))
        return cls(**found)

    @property
    def state(self) -> Path:
        """Its state folder."""
        return folders.state(self.name)

    def client(self, service: str, **config: Any) -> Any:
        """A boto3 client, without retries and with short time-outs unless `config` says otherwise."""
        settings = {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 60, **config}
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=self.credentials["key"],
            aws_secret_access_key=self.credentials["secret"],
            config=Config(**settings),
        )

    def fault(self, action: str, **options: Any) -> None:
        """Put a fault on the board; `local/cloud/faults.py` has the options."""
        self._control("POST", "fault", {"action": action, **options})

    def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
        self._control("DELETE", "fault")

    def status(self) -> dict[str, Any]:
        """Machines, functions, schedules, provider, faults."""
        found: dict[str, Any] = self._control("GET", "status")
        return found

    def calls(self, *, reset: bool = False) -> dict[str, Any]:
        """{"total": {"ec2:StartInstances": n}, "by_source": {address: {…}}}; `reset` counts from zero afterwards."""
        found: dict[str, Any] = self._control("GET", "calls")
        if reset:
            self._control("DELETE", "calls")
        return found

    def env(self) -> dict[str, str]:
        """This process's environment with everything AWS of it replaced by the cloud's."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_"))}
        return {**own, **self.environment}

    def render_stack(
        self,
        stack: str,
        template: str = "demo",
        overrides: Mapping[str, Any] | None = None,
        edits: Mapping[str, Any] | None = None,
    ) -> Path:
        """The rendered stack file for this cloud; see `local/project.py`."""
        return project.render_stack(self.state, stack, template, overrides or {}, edits or {})

    def pulumi(
        self, args: Sequence[str], *, check: bool = True, capture: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run `pulumi` in the rendered project. CloudError with its output where it fails and `check` is set."""
        if "PULUMI_BACKEND_URL" not in self.environment:
            raise CloudError(f"This cloud was brought up without Pulumi: {self.status()['provider']['note']}")
        done = subprocess.run(
            ["pulumi", *args],
            cwd=self.project,
            env=self.env(),
            text=True,
            check=False,
            stdin=subprocess.DEVNULL if capture else None,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.STDOUT if capture else None,
        )
        if check and done.returncode != 0:
            raise CloudError(f"`pulumi {' '.join(args)}` ended with {done.returncode}.\n{done.stdout or ''}")
        return done

    def _control(self, method: str, what: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        own = Credentials.from_json(json.dumps(dict(self.credentials)))
        try:
            return lifecycle.control(self.endpoint, own, method, what, body=data)
        except urllib.error.HTTPError as error:
            raise CloudError(f"{method} {what}: {json.load(error)['error']}") from error
        except OSError as error:
            raise CloudError(
                f"The embedded cloud `{self.name}` does not answer ({error}). Run `fab cloud.up`."
            ) from error


def up(name: str | None = None, say: Any = print) -> Cloud:
    """Bring a cloud up (or find it up) and render its project."""
    wanted = name or folders.cloud_name()
    found = lifecycle.up(wanted, say)
    os.environ.update(trust.around_proxies(os.environ, *_addresses(found)))
    cloud = Cloud(**found)
    project.render_project(cloud.state)
    return cloud


def _addresses(found: Mapping[str, Any]) -> tuple[str, str]:
    """What this process's clients reach without a proxy: the API's address and the machines' network."""
    return str(urllib.parse.urlsplit(found["endpoint"]).hostname), str(found["subnet"])


def down(name: str | None = None) -> lifecycle.Removed:
    """Take a cloud away."""
    return lifecycle.down(name or folders.cloud_name())
