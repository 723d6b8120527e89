"""What is known of engines (vLLM's processes) without asking one: where a model comes from, what it
needs of a GPU (`sizing/`), what it is told, when one is dead. Pure.
"""
