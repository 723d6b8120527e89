"""vLLM as far as agent and HAProxy see it, without a model: `vllm serve --config FILE.yaml`, on the standard library.

It is shipped to a machine in vLLM's place, where a test is about the machine and not about answers.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

METRICS = """vllm:num_requests_running 0
vllm:num_requests_waiting 0
vllm:prompt_tokens_total {tokens}
vllm:generation_tokens_total {tokens}
"""


class Engine(BaseHTTPRequestHandler):
    """Counts a token a question, and answers each the same."""

    tokens = 0

    def do_GET(self) -> None:
        self._answer(METRICS.format(tokens=Engine.tokens) if self.path == "/metrics" else "", "text/plain")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        Engine.tokens += 1
        message = {"role": "assistant", "content": "Paris."}
        choice = {"index": 0, "finish_reason": "stop", "text": "Paris.", "message": message}
        answer = {"id": "x", "object": "chat.completion", "model": "tiny", "created": 0, "choices": [choice]}
        self._answer(json.dumps(answer))

    def _answer(self, text: str, kind: str = "application/json") -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the journal has enough."""


if __name__ == "__main__":
    told = Path(sys.argv[sys.argv.index("--config") + 1]).read_text()
    port = re.search(r"^port: (\d+)$", told, re.MULTILINE)
    assert port is not None, told
    ThreadingHTTPServer(("127.0.0.1", int(port[1])), Engine).serve_forever()
