// One streamed response with the openai package beside this file; its words on stdout.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL, apiKey: process.env.KEY });
const stream = await client.responses.create({ model: "chat", input: "hi", stream: true });
for await (const event of stream) if (event.type === "response.output_text.delta") process.stdout.write(event.delta);
