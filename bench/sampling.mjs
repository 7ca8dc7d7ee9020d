/**
 * node bench/sampling.mjs: milliseconds to choose one token out of a vocabulary of 49,152, by method. (npm run build first.)
 * Every method runs once a round, and medians are taken over the rounds.
 */
import { createSampler } from "../dist/generate/sampler.js";
import { median } from "./report.mjs";

const VOCABULARY = 49_152;
const ROUNDS = 60;

const methods = {
  "the likeliest": { temperature: 0 },
  "the likeliest, with a penalty": { temperature: 0, repetitionPenalty: 1.1 },
  "any, temperature 0.8": { temperature: 0.8 },
  "top-k 40": { topK: 40 },
  "top-p 0.95": { topP: 0.95 },
  "min-p 0.05": { minP: 0.05 },
  "top-k 40, top-p 0.95, min-p 0.05": { topK: 40, topP: 0.95, minP: 0.05 },
};

/** Bell-shaped with a long tail to the right, as a model's are. */
const logits = Float32Array.from({ length: VOCABULARY }, () => {
  const u = Math.random() + Math.random() + Math.random() + Math.random() - 2;
  return 4 * u + 6 * Math.max(0, u) ** 3;
});
const recent = Array.from({ length: 64 }, (_, i) => 700 * i);

const lanes = Object.entries(methods).map(([name, options]) => ({
  name,
  sample: createSampler({ seed: 1, ...options }),
  times: [],
}));
for (let round = -20; round < ROUNDS; round++) {
  for (const { sample, times } of lanes) {
    const begin = performance.now();
    sample(logits, recent);
    if (round >= 0) times.push(performance.now() - begin);
  }
}
for (const { name, times } of lanes) console.log(`${median(times).toFixed(3)} ms  ${name}`);
