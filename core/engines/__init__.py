"""What is known of engines (vLLM's server processes) without asking one: when one counts as dead. Pure."""
