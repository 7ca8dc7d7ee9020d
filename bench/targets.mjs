/** What the bench must reach: each target, the ratio that was measured, and whether that is enough. */
import { jaxJs, llamaCpp, onnxRuntime, tensorflowJs, transformersJs } from "./peers.mjs";
import { printTable } from "./report.mjs";

/**
 * @typedef {object} Target
 * @property {string} work
 * @property {string} against
 * @property {number} atLeast ratio
 * @property {RegExp} name of the rows that count
 * @property {string} peerName how theirs begins
 */

const peers = [llamaCpp, onnxRuntime, transformersJs];
const TWICE = "each\\(0-29\\)x2";
const SMOL = "SmolLM2\\S*";

const target = (work, against, atLeast, name, peerName) => ({
  work,
  against,
  atLeast,
  name: new RegExp(`^${name}$`),
  peerName,
});
const types = (list, make) => list.map((type) => make(type));

/** @type {readonly Target[]} */
const targets = [
  ...peers.flatMap(({ name }) =>
    types(name === llamaCpp.name ? ["q4"] : ["q4", "q8"], (type) =>
      target(`decode ${type}, 30 blocks`, name, 2, `decode ${type} 0-29`, name),
    ),
  ),
  target("decode SmolLM2-135M", llamaCpp.name, 1.5, `decode ${SMOL}`, llamaCpp.name),
  ...[256, 1024].flatMap((tokens) =>
    [
      ["q4", "q4"],
      ["q8", "q8"],
      ["SmolLM2-135M", SMOL],
    ].map(([model, name]) =>
      target(`prefill ${tokens}, ${model}`, llamaCpp.name, 1, `prefill ${tokens} ${name}`, llamaCpp.name),
    ),
  ),
  target("decode q8, 30 blocks", "plain read of the weights", 0.7, "decode q8 0-29", "plain read"),
  target("decode q4, 30 blocks", "plain read of the weights", 0.5, "decode q4 0-29", "plain read"),
  target("decode q8 each(0-29)x2", "ours, 0-59", 1.5, `decode q8 ${TWICE}`, "refrain, 0-59"),
  target("decode q4 each(0-29)x2", "ours, 0-59", 1.25, `decode q4 ${TWICE}`, "refrain, 0-59"),
  target("decode f32 each(0-29)x2", "ours, 0-59", 1.3, `depth f32 ${TWICE}`, "refrain, 0-59"),
  target("decode q8 each(0-29)x2", "ours, 0-29", 1 / 1.5, `decode q8 ${TWICE}`, "refrain, 0-29"),
  ...types(["q4", "q8"], (type) =>
    target(
      `peak memory ${type} each(0-29)x2`,
      "ours, 0-29 and the cache slots",
      1,
      `peak memory ${type} ${TWICE}`,
      "refrain, 0-29 and",
    ),
  ),
  target("first token SmolLM2-135M", llamaCpp.name, 1, `first token ${SMOL}.*`, llamaCpp.name),
  ...["@wllama/wllama", "@huggingface/transformers"].map((name) =>
    target("in the browser, every row", name, 1.5, ".*, browser, .*", name),
  ),
  target("training step", jaxJs, 6, "training step", jaxJs),
  target("training step", tensorflowJs, 5, "training step", tensorflowJs),
  target("training step", "PyTorch, 2 threads", 0.5, "training step", "PyTorch, 2 threads"),
  target("training step", "ours, 1 thread", 1.7, "training step", "refrain, 1 thread"),
  target("training, outside of kernels", "5 % of a step", 1, "outside of kernels", "5 %"),
  target("training, peak memory", "the plan", 1 / 1.1, "peak memory of training", "the plan"),
];

/**
 * A line for each target that rows say something about: work, against, at least, measured, met or missed.
 * @param {readonly Pick<import("./report.mjs").Row, "name" | "peerName" | "ratio">[]} rows
 */
export function judge(rows) {
  return targets.flatMap(({ work, against, atLeast, name, peerName }) => {
    const ratios = rows
      .filter((row) => name.test(row.name) && row.peerName.startsWith(peerName))
      .map((row) => row.ratio);
    if (ratios.length === 0) return [];
    // The peer's better number of threads, and the worst of several rows, count; as printed, with two digits.
    const measured = Math.min(...ratios).toFixed(2);
    const wanted = atLeast.toFixed(2);
    return [[work, against, wanted, measured, Number(measured) >= Number(wanted) ? "met" : "missed"]];
  });
}

/** @param {readonly import("./report.mjs").Row[]} rows all that were measured */
export function printTargets(rows) {
  const lines = judge(rows);
  const missing = targets.length - lines.length;
  console.log(`\nTargets, as ratios${missing > 0 ? `; ${missing} of ${targets.length} were not measured` : ""}`);
  printTable([["target", "against", "at least", "measured", ""], ...lines], [2, 3]);
}
