import { appendFile, mkdtemp, readFile, rm, utimes, writeFile } from "node:fs/promises";
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

  it("has a file of its own for each schedule, type of weights, and state of the model's files", async () => {
    const tiny = await tinyModel();
    const names = new Set<string>();
    const note = async (options: Parameters<typeof load>[1]) => {
      const model = await load(tiny.path, options);
      names.add(await scoreFileName(model));
      await model.dispose();
    };
    await note({});
    await note({});
    expect(names.size).toBe(1);
    await note({ schedule: "0 2" });
    await note({ weights: "q8" });
    await note({ cache: "q8" });
    await utimes(join(tiny.path, "model.safetensors"), 1, 1);
    await note({});
    expect(names.size).toBe(5);
    expect(await readFile(join(tiny.path, "config.json"), "utf8")).toContain("llama");
    await tiny.remove();
  });
});
