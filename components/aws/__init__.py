"""AWS: one component a file; `deployment.py` puts them together for a stack."""
