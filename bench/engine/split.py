"""`vllm serve` as two processes that import at the same time, on two cores: the API server and the engine.

    python -m bench.engine.split --config FILE

vLLM imports its API server first, and only then starts the engine. Here the engine's own process reads the same file,
imports what it needs, loads the model, and looks for the API server when it is done. Uses names of vLLM 0.26.0.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

RPC_PORT: Final = 8138
ENGINE: Final = "engine"


def api(config: str) -> None:
    """The API server, in this process; the engine beside it ends with it."""
    engine = subprocess.Popen(
        [sys.executable, "-m", __spec__.name if __spec__ else "bench.engine.split", ENGINE, config]
    )
    where = ["--data-parallel-size-local", "0", "--data-parallel-address", "127.0.0.1"]
    sys.argv = [sys.argv[0], "--config", config, *where, "--data-parallel-rpc-port", str(RPC_PORT)]
    from bench.engine import lean

    try:
        lean.main()
    finally:
        engine.send_signal(signal.SIGTERM)
        engine.wait()


def engine(config: str) -> None:
    """The engine process. What the file says to the API server alone is left out."""
    gc.disable()
    import dataclasses

    import yaml
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine import core
    from vllm.v1.executor import Executor

    known = {field.name for field in dataclasses.fields(AsyncEngineArgs)}
    read = {key.replace("-", "_"): value for key, value in yaml.safe_load(Path(config).read_text()).items()}
    own = {key: value for key, value in read.items() if key in known}
    arguments = AsyncEngineArgs(
        **own, data_parallel_size_local=1, data_parallel_address="127.0.0.1", data_parallel_rpc_port=RPC_PORT
    )
    wanted = arguments.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER, headless=True)
    core.EngineCoreProc = _early(core.EngineCoreProc)
    core.EngineCoreProc.run_engine_core(
        vllm_config=wanted,
        local_client=False,
        handshake_address=f"tcp://127.0.0.1:{RPC_PORT}",
        executor_class=Executor.get_class(wanted),
        log_stats=True,
        tensor_queue=None,
    )


class _Later:
    """The API server's addresses: asked for when the model is loaded, and not before."""

    coordinator_input = coordinator_output = frontend_stats_publish_address = None

    def __init__(self, ask: Any) -> None:
        self._ask = ask
        self._found: Any = None

    def _addresses(self) -> Any:
        if self._found is None:
            self._found = self._ask()
        return self._found

    @property
    def inputs(self) -> list[str]:
        return list(self._addresses().inputs)

    @property
    def outputs(self) -> list[str]:
        return list(self._addresses().outputs)


def _early(base: type[Any]) -> type[Any]:
    class Early(base):  # type: ignore[misc]  # a class of vLLM's
        @contextmanager
        def _perform_handshakes(self, *arguments: Any, **options: Any) -> Iterator[Any]:
            with ExitStack() as stack:
                handshake = super()._perform_handshakes(*arguments, **options)
                yield _Later(lambda: stack.enter_context(handshake))
                gc.enable()

    return Early


if __name__ == "__main__":
    if sys.argv[1] == ENGINE:
        engine(sys.argv[2])
    else:
        os.environ.setdefault("VLLM_ENGINE_READY_TIMEOUT_S", "600")
        api(sys.argv[2])
