"""Starts vLLM's API server as `vllm serve` does, sooner: what does not need to come one after the other does not.

    python -m bench.engine.quick lean|preload|early --config FILE …

lean: no other subcommands of vLLM's, no garbage collection while modules are imported.
preload: besides, the process that becomes the engine imports its modules meanwhile, on another core.
early: besides, the engine starts before the API server's own modules are imported.

Uses names of vLLM 0.26.0's `vllm/entrypoints/openai/api_server.py`: `run_server`, `build_async_engine_client`.
"""

from __future__ import annotations

import gc
import sys
from argparse import Namespace
from collections.abc import AsyncIterator
from typing import Any

ENGINE_MODULES = (
    "bench.engine.no_gc",
    "vllm.v1.engine.async_llm",
    "vllm.v1.engine.core",
    "vllm.v1.worker.gpu_worker",
    "vllm.v1.worker.gpu_model_runner",
    "vllm.model_executor.models.qwen2",
)


def preload() -> None:
    """Start the process that engines are forked from; it imports while this one goes on."""
    import multiprocessing
    from multiprocessing import forkserver

    multiprocessing.set_forkserver_preload(list(ENGINE_MODULES))
    forkserver.ensure_running()


def arguments() -> Namespace:
    """As `vllm serve` reads them."""
    from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    found = make_arg_parser(FlexibleArgumentParser()).parse_args()
    validate_parsed_serve_args(found)
    return Namespace(**vars(found))


def serve(args: Namespace) -> None:
    """The API server, until it ends."""
    import uvloop
    from vllm.entrypoints.openai.api_server import run_server

    gc.enable()
    gc.freeze()
    uvloop.run(run_server(args))


def early(args: Namespace) -> None:
    """The engine is made in a thread, while the API server's modules are imported."""
    from concurrent.futures import ThreadPoolExecutor
    from contextlib import asynccontextmanager

    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    engine_args = AsyncEngineArgs.from_cli_args(args)
    config = engine_args.create_engine_config(usage_context=UsageContext.OPENAI_API_SERVER)
    made = ThreadPoolExecutor(1).submit(
        AsyncLLM.from_vllm_config,
        vllm_config=config,
        usage_context=UsageContext.OPENAI_API_SERVER,
        enable_log_requests=engine_args.enable_log_requests,
        aggregate_engine_logging=engine_args.aggregate_engine_logging,
        disable_log_stats=engine_args.disable_log_stats,
    )
    from vllm.entrypoints.openai import api_server

    @asynccontextmanager
    async def ready(*_: object, **__: object) -> AsyncIterator[Any]:
        engine = made.result()
        try:
            await engine.reset_mm_cache()
            yield engine
        finally:
            engine.shutdown(timeout=config.shutdown_timeout)

    api_server.build_async_engine_client = ready
    serve(args)


def main() -> None:
    """See above."""
    how = sys.argv.pop(1)
    gc.disable()
    if how != "lean":
        preload()
    if how == "early":
        early(arguments())
    else:
        import vllm.entrypoints.openai.api_server  # noqa: F401

        serve(arguments())


if __name__ == "__main__":
    main()
