"""What a pass of the reaper takes and costs, over a simulated fleet. `python -m bench.reaper [--json] [--hosts N]`

The real sweep, store, power and botocore run; AWS is `bench/fleet.py`, in this process. A pass's Lambda time is
reckoned from the CPU time that it took here: a function of 256 MB has 256/1769 of a vCPU (AWS's own figure), taken to
be as fast as a core of this machine, and each call waits `NETWORK_S` for its answer (assumed, not measured). The
cold start is measured: importing the archive's modules in a clean interpreter and making the two clients of a pass.
The month's cost follows from the calls and the reads of the pass, by `core.money.reaper_month`. The last row is the
large fleet after three years, each host with 36,500 events, while one host in a hundred changes in every pass: it is to
cost what the fresh fleet costs, also in its first, cold pass.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import boto3

from bench.fleet import CONTROL, REGION, TABLE, Fleet
from components.aws import archive
from components.aws.control import MEMORY_MIB
from core.money import reaper_month
from core.policy import Action
from runtime import aws
from runtime.backends.leases import dynamodb
from runtime.backends.notifications.sns import SnsNotifications
from runtime.backends.power.fleet import Ec2Fleet
from runtime.reaper.sweep import Sweep

VCPU_MIB: Final = 1769  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
NETWORK_S: Final = 0.02  # a call's wait, assumed: within a region DynamoDB takes some 5 ms, EC2 some 100
THREE_YEARS: Final = 36_500  # events
SIZES: Final = (1, 100, 10_000)
WARM_PASSES: Final = 20
COLD_STARTS: Final = 5
COLD: Final = """
import sys, time
began = time.perf_counter()
sys.path[:0] = [sys.argv[1], sys.argv[2]]
from runtime.reaper import lambda_handler
imported = time.perf_counter()
lambda_handler._warm()
from runtime.aws import client
from runtime.backends.leases import dynamodb
dynamodb._client("us-east-1"); client("ec2", "us-east-1")
print((imported - began) * 1e3, (time.perf_counter() - began) * 1e3)
"""


@dataclass(frozen=True)
class Pass:
    """One pass in which nothing changed; `cpu_s` is this machine's. First passes also read histories for budgets."""

    hosts: int
    cpu_s: float
    calls: int
    first_calls: int
    read_units: float

    @property
    def lambda_s(self) -> float:
        """Reckoned seconds of a Lambda of MEMORY_MIB."""
        return self.cpu_s * VCPU_MIB / MEMORY_MIB + self.calls * NETWORK_S

    @property
    def month_usd(self) -> float:
        """The reaper's own month: a pass a minute of this kind."""
        reads = round(self.read_units)
        return float(reaper_month(REGION, seconds_a_pass=self.lambda_s, mib=MEMORY_MIB, reads=reads, writes=0))


def measure(hosts: int, history: int = 0) -> Pass:
    """A first pass over so many hosts, then warm ones; the least CPU time of those (neighbours add)."""
    fleet = Fleet(hosts, history)
    aws.forget()
    fleet.join(aws.client("ec2", REGION), "ec2")
    table = fleet.join(dynamodb._client(REGION), "dynamodb")
    store = dynamodb.DynamoLeaseStore(TABLE, REGION, client=table)
    sweep = Sweep(store, Ec2Fleet(REGION, CONTROL), SnsNotifications(REGION), control=CONTROL)
    _one(sweep, fleet)
    gc.freeze()  # as the handler does after its first pass
    first = fleet.calls.total()
    while _one(sweep, fleet) and fleet.calls["Query"] > len(fleet.pages) + fleet.changed:
        pass  # a budget's history is read once, some hundreds a pass
    times = [_one(sweep, fleet) for _ in range(WARM_PASSES if hosts == 1 else 5)]
    return Pass(hosts, min(times), fleet.calls.total(), first, fleet.read_units)


def _one(sweep: Sweep, fleet: Fleet) -> float:
    """CPU seconds of one pass, without the fleet's own; a pass that did something or broke is no measurement."""
    fleet.forget()
    began = time.process_time()
    report = sweep.run()
    took = time.process_time() - began - fleet.own_s
    acted = [o for o in report.outcomes.values() if o.action != Action.KEEP]
    if acted or report.broken:
        raise SystemExit(f"the fleet was to stay as it is: {acted[:1]} {list(report.broken.items())[:1]}")
    return took


def cold_start_ms() -> tuple[float, float]:
    """Medians in a clean interpreter: importing the handler, and that with all that a first pass needs to ask."""
    with tempfile.TemporaryDirectory(prefix="pilotlight-archive-") as folder:
        for name, source in archive.files().items():
            (Path(folder) / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, Path(folder) / name)
        packages = str(Path(boto3.__file__).parents[1])
        environment = {**CREDENTIALS, "TABLE": TABLE, "DEPLOYMENT_ID": CONTROL, "AWS_REGION": REGION}
        command = [sys.executable, "-S", "-P", "-c", COLD, folder, packages]
        runs = [
            subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd="/")
            for _ in range(COLD_STARTS + 1)
        ][1:]  # the first writes bytecode, which Lambda's image has
    pairs = [tuple(map(float, run.stdout.split())) for run in runs]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": REGION}


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was measured; `--json` one flat object last."""
    parser = argparse.ArgumentParser(prog="python -m bench.reaper", description="What a pass of the reaper takes.")
    parser.add_argument("--json", action="store_true", help="print one flat JSON object last")
    parser.add_argument("--hosts", type=int, default=SIZES[-1], help="the large fleet (default: %(default)s)")
    arguments = parser.parse_args(argv)
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        del os.environ[name]
    os.environ |= CREDENTIALS
    logging.getLogger("pilotlight").setLevel(logging.ERROR)
    one, some, many = (measure(n) for n in (*SIZES[:2], arguments.hosts))
    old = measure(arguments.hosts, THREE_YEARS)
    cold = cold_start_ms()
    _show(one, some, many, old, cold)
    if arguments.json:
        print(json.dumps(_flat(one, some, many, old, cold[1])))
    return 0


def _show(one: Pass, some: Pass, many: Pass, old: Pass, cold: tuple[float, float]) -> None:
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"Lambda time: CPU here × {VCPU_MIB}/{MEMORY_MIB} + {NETWORK_S * 1e3:.0f} ms a call (assumed)")
    for p, words in ((one, ""), (some, ""), (many, ""), (old, " with three years of history")):
        print(
            f"{p.hosts:>6} hosts{words}: {p.cpu_s:.3f} s CPU, {p.calls} calls ({p.first_calls} in the first pass), "
            f"{p.read_units:.0f} read units, {p.lambda_s:.2f} s of Lambda, {p.month_usd:.2f} USD a month"
        )
    print(f"{many.hosts} hosts take {many.cpu_s / one.cpu_s:.0f} times the CPU of one")
    print(f"three years of history take {old.lambda_s / many.lambda_s:.2f} times the Lambda time of a fresh fleet")
    print(f"cold start: handler {cold[0]:.0f} ms, with boto3 and both clients {cold[1]:.0f} ms (a whole core)")


def _flat(one: Pass, some: Pass, many: Pass, old: Pass, cold_ms: float) -> dict[str, float]:
    return {
        "fleet_10k_s": round(many.lambda_s, 2),
        "fleet_10k_calls": many.calls,
        "fleet_10k_3y_s": round(old.lambda_s, 2),
        "fleet_10k_3y_calls": old.calls,
        "one_host_ms": round(one.lambda_s * 1e3, 1),
        "cold_start_ms": round(cold_ms),
        "monthly_usd_1": round(one.month_usd, 2),
        "monthly_usd_100": round(some.month_usd, 2),
        "monthly_usd_10000": round(many.month_usd, 2),
    }


if __name__ == "__main__":
    sys.exit(main())
