import { appendFile, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { tinyModel } from "../../cli/tiny-model.testing.ts";
import { load } from "../../refrain.ts";
import { ScoreStore, scoreFileName } from "./score-store.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-store-"));
  path = join(folder, "deeper", "scores.jsonl");
});
afterEach(() => rm(folder, { recursive: true }));

const one = [{ context: [1, 2], continuation: [3] }];
const other = [{ context: [1], continuation: [2, 3] }];
const scores = [{ logLikelihood: -1.2345678901234567, greedy: true }];

describe("ScoreStore", () => {
  it("gives back to the bit what an earlier run has added, and knows items by their tokens", async () => {
    const first = await ScoreStore.open(path);
    expect(first.get(one)).toBeUndefined();
    await first.add(one, scores);
    expect(first.get(one)).toEqual(scores);
    await first.close();
    const second = await ScoreStore.open(path);
    expect(second.get(one)).toEqual(scores);
    expect(second.get(other)).toBeUndefined();
    await second.close();
  });

  it("a line that was cut off is passed over, and what comes after it is not lost", async () => {
    const first = await ScoreStore.open(path);
    await first.add(one, scores);
    await first.close();
    await appendFile(path, '{"item":"abc","scores":[-1');
    const second = await ScoreStore.open(path);
    expect(second.get(one)).toEqual(scores);
    await second.add(other, scores);
    await second.close();
    const third = await ScoreStore.open(path);
    expect([third.get(one), third.get(other)]).toEqual([scores, scores]);
    await third.close();
  });

  it("whatever stands in the file, it opens, and gives scores or nothing", async () => {
    const line = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom('{"item":"a","scores":[1,"x"],"greedy":[1,1]}', "null"),
    );
    const store = await ScoreStore.open(path);
    await store.close();
    await fc.assert(
      fc.asyncProperty(fc.array(line), async (lines) => {
        await writeFile(path, lines.join("\n"));
        const store = await ScoreStore.open(path);
        expect(store.get(one)).toBeUndefined();
        await store.close();
      }),
    );
  });

  it("a place that cannot be written to is a clear failure", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(ScoreStore.open(join(folder, "file", "scores.jsonl"))).rejects.toMatchObject({
      code: "not-writable",
      help: expect.stringContaining("XDG_CACHE_HOME"),
    });
  });

  it("has a file of its own for each schedule, type of weights and cache, and for other weights, wherever they lie", async () => {
    const [tiny, copy] = await Promise.all([tinyModel(), tinyModel()]);
    const nameOf = async (path: string, options: Parameters<typeof load>[1] = {}) => {
      const model = await load(path, options);
      const name = scoreFileName(model);
      await model.dispose();
      return name;
    };
    const plain = await nameOf(tiny.path);
    expect(await nameOf(copy.path)).toBe(plain);
    const others = [
      await nameOf(tiny.path, { schedule: "0 2" }),
      await nameOf(tiny.path, { weights: "q8" }),
      await nameOf(tiny.path, { cache: "q8" }),
    ];
    const weights = join(copy.path, "model.safetensors");
    const bytes = await readFile(weights);
    // The last weight's exponent.
    bytes[bytes.length - 1]! ^= 1;
    await writeFile(weights, bytes);
    others.push(await nameOf(copy.path));
    expect(new Set([plain, ...others]).size).toBe(5);
    await Promise.all([tiny.remove(), copy.remove()]);
  });

  it("is named by quantized weights themselves, on however many threads they are shared out", async () => {
    const tiny = await tinyModel();
    const weights = join(tiny.path, "model.safetensors");
    const nameOf = async (threads: number) => {
      const model = await load(tiny.path, { weights: "q8", threads });
      const name = scoreFileName(model);
      await model.dispose();
      return name;
    };
    const name = await nameOf(1);
    expect(await nameOf(2)).toBe(name);
    expect(await nameOf(3)).toBe(name);
    // A sign somewhere in the first tensor, a matrix that is kept quantized: the file begins with its header's length.
    const bytes = await readFile(weights);
    const header = Number(bytes.readBigUInt64LE(0));
    const tensors = JSON.parse(bytes.subarray(8, 8 + header).toString()) as Record<
      string,
      { data_offsets: [number, number] }
    >;
    const key = Object.keys(tensors).find((tensor) => tensor.endsWith("q_proj.weight"))!;
    for (let at = 0; at < 64; at++) bytes[8 + header + tensors[key]!.data_offsets[0] + 4 * at + 3]! ^= 0x80;
    await writeFile(weights, bytes);
    expect(await nameOf(1)).not.toBe(name);
    await tiny.remove();
  });

  it("has another name with an adapter", async () => {
    const nameOf = async (options: Parameters<typeof load>[1] = {}) => {
      const model = await load("test/fixtures/models/llama-gqa", options);
      const name = scoreFileName(model);
      await model.dispose();
      return name;
    };
    expect(await nameOf({ adapter: "test/fixtures/adapters/llama-gqa" })).not.toBe(await nameOf());
  });
});
