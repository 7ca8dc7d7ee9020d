/**
 * node bench/memory.mjs MODEL [f32|f16|q8|q4]: the peak of a process that loads a model, first the weights, then the
 * tokenizer, beside what the weights take. (npm run build first.)
 */
import { nodeHost } from "../dist/engine/wasm/node-host.js";
import { ParameterStore } from "../dist/engine/wasm/parameter-store.js";
import { WasmPlayer } from "../dist/engine/wasm/player.js";
import { loadWeights } from "../dist/model/load-weights.js";
import { parametersPlayed } from "../dist/model/network.js";
import { readConfig } from "../dist/model/read-config.js";
import { Session } from "../dist/model/session.js";
import { resolveSchedule } from "../dist/refrain.js";
import { openTokenizer } from "../dist/text/tokenizer.js";
import { openCheckpoint } from "../dist/weights/open.js";

const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
const peak = () => mb(process.resourceUsage().maxRSS * 1024);

const [name, weights = "file"] = process.argv.slice(2);
if (name === undefined) {
  console.error("usage: node bench/memory.mjs MODEL [f32|f16|q8|q4]");
  process.exit(2);
}
const before = peak();
const checkpoint = await openCheckpoint(name);
const config = await readConfig(checkpoint);
const steps = resolveSchedule(config, undefined);
const player = await WasmPlayer.create(nodeHost);
const store = new ParameterStore(player);
await loadWeights(checkpoint, parametersPlayed(config, steps), weights, store);
const loaded = peak();
const session = new Session(player, store, config, steps);
const bytes = session.plan.weightBytes;
const vocabulary = await checkpoint.vocabulary();
if (vocabulary) await openTokenizer(vocabulary);
console.log(
  `weights ${mb(bytes)}; peak ${before} at the start, ${loaded} with the weights (weights + 15 % + 100 MB: ${mb(1.15 * bytes + 100e6)}), ${peak()} with the tokenizer`,
);
await checkpoint.close();
await player.close();
