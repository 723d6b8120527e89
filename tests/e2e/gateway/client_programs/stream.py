"""One streamed chat with the openai package of this environment; its words on stdout."""

import os
import sys

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["KEY"])
stream = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "hi"}], stream=True)
sys.stdout.write("".join(chunk.choices[0].delta.content or "" for chunk in stream))
