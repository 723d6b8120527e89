"""What stands between caller and engine in turn, and how each is started: one process each, all before one engine."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.gateway import programs
from bench.gateway.ours import Gateway
from bench.gateway.processes import cpu_s, resident_mib
from local.setup.site import Say, Site
from tests.e2e.gateway.front import KEY, RELAYS, free_ports, until, wait_port

HERE: Final = Path(__file__).parent
PATH: Final = "/v1/chat/completions"
NGINX: Final = """daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/nginx-access.log;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-other;
  uwsgi_temp_path {folder}/nginx-other;
  scgi_temp_path {folder}/nginx-other;
  client_body_buffer_size 128k;
  upstream engine {{ server 127.0.0.1:{engine}; keepalive 256; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://engine;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
LITELLM_START_S: Final = 240.0  # 20 s where nothing else runs


@dataclass(frozen=True)
class Rival:
    """One that runs. `pids`: of its processes and those that start others, none where callers ask the engine itself."""

    name: str
    words: str
    url: str
    pids: Sequence[int] = ()

    def resident_mib(self) -> float:
        """Of all its processes together, MiB."""
        return resident_mib(self.pids)

    def cpu_s(self) -> float:
        """What its processes have used so far."""
        return cpu_s(self.pids)


@dataclass(frozen=True)
class Ground:
    """What a rival is started with: `gateway` is ours, which runs already, with the engine of all."""

    site: Site
    say: Say
    folder: Path
    gateway: Gateway
    stack: contextlib.ExitStack

    @property
    def engine(self) -> int:
        """The engine's port."""
        return self.gateway.ports["engine"]

    def start(self, name: str, command: Sequence[str], **environment: str) -> int:
        """Run it until the stack ends; its output goes into a file. Returns its process id."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | environment, cwd=self.folder)
        self.stack.callback(_end, process)
        return process.pid


def direct(ground: Ground) -> Rival:
    """Nothing between."""
    return Rival("direct", "no gateway", _url(ground.engine))


def ours(ground: Ground) -> Rival:
    """This checkout's HAProxy with a key and routing by model, and both relays beside it; the host is awake."""
    pids = [ground.gateway.processes[name].pid for name in ("haproxy", *RELAYS)]
    return Rival("ours", "pilotlight: HAProxy, and two relays beside it", ground.gateway.url(), pids)


def nginx(ground: Ground) -> Rival:
    """A plain reverse proxy: no keys, no routing by model."""
    program, (port,) = programs.nginx(ground.site, ground.say), free_ports(1)
    file = ground.folder / "nginx.conf"
    file.write_text(NGINX.format(folder=ground.folder, engine=ground.engine, port=port))
    pid = ground.start("nginx", [str(program), "-c", str(file), "-p", str(ground.folder)])
    wait_port(port)
    return Rival("nginx", "nginx, plain", _url(port), [pid])


def aiohttp(ground: Ground) -> Rival:
    """A plain proxy in Python, server and client by aiohttp."""
    return _python(ground, "aiohttp", sys.executable, "aiohttp, plain")


def starlette(ground: Ground) -> Rival:
    """A plain proxy in Python as SkyServe and dstack have one."""
    python = programs.litellm(ground.site, ground.say) / "python"
    return _python(ground, "starlette", str(python), "Starlette and httpx, plain")


def _python(ground: Ground, name: str, python: str, words: str) -> Rival:
    (port,) = free_ports(1)
    script = HERE / f"{name}_proxy.py"
    pid = ground.start(name, [python, str(script), str(port), f"http://127.0.0.1:{ground.engine}"])
    wait_port(port)
    return Rival(name, words, _url(port), [pid])


def litellm(ground: Ground) -> Rival:
    """LiteLLM's proxy with one worker and a master key, without a database."""
    folder, (port,) = programs.litellm(ground.site, ground.say), free_ports(1)
    to = {"model": "openai/tiny", "api_base": f"http://127.0.0.1:{ground.engine}/v1", "api_key": "none"}
    settings = {
        "model_list": [{"model_name": "chat", "litellm_params": to}],
        "general_settings": {"master_key": KEY},
        "litellm_settings": {"telemetry": False, "num_retries": 0},
    }
    file = ground.folder / "litellm.yaml"
    file.write_text(json.dumps(settings))  # YAML reads JSON
    command = [str(folder / "python"), str(folder / "litellm"), "--config", str(file), "--host", "127.0.0.1"]
    # one worker, the table of prices that came with it, no words about each request
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LITELLM_MODE": "PRODUCTION"}
    pid = ground.start("litellm", [*command, "--port", str(port), "--num_workers", "1"], **quiet)
    until(lambda: _listens(port), f"LiteLLM starts ({ground.folder / 'litellm.log'})", limit_s=LITELLM_START_S)
    return Rival("litellm", f"LiteLLM {programs.LITELLM}, one worker", _url(port), [pid])


ALL: Final[Mapping[str, Callable[[Ground], Rival]]] = {
    each.__name__: each for each in (direct, ours, nginx, aiohttp, starlette, litellm)
}


def _url(port: int) -> str:
    return f"http://127.0.0.1:{port}{PATH}"


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
