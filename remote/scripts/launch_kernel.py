"""Runs on the host in the engine's own environment: launches a kernel on every GPU and checks what it computed. Prints
one JSON object. `nvidia-smi` only talks to the driver; this needs the driver, CUDA and torch to fit together.
"""

import importlib.metadata
import json
from typing import Any

SIZE = 256  # of the matrices: small whole numbers, so that the product is exact in every precision


def version(package: str) -> str:
    """Of an installed package; "" where there is none."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def multiplied(torch: Any, number: int) -> str:
    """ "" where a GPU multiplied two matrices rightly, else what it said."""
    try:
        left = torch.arange(SIZE * SIZE, device=f"cuda:{number}", dtype=torch.float32).remainder(7).view(SIZE, SIZE)
        right = left.flip(0)
        product = (left @ right).cpu()
        wanted = left.cpu() @ right.cpu()
    except RuntimeError as error:  # torch's kinds of it: out of memory, no kernel for this card, a lost GPU
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "" if bool((product == wanted).all()) else "it computed a wrong product"


def main() -> None:
    """Print versions, and each GPU by its name with what was wrong."""
    found: dict[str, Any] = {"vllm": version("vllm"), "torch": version("torch"), "cuda": "", "gpus": [], "error": ""}
    try:
        import torch  # type: ignore[import-not-found, unused-ignore]

        found["cuda"] = torch.version.cuda or ""
        for number in range(torch.cuda.device_count()):
            wrong = multiplied(torch, number)
            found["gpus"].append({"name": torch.cuda.get_device_name(number), "wrong": wrong})
        if not found["gpus"]:
            torch.zeros(1, device="cuda")  # it says why there is none
    except (ImportError, RuntimeError, AssertionError) as error:
        found["error"] = (str(error).strip().splitlines() or [type(error).__name__])[0]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
