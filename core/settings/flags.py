"""Which vLLM flags a stack file may set by `engines.NAME.flags`, and why some are not for it to set.

Source of the removed ones: `vllm serve --help` of 0.26.0 (GPU) and 0.32.0 (CPU); they end the server with exit code 2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

Flag = str | int | float | bool
_NAME: Final = re.compile(r"[a-z][a-z0-9.-]*")
# The last word of a flag, or of a key in its JSON, whose value nobody but its owner may read: api-key, hf-token, …
_SECRET: Final = frozenset({"apikey", "key", "passphrase", "passwd", "password", "secret", "token"})
_TOKEN: Final = re.compile(r"\bhf_[A-Za-z0-9]{20,}")  # Hugging Face's access tokens, wherever they stand
_GIVEN: Final = re.compile(rf"(?i)({'|'.join(sorted(_SECRET))})[\"']?\s*[:=]")
_A_SECRET: Final = "would put a secret into a file and into the engine's configuration"
_PUBLIC: Final = (
    f"{_A_SECRET}; gated and private models are not in this release: take a public one, or put the model's folder on "
    "the host and name its absolute path in engines.NAME.model"
)
_OWN: Final = "is set by pilotlight"
_GONE: Final = "was removed from vLLM; the server would not start"

REFUSED: Final = MappingProxyType(
    {
        "model": f"{_OWN}: use engines.NAME.model",
        "max-model-len": f"{_OWN}: use engines.NAME.maxModelLen",
        "dtype": f"{_OWN}: use engines.NAME.dtype",
        "quantization": f"{_OWN}: use engines.NAME.quantization",
        "tensor-parallel-size": f"{_OWN}: use engines.NAME.gpus",
        "served-model-name": f"{_OWN}, from engines and services",
        "host": _OWN,
        "port": _OWN,
        "uds": f"{_OWN}: the gateway reaches engines by port",
        "config": _OWN,
        "api-key": f"{_A_SECRET}; the gateway checks keys, and `fab deploy --new-key` makes them",
        "hf-token": _PUBLIC,
        "disable-log-stats": "removes the counters by which idleness is read",
        "rope-scaling": f"{_GONE}; use hf-overrides",
        "rope-theta": f"{_GONE}; use hf-overrides",
        "disable-log-requests": _GONE,
        "swap-space": _GONE,
        "use-v2-block-manager": _GONE,
        "num-scheduler-steps": _GONE,
        "device": f"{_GONE}; use engines.NAME.device",
        "guided-decoding-backend": f"{_GONE}; use structured-outputs-config.backend",
        "max-seq-len-to-capture": _GONE,
        "task": _GONE,
    }
)


def checked(flags: Mapping[str, Flag]) -> Mapping[str, Flag]:
    """The flags, read-only. ValueError names the first that a stack file may not set, and never a secret's value."""
    for flag, value in flags.items():
        name = bare(flag)
        if not _NAME.fullmatch(flag):
            raise ValueError(
                f"has {name}: write the flag as vLLM does, without dashes before it, e.g. max-num-seqs: 64"
            )
        if why := _refusal(name, value):
            raise ValueError(f"has {name}, which {why}")
    return MappingProxyType(dict(flags))


def _refusal(name: str, value: Flag) -> str:
    if name in REFUSED:
        return REFUSED[name]
    if isinstance(value, str) and _TOKEN.search(value):
        return f"holds a Hugging Face token: it {_PUBLIC}"
    return _A_SECRET if is_secret(name) else ""


def bare(flag: str) -> str:
    """A flag's name for a message: what follows `=` or a space would be its value."""
    return re.split(r"[=\s]", flag, maxsplit=1)[0]


def is_secret(key: str) -> bool:
    """Whether a key's value is a secret by the key's last word: `api-key`, `--hf_token`, `adminPassword`."""
    words = re.split(r"[^a-z0-9]+", re.sub(r"([a-z0-9])([A-Z])", r"\1-\2", bare(key)).lower())
    return words[-1] in _SECRET and "public" not in words


def holds_secret(value: Any) -> bool:
    """Whether a text has a token in it, or names a secret and gives it: `{"api-key": "…"`."""
    return isinstance(value, str) and (_TOKEN.search(value) or _GIVEN.search(value)) is not None
