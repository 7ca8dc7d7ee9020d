/** node bench/first-token/refrain.mjs MODEL.gguf PROMPT THREADS: the least program that prints one token. */
import { load } from "../../dist/index.js";

const [path, prompt, threads] = process.argv.slice(2);
const model = await load(path, { threads: Number(threads), contextLength: 512 });
for await (const text of model.generate(prompt, { maxTokens: 1, temperature: 0 })) process.stdout.write(text);
await model.dispose();
