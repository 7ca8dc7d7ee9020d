import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { TrainingLog } from "./training-log.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-log-"));
});
afterEach(() => rm(folder, { recursive: true }));

const step = (step: number) => ({ step, tokens: step * 10, loss: 3, rate: 1, gradientNorm: 1, seconds: 1 });
const lines = async () => (await readFile(join(folder, "train.jsonl"), "utf8")).split("\n");

it("has a line for every entry as soon as it is written", async () => {
  const log = await TrainingLog.open(join(folder, "train.jsonl"), 0);
  await log.write({ step: 0, heldOutLoss: 4 });
  await log.write(step(1));
  expect((await lines()).slice(0, 2).map((line) => JSON.parse(line))).toEqual([{ step: 0, heldOutLoss: 4 }, step(1)]);
  await log.close();
});

it("drops what a killed run logged after its checkpoint, half a line too", async () => {
  const path = join(folder, "train.jsonl");
  const entries = [{ step: 0, heldOutLoss: 4 }, step(1), step(2), { step: 2, heldOutLoss: 3 }, step(3)];
  await writeFile(path, `${entries.map((entry) => JSON.stringify(entry)).join("\n")}\n{"step":4,"lo`);
  const log = await TrainingLog.open(path, 2);
  expect(log.entries).toEqual(entries.slice(0, 4));
  await log.write(step(3));
  await log.close();
  expect((await lines()).filter((line) => line !== "").map((line) => JSON.parse(line).step)).toEqual([0, 1, 2, 2, 3]);
});

it("begins anew with a run that does", async () => {
  const path = join(folder, "train.jsonl");
  await writeFile(path, `${JSON.stringify({ step: 0, heldOutLoss: 4 })}\n`);
  const log = await TrainingLog.open(path, 0);
  await log.close();
  expect(await lines()).toEqual([""]);
});
