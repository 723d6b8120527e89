"""What the gateway costs beside other gateways, in one run and before the same engine: `python -m bench.gateway`.

`rivals.py` has them and how each is started, `programs.py` brings their programs into the cache, `ours.py` is our own
gateway with callers that wait for a host, `figures.py` makes ratios of what was measured. `gauge/` is the engine and
the callers, in Go. A rival more: a function in `rivals.py` and its line in `ALL`.
"""
