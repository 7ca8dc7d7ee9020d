/**
 * Saving and opening again, for every family: a schedule with repeats, halves and missing blocks plays the same from the
 * written folder as it does in memory, and so does the plain checkpoint without a schedule.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { load, type Model } from "../src/refrain.ts";
import { fixturePath, readReference } from "./fixtures.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-save-"));
});
afterAll(() => rm(folder, { recursive: true }));

const sources = [
  ...["gpt2", "llama-bias", "llama-f16", "llama-gqa", "llama-linear-rope", "llama-sharded"],
  ...["llama3-rope", "llama3-rope-old-config", "mistral", "qwen2", "qwen3"],
].map((name) => ({ source: `models/${name}`, name }));
const ggufs = ["gpt2", "llama-bias", "llama-gqa", "llama-linear-rope", "llama3-rope", "mistral", "qwen2", "qwen3"];

/** Logits at every position. */
function logits(model: Model, tokens: readonly number[]): Float32Array[] {
  const session = model.session({ output: "all-logits" });
  const rows: Float32Array[] = [];
  for (let at = 0; at < tokens.length; at += session.maxRows) {
    const chunk = tokens.slice(at, at + session.maxRows);
    session.play(chunk);
    rows.push(...chunk.map((_, row) => session.logits(row).slice()));
  }
  session.dispose();
  return rows;
}

function farthest(expected: readonly Float32Array[], actual: readonly Float32Array[]): number {
  return Math.max(...expected.flatMap((row, i) => Array.from(row, (value, k) => Math.abs(value - actual[i]![k]!))));
}

describe.each([...sources, ...ggufs.map((name) => ({ source: `gguf/${name}.gguf`, name }))])("$source", (fixture) => {
  const { source, name } = fixture;
  let model: Model;
  beforeAll(async () => {
    model = await load(fixturePath(source), { threads: 1 });
  });
  afterAll(() => model.dispose());

  it.each([
    ["1 0x2 a1 f0", { unrolled: false }, 2, "0 1x2 a0 f1"],
    ["1 0x2 a1 f0", { unrolled: true }, 4, undefined],
    ["1", { unrolled: false }, 1, undefined],
    ["0 a1", { unrolled: false }, 2, "0 a1"],
  ] as const)('"%s" with %o plays from the folder as in memory', async (schedule, options, blocks, kept) => {
    const out = join(folder, `${source.replace("/", "-")}-${blocks}-${schedule}`);
    const scheduled = model.withSchedule(schedule);
    await scheduled.save(out, options);
    const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
    expect(config[name === "gpt2" ? "n_layer" : "num_hidden_layers"]).toBe(blocks);
    expect(config.refrain?.schedule).toBe(kept);

    const longest = readReference(name)
      .sequences.map(({ ids }) => ids)
      .sort((a, b) => b.length - a.length)[0]!;
    const written = await load(out, { threads: 1 });
    const [expected, actual] = [logits(scheduled, longest), logits(written, longest)];
    // A GGUF has Llama 3's rotary factors as float32; config.json has the numbers that they were computed from.
    if (source === "gguf/llama3-rope.gguf") expect(farthest(expected, actual)).toBeLessThan(1e-5);
    else expect(actual).toEqual(expected);
    await Promise.all([written.dispose(), scheduled.dispose()]);
  });
});
