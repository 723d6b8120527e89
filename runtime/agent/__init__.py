"""The host's agent: proves readiness, reports demand, checks that it is idle before a stop, and turns its own machine
off.

`python -m runtime.agent` as root, one a host. `agent.py` is the loop and what each state of the lease asks for;
`engines.py` speaks to vLLM, `admission.py` refuses new connections, `idle_check.py` says whether anything is in flight,
`machine.py` knows this boot and how to end it. One thread: a slow table or engine delays, it never reorders.
"""
