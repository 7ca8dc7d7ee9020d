/**
 * node bench/training-profile.mjs [--rounds 15] (npm run build first)
 *
 * Where a step of the Llama of `npm run bench -- training` spends its time: every instruction is played alone, on one thread, and its processor
 * time is taken, so that neighbours count little. Of products, GFLOP/s too. Medians over rounds, summed over the instructions of a kernel.
 */
import { parseArgs } from "node:util";
import { textTable } from "../dist/report/table.js";
import { batch, recipe, shape } from "./engines/training/model.mjs";
import { makeLearner } from "./engines/training/refrain.mjs";
import { median } from "./report.mjs";

/** Words of an instruction, and where its operands begin (src/engine/program.ts). */
const [WORDS, OPERANDS] = [16, 2];
const ROWS = shape.sequences * shape.length;

/** Multiply-adds of an instruction by its operands, of the three products: rows of weights come in groups of 16, or as they are. */
const products = {
  linearF32: (word) => ROWS * word[6] * 16 * word[5],
  linearInput: (word) => ROWS * word[5] * word[6],
  linearWeight: (word) => ROWS * word[4] * 16 * word[5],
};

const { values } = parseArgs({ options: { rounds: { type: "string", default: "15" } } });
const { learner, player, planned } = await makeLearner(1);
const { tokens, targets } = batch();
const step = () => {
  learner.accumulate(tokens, targets);
  learner.update(recipe);
};
const processorTime = (work) => {
  const { user, system } = process.cpuUsage();
  work();
  const after = process.cpuUsage();
  return (after.user + after.system - user - system) / 1000;
};

const program = learner.program.program;
const alone = player.allocate(4 * 2 * WORDS, "one instruction");
/** Milliseconds of each instruction. */
function round() {
  return planned.plan.instructions.map((_, i) => {
    const words = player.integers(alone, 2 * WORDS);
    words[0] = 1;
    words.set(player.integers(program + 4 * WORDS * (i + 1), WORDS), WORDS);
    return processorTime(() => player.play(alone, ROWS, 0, 0, { sequences: shape.sequences, share: 1 }));
  });
}

for (let i = 0; i < 3; i++) step();
const rounds = Array.from({ length: Number(values.rounds) }, round);
const updates = rounds.map(() => processorTime(() => learner.update(recipe)));
const kernels = new Map();
planned.plan.instructions.forEach(({ kernel }, i) => {
  const operands = player.integers(program + 4 * (WORDS * (i + 1) + OPERANDS), WORDS - OPERANDS);
  const { indices = [], operations = 0 } = kernels.get(kernel) ?? {};
  kernels.set(kernel, { indices: [...indices, i], operations: operations + 2 * (products[kernel]?.(operands) ?? 0) });
});
const rows = [...kernels].map(([kernel, { indices, operations }]) => ({
  kernel,
  times: indices.length,
  operations,
  ms: median(rounds.map((ms) => indices.reduce((sum, i) => sum + ms[i], 0))),
}));
rows.push({ kernel: "clipping and AdamW", times: 1, operations: 0, ms: median(updates) });
const all = rows.reduce((sum, { ms }) => sum + ms, 0);
console.log(
  textTable(
    [{ title: "kernel", align: "left" }, ...["instructions", "ms", "share", "GFLOP/s"].map((title) => ({ title }))],
    rows
      .sort((a, b) => b.ms - a.ms)
      .map(({ kernel, times, ms, operations }) => [
        kernel,
        String(times),
        ms.toFixed(2),
        `${((100 * ms) / all).toFixed(1)} %`,
        operations > 0 ? (operations / ms / 1e6).toFixed(1) : "",
      ]),
  ),
);
console.log(`all ${all.toFixed(0)} ms`);
await player.close();
