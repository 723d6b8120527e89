"""Machines as seen over SSH: the transport, the facts, who they are, and the lease that one of them may write."""
