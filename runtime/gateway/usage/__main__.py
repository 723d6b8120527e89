"""`python -m runtime.gateway.usage`: what each key used since midnight UTC, as JSON, for `fab keys.list`.

Prints `{"tokens": {name: both together}}`, the people behind a key summed up. Exit code 1 and one line: Redis is down.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter

from core.contract.paths import REDIS_PASSWORD, REDIS_SOCKET
from runtime.gateway.redis import Redis, RedisDown
from runtime.gateway.usage.ledger import Ledger

DAY_S = 86400.0


async def today(redis: Redis, now: float) -> dict[str, int]:
    """Tokens by the key's name, in the day of `now`. RedisDown."""
    found: Counter[str] = Counter()
    try:
        for hour in await Ledger(redis).hours(now - now % DAY_S, now):
            found[hour.key] += hour.tokens
    finally:
        await redis.close()
    return dict(found)


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--redis", default=REDIS_SOCKET)
    parser.add_argument("--redis-password", default=REDIS_PASSWORD)
    options = parser.parse_args()
    logging.disable()  # why Redis is down is said once, below
    try:
        tokens = asyncio.run(today(Redis(options.redis, options.redis_password), time.time()))
    except RedisDown as error:
        sys.exit(str(error))
    sys.stdout.write(json.dumps({"tokens": tokens}) + "\n")


if __name__ == "__main__":
    main()
