"""One streamed message with the anthropic package of this environment; its words on stdout."""

import os
import sys

import anthropic

client = anthropic.Anthropic(base_url=os.environ["BASE_URL"].removesuffix("/v1"), api_key=os.environ["KEY"])
asked = [{"role": "user", "content": "hi"}]
with client.messages.stream(model="chat", max_tokens=9, messages=asked) as stream:
    sys.stdout.write("".join(stream.text_stream))
