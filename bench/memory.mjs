/**
 * node bench/memory.mjs MODEL [f32|f16|q8|q4]: the peak of a process that does nothing but load a model, beside what the
 * weights take. (npm run build first.)
 */
const peak = () => process.resourceUsage().maxRSS * 1024;
const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

const [name, weights] = process.argv.slice(2);
if (name === undefined) {
  console.error("usage: node bench/memory.mjs MODEL [f32|f16|q8|q4]");
  process.exit(2);
}
const { load } = await import("../dist/index.js");
const before = peak();
const model = await load(name, { weights });
const bound = 1.15 * model.weightBytes + 100e6;
console.log(
  `weights ${mb(model.weightBytes)}, peak ${mb(peak())} (${mb(before)} before loading), bound of weights + 15 % + 100 MB: ${mb(bound)}`,
);
await model.dispose();
