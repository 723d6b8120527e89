"""Brings to this computer what the embedded cloud needs.

`python -m local.setup` runs it; `tools.py` says where things are; a new step goes into `steps.py`.
"""
