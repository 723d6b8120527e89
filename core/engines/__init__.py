"""What is known of engines (vLLM's processes) without asking one: where a model comes from, when one is dead. Pure."""
