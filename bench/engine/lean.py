"""`vllm serve` with less on the way to a start: no other subcommands, no garbage collection on import.

    python -m bench.engine.lean --config FILE

Uses names of vLLM 0.26.0: `run_server` of its OpenAI API server, and the parser beside it.
"""

from __future__ import annotations

import gc


def main() -> None:
    """Serve until told to stop."""
    gc.disable()
    import uvloop
    from vllm.entrypoints.openai.api_server import run_server
    from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
    from vllm.entrypoints.serve.utils.api_utils import cli_env_setup
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    cli_env_setup()
    args = make_arg_parser(FlexibleArgumentParser()).parse_args()
    validate_parsed_serve_args(args)
    gc.enable()
    gc.freeze()
    uvloop.run(run_server(args))


if __name__ == "__main__":
    main()
