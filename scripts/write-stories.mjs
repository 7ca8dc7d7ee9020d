/** Writes models/stories.txt: stories by the small model of this package, for the demo to measure and heal on. (npm run build first.) */
import { writeFileSync } from "node:fs";
import { load } from "../dist/index.js";

const BYTES = 130_000;
const model = await load("models/stories.gguf");
let text = "";
for (let seed = 1; Buffer.byteLength(text) < BYTES; seed++) {
  let story = "Once upon a time";
  for await (const piece of model.generate(story, { maxTokens: 240, temperature: 0.8, topP: 0.95, seed }))
    story += piece;
  // A story that was cut off loses its last sentence.
  text += `${story.slice(0, story.search(/[^.!?"]*$/)).trim()}\n\n`;
}
writeFileSync("models/stories.txt", text);
await model.dispose();
