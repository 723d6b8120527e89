"""One streamed response with the openai package of this environment; its words on stdout."""

import os
import sys

import openai

client = openai.OpenAI(base_url=os.environ["BASE_URL"], api_key=os.environ["KEY"])
events = client.responses.create(model="chat", input="hi", stream=True)
sys.stdout.write("".join(event.delta for event in events if event.type == "response.output_text.delta"))
