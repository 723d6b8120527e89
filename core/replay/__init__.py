"""What other settings would have cost, and how long callers would have waited: a log's requests, replayed.

`simulate.replay` plays one rule over a `trace.Trace`; `advice` prices many of them, finds the Pareto front and
recommends; `optimum` is what somebody who knew the future would have paid; `logs` reads access logs; `loads` makes
traffic for those who have none. Pure, and vectorised with numpy: what is asked of `core.policy` is asked once a pause,
not once a minute. The rules themselves stand in `core/policy` alone; a test replays the reaper's own `decide` minute by
minute, and compares.

What is played: a host that is off at first; a request to a sleeping host starts it at once, and everybody who comes
until it is ready waits for it; the reaper looks once a minute, at the whole one; a stop is done at once; an awake host
takes any number of requests at once. Left out: capacity that is not there, failed starts, budgets, pins, maxLease.
"""
