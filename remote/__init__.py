"""What happens on machines over SSH: `fab deploy` and its sisters.

One round trip gathers a machine's facts (`facts.py`, `scripts/gather.py`), a pure plan compares them with the wanted
items (`items/`, `wanted.py`, `plan.py`), and applying does only the difference (`apply.py`). `tasks.py` has the verbs.
To install one more thing on a machine: an item in `wanted.py`; a new kind of item: a file in `items/`.
"""
