"""The reaper: every minute it decides for each unit what should happen, and drives its lease there.

Two doors lead to one pass (`passes.py`): `lambda_handler.py` for AWS's schedule and for a relay that asks, and
`python -m runtime.reaper` for a timer of the machine's own. Two reapers at once are safe: whatever they do starts with
a conditional write that one of them loses. The decisions are `core/policy/`'s; `sweep.py` walks the units, `act.py`
does one decision, `tell.py` tells people. To add an action: `core/policy/carry_out.py` says how.
"""
