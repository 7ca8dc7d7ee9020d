/**
 * node bench/attention.mjs [THREADS]: attention by itself, as thirty blocks of SmolLM2-135M play it (9 heads of 64, 3 of them for
 * keys and values), with both kinds of cache in turn: a prompt's 128 rows and single tokens at several positions. GMAC/s count
 * what a row must look at; the time of a token stands beside that of a plain read of as many bytes as it must read of the
 * cache, by the same number of threads. (npm run build first.)
 */
import { Graph } from "../dist/engine/graph.js";
import { plan } from "../dist/engine/plan.js";
import { LoadedProgram } from "../dist/engine/wasm/loaded-program.js";
import { nodeHost } from "../dist/engine/wasm/node-host.js";
import { ParameterStore } from "../dist/engine/wasm/parameter-store.js";
import { WasmPlayer } from "../dist/engine/wasm/player.js";
import { startEngine } from "./child.mjs";
import { median } from "./report.mjs";

const SHAPE = { heads: 9, kvHeads: 3, headWidth: 64 };
const [BLOCKS, CONTEXT, ROWS, ROUNDS] = [30, 2048, 128, 9];

/** A program of nothing but attention, its cache filled with what random rows leave there. */
function load(player, cache) {
  const graph = new Graph();
  const rows = (name, heads) =>
    graph.embed({ name, kind: "matrix", rows: 512, columns: heads * SHAPE.headWidth, part: "attention" });
  const [q, k, v] = [rows("q", SHAPE.heads), rows("k", SHAPE.kvHeads), rows("v", SHAPE.kvHeads)];
  for (let block = 0; block < BLOCKS; block++) graph.output(`y ${block}`, graph.attention(q, k, v, SHAPE));
  const limits = { maxRows: ROWS, tailRows: 1, context: CONTEXT, threads: player.threads, cache };
  const planned = plan(graph, () => "f32", limits);
  const store = new ParameterStore(player);
  for (const parameter of planned.parameters) {
    store.reserve(parameter, "f32");
    const values = Float32Array.from({ length: parameter.rows * parameter.columns }, () => 2 * Math.random() - 1);
    store.writeRows(parameter, 0, values);
  }
  const program = new LoadedProgram(player, store, planned);
  const play = (rows, position) =>
    program.play(
      Array.from({ length: rows }, (_, i) => (position + i) % 512),
      position,
      rows,
    );
  for (let position = 0; position < CONTEXT; position += ROWS) play(ROWS, position);
  return { play, cacheBytes: planned.cacheBytes };
}

const threads = Number(process.argv[2] ?? 1);
const player = await WasmPlayer.create(nodeHost, { threads });
const programs = { f32: load(player, "f32"), q8: load(player, "q8") };
const reader = await startEngine("read-loop", { bytes: programs.f32.cacheBytes, threads });
const megabytes = Object.entries(programs).map(([cache, p]) => `${cache} ${(p.cacheBytes / 1e6).toFixed(1)} MB`);
console.log(`${player.describe()}; caches of ${CONTEXT} positions: ${megabytes.join(", ")}`);

for (const [rows, position] of [
  [ROWS, 0],
  [ROWS, 384],
  [ROWS, CONTEXT - ROWS],
  [1, 127],
  [1, 511],
  [1, CONTEXT - 1],
]) {
  const times = { f32: [], q8: [] };
  const reads = { f32: [], q8: [] };
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [cache, { play, cacheBytes }] of Object.entries(programs)) {
      const begin = performance.now();
      play(rows, position);
      const time = performance.now() - begin;
      if (round > 0) times[cache].push(time);
      const bytes = Math.floor((cacheBytes * (position + 1)) / CONTEXT / 128) * 128;
      if (rows === 1 && round > 0) reads[cache].push(median((await reader.time({ bytes, passes: 3 })).times));
    }
  }
  const looks = (rows * (2 * position + rows + 1)) / 2;
  const macs = 2 * BLOCKS * SHAPE.heads * SHAPE.headWidth * looks;
  const figures = Object.entries(times).map(([cache, list]) => {
    const ms = median(list);
    const beside =
      rows === 1
        ? `a plain read ${median(reads[cache]).toFixed(2)} ms (${((100 * median(reads[cache])) / ms).toFixed(0)} %)`
        : `${(macs / ms / 1e6).toFixed(1)} GMAC/s`;
    return `${cache} ${ms.toFixed(2)} ms, ${beside}`;
  });
  console.log(`${rows} ${rows === 1 ? "row" : "rows"} at ${position}: ${figures.join("; ")}`);
}
await reader.stop();
await player.close();
