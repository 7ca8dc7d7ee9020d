/** `refrain train` in processes of their own, killed at any moment. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { logOf, type TinyRun, tinyRun } from "../src/train/run.testing.ts";

let tiny: TinyRun;
beforeAll(async () => {
  tiny = await tinyRun();
});
afterAll(() => tiny.remove());

const main = fileURLToPath(new URL("../src/cli/main.ts", import.meta.url));
const runTs = fileURLToPath(new URL("./run-ts.mjs", import.meta.url));

function train(...words: string[]) {
  const child = spawn(process.execPath, ["--import", runTs, main, "train", ...words, "--threads", "1"]);
  let err = "";
  child.stderr.on("data", (data) => (err += data));
  return { child, ended: once(child, "close").then(([code, signal]) => ({ code, signal, err })) };
}

const lines = (out: string) =>
  readFile(`${out}/train.jsonl`, "utf8").then(
    (text) => text.split("\n").length,
    () => 0,
  );

it("goes on after kill -9 at any moment with the same losses and the same model, to the bit", async () => {
  const file = await tiny.file("long", { steps: 240, saveEvery: 3, evaluateEvery: 40 });
  const [whole, killed] = [tiny.path("whole"), tiny.path("killed")];
  expect(await train(file, "-o", whole).ended).toMatchObject({ code: 0 });

  let kills = 0;
  for (let attempt = 0; attempt < 12; attempt++) {
    // It may have been killed before it had begun.
    const resume = existsSync(`${killed}/train.json`) ? ["--resume"] : [];
    const { child, ended } = train(file, "-o", killed, ...resume);
    const more = (await lines(killed)) + Math.floor(Math.random() * 40);
    let over = false;
    void ended.then(() => (over = true));
    while (!over && (await lines(killed)) < more) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
    child.kill("SIGKILL");
    const { code, signal, err } = await ended;
    if (signal === "SIGKILL") kills++;
    else {
      // The one before may have been killed when all was written.
      if (code !== 0) expect(err).toContain("is finished");
      break;
    }
  }
  const { code, err } = await train(file, "-o", killed, "--resume").ended;
  if (code !== 0) expect(err).toContain("is finished");
  expect(kills).toBeGreaterThan(0);
  expect(await logOf(killed)).toEqual(await logOf(whole));
  const [a, b] = await Promise.all([killed, whole].map((out) => readFile(`${out}/model.safetensors`)));
  expect(a!.equals(b!)).toBe(true);
}, 120_000);

it("refuses a second process in its folder; saves at Ctrl-C and says how to go on", async () => {
  const file = await tiny.file("stopped", { steps: 100_000 });
  const { child, ended } = train(file, "-o", tiny.path("stopped"));
  while ((await lines(tiny.path("stopped"))) < 5) await new Promise((resolve) => setTimeout(resolve, 1));
  const second = await train(file, "-o", tiny.path("stopped"), "--resume").ended;
  expect(second).toMatchObject({ code: 2, err: expect.stringContaining(`is in use by process ${child.pid}, since`) });
  child.kill("SIGINT");
  const { code, err } = await ended;
  expect(code).toBe(130);
  expect(err).toMatch(
    /error: Interrupted after step \d+ of 100000, which is saved\nhelp: The same command with --resume/,
  );
  expect((await readdir(tiny.path("stopped"))).filter((name) => name.includes("lock"))).toEqual([]);
});
