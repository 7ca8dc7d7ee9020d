import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FileJournal } from "./journal.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-journal-"));
});
afterAll(() => rm(folder, { recursive: true }));

const state = { rounds: [{ dropped: 3, loss: 1 / 3 }], windows: 2 };

describe("the journal of a search", () => {
  it("gives back what was written, to the bit, to the same search only", async () => {
    const out = join(folder, "out");
    const journal = new FileJournal(out, { method: "a" });
    expect(await journal.read()).toBeUndefined();
    await journal.write([1]);
    await journal.write(state);
    expect(await new FileJournal(out, { method: "a" }).read()).toEqual(state);
    const other = new FileJournal(out, { method: "b" });
    expect(await other.read()).toBeUndefined();
    await other.write([2]);
    expect(await journal.read()).toEqual(state);
    await other.forget();
    await journal.forget();
    await journal.forget();
    expect(await journal.read()).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it("stands beside what is to be written", () => {
    const { path } = new FileJournal("some/out/", { method: "a" });
    expect(basename(path)).toMatch(/^out\.search-[0-9a-f]{8}\.json$/);
  });

  it.each<[string, (text: string) => string]>([
    ["empty", () => ""],
    ["cut", (text) => text.slice(0, -10)],
    ["changed in its state", (text) => text.replace('"dropped":3', '"dropped":4')],
    ["of another search", (text) => text.replace(/search [0-9a-f]/, "search x")],
    ["longer than it was", (text) => `${text}more`],
  ])("is refused where it is %s", async (_, damage) => {
    const journal = new FileJournal(join(folder, "damaged"), { method: "a" });
    await journal.write(state);
    await writeFile(journal.path, damage(await readFile(journal.path, "utf8")));
    await expect(journal.read()).rejects.toMatchObject({ kind: "input", code: "journal-damaged" });
    await expect(journal.read()).rejects.toThrow(journal.path);
  });
});
