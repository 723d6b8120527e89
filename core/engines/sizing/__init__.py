"""Whether a model fits a GPU, how much context it leaves, and for how many at once. Pure.

`architecture.py` reads a model's config.json; `parameters.py` counts its weights, `kv_cache.py` what a token keeps,
`reserve.py` what an engine takes besides; `fit.py` puts them together for the GPUs of a host. `known.py` has the usual
models, for when no hub can be asked; `choice.py` goes through all instance types, `check.py` says what of a stack's
engines cannot work, `lock.py` keeps what was read of other models. How near it is to what vLLM finds: docs/sizing.md.
"""
