"""Intervals and time-outs that two programs must agree on, in seconds."""

from __future__ import annotations

from typing import Final

# ---------------------------------------------------------------- intervals, seconds
LEASE_READ_RUNNING_S: Final = 2.0  # relay while RUNNING; agent always
LEASE_READ_OTHERWISE_S: Final = 0.5  # relay in every other state
LEASE_READ_GAP_S: Final = 0.05  # and between any two reads of the relay, however many ask
DESCRIBE_S: Final = 1.0  # relay asks EC2 about the machine at most this often
CAPACITY_GRACE_S: Final = 90.0  # callers wait this long for the reaper's ladder after EC2 had no capacity
HEARTBEAT_S: Final = 10.0
SILENT_AFTER_S: Final = 180.0
DRAIN_TIMEOUT_S: Final = 180.0  # the reaper gives up on a drain
START_ATTEMPTS: Final = 3
STOP_BACKSTOP_AFTER_S: Final = 60.0  # STOPPING and still up: the reaper sends StopInstances
START_ORDER_LIFE_S: Final = 30.0  # a start order, with the retries of runtime/aws.py, cannot land later than this
STOP_ORDER_LIFE_S: Final = 10.0  # a stop order sent with a 5 s time-out and no retries cannot land later than this
ORDER_MARGIN_S: Final = 5.0
STOPPED_TWICE_S: Final = 30.0  # EC2 says `stopped` twice, this far apart, before an unexpected stop is believed
YOUNG_ORDER_S: Final = 90.0
NEW_ALERT_S: Final = 1800.0
INHIBITOR_S: Final = 900.0
WAKE_REQUEST_EXTRA_S: Final = 600.0  # wakeRequestTtl = queueTimeout + this
DRAIN_EXTRA_S: Final = 60.0  # a relay that is to end: for answers, after the longest wait in its queue
AGENT_TICK_S: Final = 0.1  # the agent's loop while a lease is STARTING or DRAINING
