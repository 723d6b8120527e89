"""Profiles of an engine on a GPU: what is traded for what, by flags of vLLM 0.26.0. Pure. Measured by `bench/engine/`.

`--enforce-eager`, which old guides advise, is in none of them: it saves little start-up time and decodes 4 to 8 times
slower.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Profile:
    """`why` is one sentence for people; `flags` are vLLM's. `few_captures`: CUDA graphs for powers of two only."""

    why: str
    flags: Mapping[str, Any] = field(default_factory=dict)
    few_captures: bool = False


DEFAULT: Final = "fast-start"
PROFILES: Final[Mapping[str, Profile]] = {
    "fast-start": Profile(
        why="ready soonest, and fastest for up to 64 requests at once; more wait their turn",
        # fewer shapes to capture as CUDA graphs: every batch is padded to one of `captures`
        flags={"max-num-seqs": 64},
        few_captures=True,
    ),
    "throughput": Profile(why="vLLM's own limits, for hundreds of requests at once; starts later"),
}


def captures(sequences: int) -> list[int]:
    """Batch sizes to capture as CUDA graphs, so that none of up to `sequences` runs without: 64 → 1, 2, 4, … 64."""
    below = [2**power for power in range(sequences.bit_length()) if 2**power < sequences]
    return [*below, sequences]
