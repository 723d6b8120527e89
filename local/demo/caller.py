"""The caller: the unmodified `openai` client, as any program would use it."""

from __future__ import annotations

import time
from dataclasses import dataclass

from openai import DefaultHttpxClient, OpenAI

QUESTION = "What is the capital of France? Answer in one sentence."


@dataclass(frozen=True)
class Answer:
    """What came back. Times are seconds since 1970 on this computer."""

    text: str
    asked_at: float
    first_token_at: float
    done_at: float


class Caller:
    """Asks one service through one gateway."""

    def __init__(self, api_url: str, key: str, model: str) -> None:
        straight = DefaultHttpxClient(trust_env=False)  # the machines stand on this computer: no proxy in between
        self.client = OpenAI(base_url=api_url, api_key=key, http_client=straight)
        self.model = model

    def close(self) -> None:
        """Give the connections back: the SDK closes those of its own HTTP client only."""
        self.client.close()

    def ask(self, question: str = QUESTION, *, max_tokens: int = 32) -> Answer:
        """One question, not streamed. The client's own ten minutes of patience are all it needs."""
        asked = time.time()
        reply = self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": question}],
            max_tokens=max_tokens,
            temperature=0,
        )
        done = time.time()
        return Answer(reply.choices[0].message.content or "", asked, done, done)

    def stream(self, question: str = QUESTION, *, max_tokens: int = 32) -> Answer:
        """One question, streamed; `first_token_at` is when the first piece of text arrived."""
        asked = time.time()
        first, pieces = 0.0, []
        for chunk in self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": question}],
            max_tokens=max_tokens,
            temperature=0,
            stream=True,
        ):
            piece = chunk.choices[0].delta.content if chunk.choices else None
            if piece:
                first = first or time.time()
                pieces.append(piece)
        return Answer("".join(pieces), asked, first, time.time())
