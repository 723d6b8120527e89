"""Which vLLM flags a stack file may set by `engines.NAME.flags`, and why some are not for it to set.

Source of the removed ones: `vllm serve --help` of 0.26.0 (GPU) and 0.32.0 (CPU); they end the server with exit code 2.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

_OWN: Final = "is set by pilotlight"
_GONE: Final = "was removed from vLLM; the server would not start"

REFUSED: Final = MappingProxyType(
    {
        "model": f"{_OWN}: use engines.NAME.model",
        "max-model-len": f"{_OWN}: use engines.NAME.maxModelLen",
        "dtype": f"{_OWN}: use engines.NAME.dtype",
        "quantization": f"{_OWN}: use engines.NAME.quantization",
        "served-model-name": f"{_OWN}, from engines and services",
        "host": _OWN,
        "port": _OWN,
        "uds": f"{_OWN}: the gateway reaches engines by port",
        "config": _OWN,
        "api-key": "would put a secret into a file; the gateway checks keys",
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
