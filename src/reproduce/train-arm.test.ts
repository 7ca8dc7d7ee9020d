import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Arm } from "./experiment.ts";
import { llama } from "./shapes.ts";
import { trainArm } from "./train-arm.ts";

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), "refrain-arms-"));
});
afterAll(() => rm(out, { recursive: true }));

const shape = { width: 16, heads: 2, ffn: 32 };
const train = (arm: Arm) => {
  const run = { arm, seed: 3, folder: join(out, `${arm.name}-3`) };
  return trainArm(run, { text: "data/alice.txt", tokens: 4096, threads: 1 });
};

it("begins an arm as another of its seed ended, tied into its blocks, and leaves models only", async () => {
  const shared = { model: llama({ ...shape, blocks: 2 }), schedule: "(0-1)x2", relaxed: { rank: 2 } };
  const start = { from: "whole", init: "average" } as const;
  const whole = await train({ name: "whole", what: "", model: llama({ ...shape, blocks: 4 }) });
  const random = await train({ name: "random", what: "", ...shared });
  const tied = await train({ name: "tied", what: "", ...shared, start });
  // One run behind another has learned more than one.
  expect(tied.loss).toBeLessThan(Math.min(whole.loss, random.loss) - 0.1);
  expect((await readdir(out)).sort()).toEqual(["random-3", "tied-3", "whole-3"]);
}, 60_000);
