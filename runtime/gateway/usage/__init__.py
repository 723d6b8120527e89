"""Who used how much: token limits by key and user and day, and the ledger by key and user and hour.

    need.py     how many tokens a request may take at most, from its body alone
    holder.py   the tokens of a day: reserved before a request, settled after it, atomically in Redis
    meter.py    what an engine's answer says that it took, read while it passes
    ledger.py   requests and tokens by hour, for `fab keys.list` and the dashboard
    limits.py   the way through these for one request: what the HTTP side calls

In Redis nothing here expires by itself (docs/adr/0022-redis-on-the-gateway.md): `Ledger.forget` removes what is old.
"""
