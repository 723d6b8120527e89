"""An engine on a real card: how long it takes to start, how fast it serves, for our own flags and for others'.

Runs by itself in vLLM's environment (torch, safetensors, tokenizers, aiohttp, PyYAML): nothing else of the project's
packages is needed on the machine with the card.
"""
