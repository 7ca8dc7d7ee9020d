/**
 * node bench/self-text.mjs MODEL WORDS.txt OUT.txt [--passages 1200] [--first 0] [--threads 1] (npm run build first)
 *
 * What a chat model has to say, as a text for it to be healed with: passages about words of WORDS.txt that are neither common nor
 * rare, each by its own seed, in q8. OUT.txt is written to the end as it goes: the same line goes on where it was stopped, and two
 * processes can share the work by --first.
 */
import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load } from "../dist/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    passages: { type: "string", default: "1200" },
    first: { type: "string", default: "0" },
    threads: { type: "string", default: "1" },
  },
});
const [path, words, out] = positionals;
if (out === undefined) throw new Error("expected the model, a text to take words from, and where passages go");

const counts = new Map();
for (const word of readFileSync(words, "utf8").match(/\b[a-z]{4,12}\b/g)) counts.set(word, (counts.get(word) ?? 0) + 1);
/** Of the most common words the first 300 say too little. Every seventh, so that neighbours in rank are far apart. */
const ranked = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).slice(300, 7300);
const topics = Array.from(
  { length: ranked.length },
  (_, i) => ranked[((i * 7) % 7000) + Math.floor((i * 7) / 7000)]?.[0],
).filter(Boolean);
const requests = [
  (topic) => `Write a short textbook passage about "${topic}".`,
  (topic) => `Explain how people use "${topic}" in daily life.`,
  (topic) => `Tell a short story with the word "${topic}".`,
  (topic) => `What is the science behind "${topic}"? Explain it to a student.`,
  (topic) => `Give practical advice that has to do with "${topic}".`,
  (topic) => `Write a conversation between two friends about "${topic}".`,
];

const END = "\n\n\n";
const done = existsSync(out) ? readFileSync(out, "utf8").split(END).length - 1 : 0;
const model = await load(path, { threads: Number(values.threads), weights: "q8" });
const started = Date.now();
let tokens = 0;
for (let i = Number(values.first) + done; i < Number(values.first) + Number(values.passages); i++) {
  const content = requests[i % requests.length](topics[i % topics.length]);
  const prompt = model.tokenizer.chat([{ role: "user", content }]);
  let passage = "";
  const options = { maxTokens: 220, temperature: 0.8, topP: 0.95, seed: i + 1 };
  for await (const piece of model.generate(model.tokenizer.encode(prompt, { special: false }), options)) {
    passage += piece;
    tokens++;
  }
  appendFileSync(
    out,
    passage
      .trim()
      .replace(/\r\n?/g, "\n")
      .replace(/\n{2,}/g, "\n\n") + END,
  );
  if (i % 20 === 19)
    console.error(`${i + 1}: ${(tokens / ((Date.now() - started) / 1000)).toFixed(0)} tokens a second`);
}
await model.dispose();
