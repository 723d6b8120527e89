// One streamed message with the @anthropic-ai/sdk package beside this file; its words on stdout.
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.env.BASE_URL.replace(/\/v1$/, ""), apiKey: process.env.KEY });
const messages = [{ role: "user", content: "hi" }];
const stream = await client.messages.create({ model: "chat", max_tokens: 9, messages, stream: true });
for await (const event of stream) if (event.type === "content_block_delta") process.stdout.write(event.delta.text);
