"""The relay: it wakes the host, queues callers meanwhile, and hands them on. Start it by `python -m runtime.gateway`.

`watch.py` reads the lease, `steps.py` decides, `wake.py` acts; `app.py` answers callers, who wait in `queue.py` and
leave by `forward.py`. What both sides know is in `view.py`.
"""
