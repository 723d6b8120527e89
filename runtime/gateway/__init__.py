"""The relay: it wakes units, queues callers meanwhile, and hands them on. Start it by `python -m runtime.gateway`.

`api/` answers callers, and knows a unit only by the protocol in `target.py`. `unit/` is the kind that is driven by a
lease: `watch.py` reads it, `steps.py` decides, `wake.py` acts, who waits is counted in `queue.py`. What callers are
refused is in `errors.py`.
"""
