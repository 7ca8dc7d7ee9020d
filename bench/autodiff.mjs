/**
 * node bench/autodiff.mjs [THREADS]: forward and backward pass of a Llama of 6 blocks (288 wide, 768 hidden, 6 heads of 48,
 * vocabulary 512, tied) over 128 tokens: what it takes of memory, with and without recomputation, played once and twice,
 * all trained and all but the norms frozen in 4 bits; and how long it takes. GFLOP/s count 6 for each token and weight played. (npm run build first.)
 */
import { differentiate } from "../dist/engine/autodiff.js";
import { Graph } from "../dist/engine/graph.js";
import { plan } from "../dist/engine/plan.js";
import { LoadedProgram } from "../dist/engine/wasm/loaded-program.js";
import { nodeHost } from "../dist/engine/wasm/node-host.js";
import { ParameterStore } from "../dist/engine/wasm/parameter-store.js";
import { WasmPlayer } from "../dist/engine/wasm/player.js";
import { llama } from "../dist/model/llama.js";
import { ropeTable } from "../dist/model/rope.js";
import { median } from "./report.mjs";

const [ROWS, BLOCKS, ROUNDS] = [128, 6, 7];
const config = {
  hiddenSize: 288,
  ffnSize: 768,
  heads: 6,
  kvHeads: 6,
  headWidth: 48,
  vocabSize: 512,
  normEpsilon: 1e-5,
  tiedEmbeddings: true,
  bias: { qkv: false, output: false, ffn: false },
  queryKeyNorm: false,
  windows: [],
};
const table = ropeTable({ theta: 10000, scaling: { kind: "none" } }, config.headWidth, ROWS);

function build(repeats, recompute, trained, type, threads) {
  const graph = new Graph({ oneSlot: true });
  const keep = [llama.embed(graph, config)];
  for (let play = 0; play < BLOCKS * repeats; play++) {
    const block = Math.floor(play / repeats);
    keep.push(llama.ffn(graph, llama.attention(graph, keep.at(-1), config, block, table), config, block));
  }
  const loss = graph.mean(graph.crossEntropy(llama.head(graph, keep.at(-1), config)));
  graph.output("loss", loss);
  differentiate(graph, loss, { trained, ...(recompute && { keep }) });
  const storage = (parameter) => (parameter.kind === "vector" ? "f32" : type);
  const limits = { maxRows: ROWS, tailRows: ROWS, context: ROWS, threads };
  return { plan: plan(graph, storage, limits), storage };
}

const mb = (bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
const threads = Number(process.argv[2] ?? 1);
const player = await WasmPlayer.create(nodeHost, { threads });
console.log(player.describe());
const all = () => true;
const norms = ({ part }) => part === "norm";
for (const [name, trained, type] of [
  ["all trained, f32", all, "f32"],
  ["norms trained, q4", norms, "q4"],
]) {
  for (const repeats of [1, 2]) {
    const programs = [false, true].map((recompute) => {
      const built = build(repeats, recompute, trained, type, threads);
      const store = new ParameterStore(player);
      for (const parameter of built.plan.parameters) {
        store.reserve(parameter, built.storage(parameter));
        const scale = parameter.part === "norm" ? 0 : 1 / Math.sqrt(parameter.columns);
        const numbers = Float32Array.from({ length: parameter.rows * parameter.columns }, () =>
          scale === 0 ? 1 : scale * (2 * Math.random() - 1),
        );
        if (parameter.kind === "vector") store.writeVector(parameter, numbers);
        else store.writeRows(parameter, 0, numbers);
      }
      return { ...built, program: new LoadedProgram(player, store, built.plan), times: [] };
    });
    const tokens = Array.from({ length: ROWS }, (_, i) => (i * 7) % config.vocabSize);
    for (let round = 0; round <= ROUNDS; round++) {
      for (const { program, times } of programs) {
        const begin = performance.now();
        program.play(tokens, 0, 0, tokens);
        if (round > 0) times.push(performance.now() - begin);
      }
    }
    const blockWeights = 4 * config.hiddenSize ** 2 + 3 * config.hiddenSize * config.ffnSize;
    const weights = BLOCKS * repeats * blockWeights + config.vocabSize * config.hiddenSize;
    programs.forEach(({ plan, times }, i) => {
      const ms = median(times);
      const rate = trained === all && i === 0 ? `, ${((6 * ROWS * weights) / ms / 1e6).toFixed(1)} GFLOP/s` : "";
      console.log(
        `${name}, each block ${repeats} ×, ${i ? "recomputed" : "kept      "}  weights ${mb(plan.weightBytes)}  gradients ${mb(plan.gradientBytes)}  ` +
          `activations ${mb(plan.activationBytes)}  cache ${mb(plan.cacheBytes)}  ${ms.toFixed(1)} ms${rate}`,
      );
    });
  }
}
await player.close();
