"""The HTTP side: what callers of the API send, wait for and are answered. It knows a unit only as a `Target`."""
