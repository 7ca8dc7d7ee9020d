/** What commands say and leave when the disk becomes full, and that they go on. Training's own test is in train/run.test.ts. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { whileFull } from "../weights/full-disk.testing.ts";
import { type Bench, bench } from "./measuring.testing.ts";
import { commandLine } from "./terminal.testing.ts";

let at: Bench;
beforeAll(async () => {
  at = await bench();
});
afterAll(() => at.remove());

const small = () => ["--text", at.text, "--length", "16", "--tokens", "640", "--threads", "1"];
const commands: Readonly<Record<string, () => string[]>> = {
  "heal to an adapter": () => ["heal", at.model, "--schedule", "0 2", "--teacher", "0-2", "--rank", "2", ...small()],
  "heal to a model": () => ["heal", at.model, "--schedule", "0 2", "--layers", "1", ...small()],
  distill: () => ["distill", "--teacher", at.model, "--student", at.model, "--schedule", "0 2", ...small()],
  "shrink by a search": () => [
    ...["shrink", at.model, "--drop", "1", "--by", "perplexity", "--text", at.text],
    ...["--window", "64", "--windows", "2", "--threads", "1"],
  ],
  "shrink and heal": () => [
    ...["shrink", at.model, "--schedule", "0 2", "--heal", "640", "--text", at.text, "--threads", "1"],
  ],
  // Three models; a step of each.
  reproduce: () => [
    "reproduce",
    "one-wide-ffn",
    "--text",
    "data/alice.txt",
    "--tokens",
    "1024",
    "--seeds",
    "1",
    "--threads",
    "1",
  ],
};

/** Weights that were written, by path within the folder, and for an experiment its losses. */
async function weightsIn(out: string): Promise<Record<string, unknown>> {
  const names = (await readdir(out, { recursive: true })).filter((name) => name.endsWith(".safetensors"));
  const weights = names
    .sort()
    .map(async (name) => [name, (await readFile(join(out, name))).toString("base64")] as const);
  const report = join(out, "report.json");
  const losses = existsSync(report)
    ? JSON.parse(await readFile(report, "utf8")).outcomes.map(({ loss }: { loss: number }) => loss)
    : [];
  return { ...Object.fromEntries(await Promise.all(weights)), losses };
}

describe("a disk that becomes full", () => {
  it.each(Object.entries(commands))(
    "under %s is said once, leaves nothing half written, and the command goes on",
    async (name, words) => {
      const folder = at.path(name);
      await mkdir(folder);
      const run = (out: string, full = 0, ...more: string[]) =>
        whileFull(full, () => commandLine([...words(), "-o", join(folder, out), ...more]));
      const { result: whole, writes } = await run("whole");
      expect(whole.code, whole.err).toBe(0);
      const expected = await weightsIn(join(folder, "whole"));
      const names = await readdir(join(folder, "whole"));

      // Before the first checkpoint, in the middle, and when all is learned but not all is written.
      for (const full of [3, Math.ceil(writes / 2), writes - 6, writes]) {
        const out = `full${full}`;
        const { result: stopped } = await run(out, full);
        expect(stopped, `write ${full} of ${writes}`).toMatchObject({ code: 1, out: "" });
        expect(stopped.err.match(/^error: /gm), stopped.err).toHaveLength(1);
        expect(stopped.err).toMatch(/^error: Not enough space in .*the disk became full\nhelp: Free some space.*/m);
        if (name === "reproduce") expect(stopped.err).toContain("the same command then goes on");
        // A folder of an experiment holds its runs; all others are whole or not there.
        if (name !== "reproduce") expect(existsSync(join(folder, out))).toBe(false);
        const left = await readdir(folder, { recursive: true });
        expect(left.filter((path) => /partial|lock/.test(path))).toEqual([]);

        const resume = stopped.err.includes("--resume") ? ["--resume"] : [];
        const state = (await readdir(folder)).filter((path) => path.startsWith(`${out}.heal`));
        // `shrink` goes on without being told to: from its only checkpoint, when all is learned.
        const kept = name === "shrink and heal" ? full >= writes - 6 : resume.length > 0;
        expect(state).toHaveLength(kept ? 2 : 0);
        const { result: again } = await run(out, 0, ...resume);
        expect(again.code, again.err).toBe(0);
        expect(await weightsIn(join(folder, out))).toEqual(expected);
        expect((await readdir(join(folder, out))).sort()).toEqual(names.sort());
      }
      expect((await readdir(folder)).filter((path) => !/^(whole|full\d+)$/.test(path))).toEqual([]);
    },
    180_000,
  );
});
