/**
 * node bench/optimizers.mjs CONFIG TEXT OUT [--tokens N] [--sequences 8] [--optimizers adamw,muon] [--rates 0.003,0.006] [--seeds 0] [--time]: AdamW
 * against Muon. Trains what CONFIG describes on the same tokens with each optimizer, rate and seed, and prints losses on the same
 * held-out text, at half of the run and at its end. Runs that OUT holds are not run again; one under way goes on. --time trains nothing but
 * plays steps of both optimizers in turns, and prints the medians. (npm run build first.)
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { nodeHost } from "../dist/engine/wasm/node-host.js";
import { ParameterStore } from "../dist/engine/wasm/parameter-store.js";
import { WasmPlayer } from "../dist/engine/wasm/player.js";
import { initialValues } from "../dist/model/initialize.js";
import { modelOf, trainingConfig } from "../dist/train/config.js";
import { parameterOptions } from "../dist/train/groups.js";
import { Learner } from "../dist/train/learner.js";
import { planTraining, runTraining } from "../dist/train/run.js";
import { median } from "./report.mjs";

const [LENGTH, VOCABULARY, ROUNDS] = [128, 512, 15];

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string", default: "200000" },
    sequences: { type: "string", default: "8" },
    optimizers: { type: "string", default: "adamw,muon" },
    rates: { type: "string", default: "0.003,0.006" },
    seeds: { type: "string", default: "0" },
    time: { type: "boolean", default: false },
  },
});
const [path, text, out] = positionals;
const tokens = Number(options.tokens);
const sequences = Number(options.sequences);
const optimizers = options.optimizers.split(",");

function configOf(optimizer, rate, seed) {
  const { $schema: _, ...file } = JSON.parse(readFileSync(path, "utf8"));
  const half = Math.ceil(tokens / (sequences * LENGTH) / 2);
  const training = { sequences, length: LENGTH, tokens, rate, seed, optimizer };
  const pace = { evaluateTokens: 32_768, evaluateEvery: half, saveEvery: Math.ceil(half / 4), sampleEvery: 2 * half };
  const data = { files: resolve(text) };
  return trainingConfig({ ...file, tokenizer: { bpe: VOCABULARY }, data, training: { ...training, ...pace } }, path);
}

async function losses(optimizer, rate, seed) {
  const folder = join(out, [basename(path, ".json"), optimizer, rate, seed, tokens, sequences].join("-"));
  if (!existsSync(join(folder, "config.json"))) {
    const resume = existsSync(join(folder, "checkpoint.safetensors"));
    if (!resume) rmSync(folder, { recursive: true, force: true });
    await runTraining(configOf(optimizer, rate, seed), { out: folder, resume, threads: 1 });
  }
  const log = readFileSync(join(folder, "train.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  return log.flatMap(({ heldOutLoss }) => (heldOutLoss === undefined ? [] : [heldOutLoss])).slice(1);
}

async function time() {
  const player = await WasmPlayer.create(nodeHost, { threads: 1 });
  const learners = optimizers.map((optimizer) => {
    const config = configOf(optimizer, 1e-3, 0);
    const model = modelOf(config, VOCABULARY);
    const planned = planTraining(config, model, 1);
    const group = parameterOptions(planned.trained, 0.1, [], path);
    const learner = new Learner(player, new ParameterStore(player), planned, { group });
    for (const parameter of learner.trained) {
      learner.writeParameter(parameter, initialValues(parameter, model.steps, { seed: 0, deviation: 0.02 }));
    }
    return learner;
  });
  const batch = Int32Array.from({ length: sequences * LENGTH }, (_, i) => (i * 37 + (i >> 3)) % VOCABULARY);
  const step = (learner) => {
    const begin = performance.now();
    learner.accumulate(batch, batch);
    const passed = performance.now();
    learner.update({ rate: 1e-3, clip: 1 });
    return { pass: passed - begin, update: performance.now() - passed };
  };
  for (const learner of learners) step(learner);
  const rounds = Array.from({ length: ROUNDS }, (_, r) => {
    const order = r % 2 === 0 ? learners : learners.toReversed();
    const taken = new Map(order.map((learner) => [learner, step(learner)]));
    return learners.map((learner) => taken.get(learner));
  });
  for (const [i, optimizer] of optimizers.entries()) {
    const of = (figure) => median(rounds.map(figure)).toFixed(3);
    const whole = ({ pass, update }) => pass + update;
    console.log(
      `${optimizer}: pass ${of((r) => r[i].pass)} ms, update ${of((r) => r[i].update)} ms, step ${of((r) => whole(r[i]) / whole(r[0]))} of ${optimizers[0]}'s`,
    );
  }
  await player.close();
}

if (options.time) await time();
else {
  for (const seed of options.seeds.split(",").map(Number)) {
    for (const rate of options.rates.split(",").map(Number)) {
      for (const optimizer of optimizers) {
        const [half, end] = await losses(optimizer, rate, seed);
        console.log(
          `${optimizer}, rate ${rate}, seed ${seed}: ${half.toFixed(4)} at half, ${end.toFixed(4)} at the end`,
        );
      }
    }
  }
}
