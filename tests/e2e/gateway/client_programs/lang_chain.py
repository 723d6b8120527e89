"""One streamed chat with LangChain; its words on stdout."""

import os
import sys

from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="chat", base_url=os.environ["BASE_URL"], api_key=os.environ["KEY"])
sys.stdout.write("".join(str(chunk.content) for chunk in model.stream("hi")))
