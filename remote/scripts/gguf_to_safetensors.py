"""Runs on the host, in the engine's environment: SOURCE DEST. Turns the one GGUF file below SOURCE into a model folder.

vLLM reads no GGUF. The weights are dequantized to float32 and saved as safetensors beside tokenizer and configuration.
"""

import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig


def find(source: Path) -> Path:
    """The GGUF file; the program ends with a message unless there is exactly one."""
    found = sorted(source.rglob("*.gguf"))
    if len(found) != 1:
        names = ", ".join(str(f.relative_to(source)) for f in found) or "none"
        raise SystemExit(f"A package with exactly one GGUF file was expected; found: {names}.")
    return found[0]


def convert(source: Path, dest: Path) -> None:
    """Write config, tokenizer and model.safetensors into `dest`."""
    file = find(source)
    folder, name = str(file.parent), file.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    quantization = GgufConfig(gguf_file=name, dequantize=True)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=name, dtype=torch.float32, quantization_config=quantization
    )
    # what is saved is no longer quantized: left in place, vLLM would look for a loader that it does not have
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.is_quantized = False
    model.hf_quantizer = None
    model.save_pretrained(dest)
    tokenizer.save_pretrained(dest)


if __name__ == "__main__":
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
