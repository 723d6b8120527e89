"""Runs on the host before an engine's unit is restarted or stopped: its port takes no new connections, and who is in it
is waited for. Standard library only, Python 3.10 and newer; root.

Arguments: the unit, the most seconds to wait, and the firewall's table. Ends with 0 when nothing is in flight: the port
then stays closed for HELD_S, so that the restart finds it so, and opens by itself whatever becomes of the deployment.
Ends with 1, the port open again, when requests are still in it after that time.
"""

import http.client
import re
import subprocess
import sys
import time
import urllib.request

HELD_S = 60
LOOK_S = 0.3
TOOL_S = 20
QUIET_LOOKS = 2  # one after the other: a connection of the agent's own, which ends at once, is no request
CARRYING = ("established", "syn-recv", "close-wait", "fin-wait-1", "closing", "last-ack")
GAUGES = re.compile(r"^vllm:num_requests_(?:running|waiting)(?:\{[^}]*\})?\s+(\S+)", re.MULTILINE)


def said(*command: str, stdin: str = "") -> str:
    """What a command prints. OSError where it fails."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=TOOL_S)
    except subprocess.TimeoutExpired as error:
        raise OSError(f"{command[0]} did not end within {TOOL_S} s") from error
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


def ports_of(pid: str, listing: str) -> list[str]:
    """The ports on which a process listens, by what `ss -Hltnp` printed."""
    lines = [line.split() for line in listing.splitlines() if f",pid={pid}," in line]
    return sorted({words[3].rsplit(":", 1)[1] for words in lines})


def in_engine(metrics: str) -> int:
    """Requests that run or wait, by vLLM's own page."""
    return int(sum(float(value) for value in GAUGES.findall(metrics)))


def closed(table: str, ports: list[str]) -> str:
    """The ruleset that refuses new connections to the ports, from outside and, but for root, from this machine."""
    syn = "tcp dport @held tcp flags & (syn | ack) == syn"
    elements = ", ".join(f"{port} timeout {HELD_S}s" for port in ports)
    return f"""table {table} {{}}
delete table {table}
table {table} {{
  set held {{ type inet_service; flags timeout; elements = {{ {elements} }} }}
  chain in {{ type filter hook input priority -10; iif != lo {syn} reject with tcp reset; }}
  chain out {{ type filter hook output priority -10; oif lo meta skuid != 0 {syn} reject with tcp reset; }}
}}
"""


def opened(table: str) -> str:
    """The ruleset that takes it away, whether it is there or not."""
    return f"table {table} {{}}\ndelete table {table}\n"


def busy(ports: list[str]) -> str:
    """What is in flight, in words; "" for nothing. An engine whose page cannot be read is judged by connections."""
    states = [word for state in CARRYING for word in ("state", state)]
    sports = " or ".join(f"sport = :{port}" for port in ports)
    count = sum(bool(line.strip()) for line in said("ss", "-Htn", *states, f"( {sports} )").splitlines())
    if count:
        return f"{count} connection{'' if count == 1 else 's'}"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    found = 0
    for port in ports:
        try:
            with direct.open(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                found += in_engine(answer.read().decode(errors="replace"))
        except (OSError, http.client.HTTPException):  # the second: it ended in the middle of its page
            continue
    return f"{found} request{'' if found == 1 else 's'}" if found else ""


def main(unit: str, limit: str, table: str) -> int:
    """Close, wait, and tell; the exit code."""
    pid = said("systemctl", "show", "-P", "MainPID", unit).strip()
    ports = [] if pid == "0" else ports_of(pid, said("ss", "-Hltnp"))
    if not ports:
        return 0  # it does not run, or does not listen yet
    end, quiet = time.monotonic() + float(limit), 0
    while quiet < QUIET_LOOKS:
        said("nft", "-f", "-", stdin=closed(table, ports))
        inside = busy(ports)
        quiet = 0 if inside else quiet + 1
        if inside and time.monotonic() >= end:
            said("nft", "-f", "-", stdin=opened(table))
            print(f"{inside} still in {unit} after {limit} s; nothing was restarted, and it takes new requests again")
            return 1
        time.sleep(LOOK_S)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*sys.argv[1:]))
    except OSError as error:
        sys.exit(f"nothing was restarted: {error}")
