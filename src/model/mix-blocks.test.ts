import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load } from "../refrain.ts";
import { verifyWritten } from "../shrink/verify.ts";
import type { Checkpoint, StoredTensor } from "../weights/checkpoint.ts";
import { storedRows } from "../weights/computed-tensor.ts";
import { openCheckpoint } from "../weights/open.ts";
import { parseConfig } from "./config.ts";
import { familyOf } from "./families.ts";
import { describeMixes, meanOf, mixBlocks, oneBlock } from "./mix-blocks.ts";

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-mix-"));
});
afterAll(() => rm(parent, { recursive: true }));

/** θ0 + (θ1 − θ0) + (θ0 − θ0), norms of block 0; and the mean of both, norms too. */
const formula = [
  { block: 1, weight: 2 },
  { block: 0, weight: -1 },
];
const mixes = [
  { attention: { weights: formula, norms: oneBlock(0) }, ffn: { weights: oneBlock(1), norms: oneBlock(0) } },
  {
    attention: { weights: meanOf([0, 1]), norms: meanOf([0, 1]) },
    ffn: { weights: meanOf([0, 1]), norms: oneBlock(1) },
  },
];

/** A whole tensor in float64. */
async function doubles(checkpoint: Checkpoint, name: string): Promise<number[]> {
  const tensor = checkpoint.tensors.get(name)!;
  expect(tensor, name).toBeDefined();
  return Array.from(await storedRows(checkpoint, tensor, 0, tensor.shape.length === 1 ? 1 : tensor.shape[0]!));
}

describe.each(["models/llama-gqa", "models/gpt2", "models/qwen3", "gguf/qwen2.gguf", "gguf/mistral.gguf"])(
  "blocks mixed from those of %s",
  (name) => {
    it("are written as the sums that they are, and play the same once they are", async () => {
      const source = fixturePath(name);
      const model = await load(source, { schedule: "0-1", threads: 1 });
      const blocks = model.config.blocks;
      const edit = (checkpoint: Checkpoint) => mixBlocks(checkpoint, model.config, mixes);
      const edited = await model.edited(edit, `0 ${blocks} ${blocks + 1}`);
      const folder = join(parent, name.replaceAll("/", "-"));
      try {
        expect(edited.config.blocks).toBe(blocks + 2);
        expect(edited.config.windows.slice(-2)).toEqual([model.config.windows[0], model.config.windows[0]]);
        await edited.save(folder);
        expect((await verifyWritten(edited, folder, { threads: 1 })).difference).toBeLessThan(1e-5);
        // The model that was edited in memory is the one that was written.
        const played = await edited
          .session()
          .feed([1, 2, 3])
          .then((logits) => logits.slice());
        const written = await load(folder, { threads: 1 });
        const again = await written.session().feed([1, 2, 3]);
        const spread = Math.hypot(...again) / Math.sqrt(again.length);
        for (const [i, logit] of again.entries()) expect(Math.abs(logit - played[i]!)).toBeLessThan(0.05 * spread);
        await written.dispose();
      } finally {
        await Promise.all([model.dispose(), edited.dispose()]);
      }

      const [before, after] = await Promise.all([openCheckpoint(source), openCheckpoint(folder)]);
      const at = name.includes("gpt2") ? "transformer.h" : "model.layers";
      let compared = 0;
      for (const [tensor, { type }] of after.tensors) {
        const place = tensor.match(/\.(?:h|layers)\.([12])\.(.*)/);
        if (!place) continue;
        // q and k of a GGUF file are in another order there; they are compared in the model that plays.
        if (before.tensors.get(`${at}.0.${place[2]}`)!.interleavedHeads) continue;
        const [a, b] = [await doubles(before, `${at}.0.${place[2]}`), await doubles(before, `${at}.1.${place[2]}`)];
        const isNorm = /norm|ln_/.test(place[2]!);
        const isFfn = /mlp|post_attention|ln_2/.test(place[2]!);
        const sum = (i: number) => {
          if (place[1] === "1") return isNorm ? a[i]! : isFfn ? b[i]! : 2 * b[i]! - a[i]!;
          return isNorm && isFfn ? b[i]! : (a[i]! + b[i]!) / 2;
        };
        const expected = a.map((_, i) => sum(i));
        const largest = Math.max(...expected.map(Math.abs));
        const rounding = type === "F32" ? 2 ** -24 : 2 ** -11;
        const actual = await doubles(after, tensor);
        for (const [i, value] of actual.entries()) {
          expect(Math.abs(value - expected[i]!), `${tensor} ${i}`).toBeLessThanOrEqual(largest * rounding);
        }
        compared++;
      }
      expect(compared).toBeGreaterThan(8);
      await Promise.all([before.close(), after.close()]);
    });
  },
);

describe("the config of a model with mixed blocks", () => {
  const config = {
    model_type: "qwen2",
    vocab_size: 100,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    use_sliding_window: true,
    sliding_window: 8,
    max_window_layers: 2,
  };

  const parsed = parseConfig(config, "x");
  const names = [0, 1, 2, 3].flatMap((block) => familyOf(parsed).block(parsed, block));
  const tensors = new Map(
    names.map((p): [string, StoredTensor] => {
      const shape = p.kind === "vector" ? [p.columns] : [p.rows, p.columns];
      return [p.name, { name: p.name, storedName: p.name, type: "F16", shape, byteLength: 2 * p.rows * p.columns }];
    }),
  );
  const half = { weights: oneBlock(1), norms: oneBlock(3) };

  it("plays what it played before, and each new block sees what its first source sees", () => {
    const checkpoint = { config, path: "x", tensors } as unknown as Checkpoint;
    const mixed = mixBlocks(checkpoint, parsed, [{ attention: half, ffn: half }, { ffn: mixes[0]!.ffn }]);
    expect(parseConfig(mixed.config, "y")).toMatchObject({
      blocks: 6,
      windows: [undefined, undefined, 8, 8, 8, undefined],
      schedule: "0-3",
    });
    const twice = parseConfig({ ...config, refrain: { schedule: "each(0-3)x2" } }, "x");
    expect(parseConfig(mixBlocks(checkpoint, twice, mixes).config, "y").schedule).toBe("each(0-3)x2");
  });

  it("needs the blocks that are mixed", () => {
    const checkpoint = { config, path: "x", tensors: new Map() } as unknown as Checkpoint;
    const mixing = () => mixBlocks(checkpoint, parsed, mixes);
    expect(mixing).toThrow(expect.objectContaining({ code: "tensor-missing" }));
  });
});

it("mixes can be read in a record", () => {
  expect(describeMixes(mixes, 30)).toEqual({
    "30": { attention: "2·1 − 0; norms 0", ffn: "1; norms 0" },
    "31": { attention: "0.5·0 + 0.5·1; norms 0.5·0 + 0.5·1", ffn: "0.5·0 + 0.5·1; norms 1" },
  });
  expect(describeMixes([{ ffn: { weights: [{ block: 3, weight: -2 }], norms: oneBlock(3) } }], 4)).toEqual({
    "4": { ffn: "−2·3; norms 3" },
  });
});

it("what blocks are mixed of is loaded and freed with them", async () => {
  const model = await load(fixturePath("models/llama-gqa"), { threads: 1 });
  const edit = (checkpoint: Checkpoint) => mixBlocks(checkpoint, model.config, mixes);
  const first = await model.edited(edit, "0-1 3");
  const second = await model.edited(edit, "0 4 3");
  await first.dispose();
  await model.dispose();
  // What it shares with the model that it was made of is still there.
  expect((await second.session().feed([1, 2])).every(Number.isFinite)).toBe(true);
  await second.dispose();
});
