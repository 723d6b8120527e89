"""Random weights in the exact shapes of Qwen2.5, so that a card without a way to Hugging Face does the same arithmetic.

Shapes are those of the models' own config.json (Qwen/Qwen2.5-0.5B-Instruct, Qwen/Qwen2.5-7B-Instruct-AWQ). The answers
are nonsense; times, memory and the KV cache are not. Make them in a process of their own: the CUDA memory that torch
keeps would be missing for the engines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LAYERS_A_FILE: Final = 7
GROUP: Final = 128  # AWQ's group size
WORDS: Final = 151_643  # ids below this are words; the rest are special


@dataclass(frozen=True)
class Shape:
    """One model's dimensions. `awq`: weights in 4 bits, packed eight to an int32 as AWQ's GEMM kernels read them."""

    hidden: int
    inner: int
    layers: int
    heads: int
    kv_heads: int
    vocabulary: int
    tied: bool
    awq: bool = False

    @property
    def kv_width(self) -> int:
        """Columns of K, and of V."""
        return self.hidden // self.heads * self.kv_heads

    @property
    def kv_bytes(self) -> int:
        """KV cache of one token in 16 bits, bytes."""
        return 2 * 2 * self.layers * self.kv_width


SHAPES: Final = {
    "0.5b": Shape(896, 4864, 24, 14, 2, 151_936, tied=True),
    "tiny": Shape(256, 512, 2, 8, 2, 151_936, tied=True),  # a rehearsal's: small enough for two cores
    "7b": Shape(3584, 18_944, 28, 28, 4, 152_064, tied=False),
    "7b-awq": Shape(3584, 18_944, 28, 28, 4, 152_064, tied=False, awq=True),
}


def make(name: str, folder: Path, device: str = "cuda") -> Path:
    """The model's folder, as Hugging Face lays it out; made once. KeyError for a name that is not in SHAPES."""
    shape, path = SHAPES[name], folder / f"model-{name}"
    if (path / "model.safetensors.index.json").exists():
        return path
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps(_config(shape)))
    _tokenizer(path)
    _save(path, shape, device)
    return path


def _config(shape: Shape) -> dict[str, Any]:
    found: dict[str, Any] = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": shape.hidden,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.kv_heads,
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": shape.tied,
        "max_position_embeddings": 32_768,
        "rope_theta": 1_000_000.0,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "use_sliding_window": False,
        "bos_token_id": WORDS,
        "eos_token_id": WORDS + 2,
        "torch_dtype": "float16",
    }
    if shape.awq:
        found["quantization_config"] = {
            "quant_method": "awq",
            "bits": 4,
            "group_size": GROUP,
            "zero_point": True,
            "version": "gemm",
            "modules_to_not_convert": None,
        }
    return found


def _tokenizer(path: Path) -> None:
    """A word for each id, and a chat template that joins what was said."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    made = Tokenizer(models.WordLevel({f"w{i}": i for i in range(WORDS + 3)}, unk_token="w0"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.save(str(path / "tokenizer.json"))
    about = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": f"w{WORDS + 2}",
        "pad_token": f"w{WORDS}",
        "unk_token": "w0",
        "model_max_length": 131_072,
        "chat_template": "{% for m in messages %}{{ m['content'] }} {% endfor %}",
    }
    (path / "tokenizer_config.json").write_text(json.dumps(about))


def _save(path: Path, shape: Shape, device: str) -> None:
    from safetensors.torch import save_file

    index: dict[str, str] = {}
    for number, tensors in enumerate(_files(shape, device)):
        name = f"model-{number:05d}.safetensors"
        save_file(tensors, str(path / name), metadata={"format": "pt"})
        index |= dict.fromkeys(tensors, name)
    (path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 0}, "weight_map": index}))


def _files(shape: Shape, device: str) -> Iterator[dict[str, Any]]:
    """What goes into each file of weights."""
    import torch

    def random(*size: int) -> Any:
        return (torch.randn(*size, device=device) * 0.02).to(torch.float16).cpu()

    def ones(size: int) -> Any:
        return torch.ones(size, dtype=torch.float16)

    linear = _awq(device) if shape.awq else _plain(random)
    outer = {
        "model.embed_tokens.weight": random(shape.vocabulary, shape.hidden),
        "model.norm.weight": ones(shape.hidden),
    }
    if not shape.tied:
        outer["lm_head.weight"] = random(shape.vocabulary, shape.hidden)
    yield outer
    layers: dict[str, Any] = {}
    for layer in range(shape.layers):
        at = f"model.layers.{layer}."
        for part, outputs, inputs, bias in _parts(shape):
            layers |= {f"{at}{part}.{name}": tensor for name, tensor in linear(inputs, outputs).items()}
            if bias:
                layers[f"{at}{part}.bias"] = random(outputs)
        layers |= {f"{at}{norm}_layernorm.weight": ones(shape.hidden) for norm in ("input", "post_attention")}
        if (layer + 1) % LAYERS_A_FILE == 0 or layer + 1 == shape.layers:
            yield layers
            layers = {}


def _parts(shape: Shape) -> tuple[tuple[str, int, int, bool], ...]:
    """(name, rows out, columns in, whether it has a bias) of a layer's matrices."""
    hidden, inner, kv = shape.hidden, shape.inner, shape.kv_width
    return (
        ("self_attn.q_proj", hidden, hidden, True),
        ("self_attn.k_proj", kv, hidden, True),
        ("self_attn.v_proj", kv, hidden, True),
        ("self_attn.o_proj", hidden, hidden, False),
        ("mlp.gate_proj", inner, hidden, False),
        ("mlp.up_proj", inner, hidden, False),
        ("mlp.down_proj", hidden, inner, False),
    )


Linear = Callable[[int, int], dict[str, Any]]


def _plain(random: Callable[..., Any]) -> Linear:
    return lambda inputs, outputs: {"weight": random(outputs, inputs)}


def _awq(device: str) -> Linear:
    """4-bit weights around a zero point of 7, with scales that keep activations near 1."""
    import torch

    def linear(inputs: int, outputs: int) -> dict[str, Any]:
        packed, groups = outputs // 8, inputs // GROUP
        words = torch.randint(-(2**31), 2**31 - 1, (inputs, packed), dtype=torch.int32, device=device)
        return {
            "qweight": words.cpu(),
            "qzeros": torch.full((groups, packed), 0x77777777, dtype=torch.int32),
            "scales": torch.full((groups, outputs), 0.004, dtype=torch.float16),
        }

    return linear


if __name__ == "__main__":
    import sys

    print(make(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:]))
