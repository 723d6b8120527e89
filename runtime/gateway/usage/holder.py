"""The tokens of one key's (or one of its users') day: reserved before a request, settled after it, atomically in Redis.

A day is one hash: `used`, and a field for each request in flight: `<until, ms> <tokens held> <tokens used so far>`. A
relay renews what it holds; what nobody renews any more (its relay was killed) counts as what it had used when it was
renewed last, and the field stays as `0 0 <that>`, so that a late settlement charges the difference alone.

A script runs alone in Redis: of any number of requests at the same time none is let in beyond the limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from runtime.gateway.redis import Redis

PREFIX: Final = "tokens:"
HELD_S: Final = 60.0  # a reservation that is not renewed ends after this
RENEW_S: Final = 15.0

_TOTAL: Final = """
local function total(day, now)
  local used, held = 0, 0
  local all = redis.call('HGETALL', day)
  for i = 1, #all, 2 do
    local name, value = all[i], all[i + 1]
    if name == 'used' then
      used = used + tonumber(value)
    else
      local till, size, spent = string.match(value, '^(%d+) (%d+) (%d+)$')
      till, size, spent = tonumber(till), tonumber(size), tonumber(spent)
      if till > now then
        held = held + size
      elseif till > 0 then
        redis.call('HINCRBY', day, 'used', spent)
        redis.call('HSET', day, name, '0 0 ' .. spent)
        used = used + spent
      end
    end
  end
  return used, held
end
"""
# KEYS: day. ARGV: now, id, until, limit, prompt, answer, the least answer that is worth it.
# → {granted answer or -1, used before, held before}
_RESERVE: Final = (
    _TOTAL
    + """
local used, held = total(KEYS[1], tonumber(ARGV[1]))
local prompt, answer, least = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local left = tonumber(ARGV[4]) - used - held - prompt
if left < least then return {-1, used, held} end
if left < answer then answer = left end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3] .. ' ' .. string.format('%d', prompt + answer) .. ' 0')
return {answer, used, held}
"""
)
# KEYS: day. ARGV: id, until, used so far
_RENEW: Final = """
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then return 0 end
local till, size = string.match(value, '^(%d+) (%d+) ')
if till == '0' then return 0 end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. size .. ' ' .. ARGV[3])
"""
# KEYS: day. ARGV: id, tokens
_SETTLE: Final = """
local value = redis.call('HGET', KEYS[1], ARGV[1])
local charged = 0
if value then
  local till, spent = string.match(value, '^(%d+) %d+ (%d+)$')
  if till == '0' then charged = tonumber(spent) end
  redis.call('HDEL', KEYS[1], ARGV[1])
end
return redis.call('HINCRBY', KEYS[1], 'used', tonumber(ARGV[2]) - charged)
"""


@dataclass(frozen=True)
class Owner:
    """Whose tokens: a key's, or of one person behind it."""

    key: str
    user: str = ""


@dataclass(frozen=True)
class Day:
    """The day's tokens of one owner. `used` and `held` are those of before the reservation that was asked for.

    `granted`: tokens for the answers, None: refused.
    """

    used: int
    held: int
    granted: int | None


class Holder:
    """Reservations of all owners."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def reserve(
        self, owner: Owner, ident: str, *, now: float, limit: int, prompt: int, answer: int, least: int
    ) -> Day:
        """Hold `prompt` tokens and `answer`, or what is left for the answers where that is `least` or more.

        `now` is seconds since 1970. RedisDown: nothing was counted.
        """
        until = _ms(now + HELD_S)
        arguments = (_ms(now), ident, until, limit, prompt, answer, least)
        granted, used, held = await self._run(_RESERVE, owner, now, *arguments)
        return Day(used, held, None if granted < 0 else granted)

    async def renew(self, owner: Owner, ident: str, *, since: float, now: float, used: int) -> None:
        """It is still in flight, and has used so much. `since`: when it was reserved."""
        await self._run(_RENEW, owner, since, ident, _ms(now + HELD_S), used)

    async def settle(self, owner: Owner, ident: str, *, since: float, tokens: int) -> None:
        """It is over, and took so many; one that was never reserved is counted as well."""
        await self._run(_SETTLE, owner, since, ident, tokens)

    async def used(self, owner: Owner, now: float) -> int:
        """Of today, without what is in flight."""
        found = await self._redis.call(lambda client: client.hget(name(owner, now), "used"))
        return int(found or 0)

    async def _run(self, script: str, owner: Owner, at: float, *arguments: Any) -> Any:
        day = name(owner, at)
        return await self._redis.call(lambda client: client.eval(script, 1, day, *arguments))


def name(owner: Owner, at: float) -> str:
    """The day's hash. A key's name has no colon; whatever a user is called stands last."""
    return f"{PREFIX}{date(at)}:{owner.key}:{owner.user}"


def date(at: float) -> str:
    """The UTC day, 2026-11-25."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def resets_at(now: float) -> float:
    """The next midnight, UTC."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day + timedelta(days=1)).timestamp()


def _ms(at: float) -> int:
    return round(at * 1000)
