"""The figures of `make demo`: the same run, measured by outside time stamps. `python -m bench.demo [--json]`."""

from __future__ import annotations

import sys

from local.demo.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["--down", *sys.argv[1:]]))
