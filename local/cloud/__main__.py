"""`python -m local.cloud STATE_FOLDER`: the daemon. People use `fab cloud.up`, which starts it."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from local.cloud.daemon import main

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    main(Path(sys.argv[1]))
