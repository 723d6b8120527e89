"""What runs by itself: the reaper (Lambda), the agent (host), the relay (gateway). Shipped by path, never imported by deploy time."""
