import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { writeReport } from "./write-report.ts";

let parent: string;
let out: string;
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-report-"));
  out = join(parent, "a", "report");
});
afterEach(() => rm(parent, { recursive: true }));

const files = { "report.html": "<p>é</p>", "heatmap.png": Uint8Array.of(1, 2, 3) };

describe("writeReport", () => {
  it("makes the folder and writes every file", async () => {
    await writeReport(out, files);
    expect((await readdir(out)).sort()).toEqual(["heatmap.png", "report.html"]);
    expect(await readFile(join(out, "report.html"), "utf8")).toBe("<p>é</p>");
    expect([...(await readFile(join(out, "heatmap.png")))]).toEqual([1, 2, 3]);
  });

  it("replaces an earlier report and leaves other files alone", async () => {
    await mkdir(out, { recursive: true });
    await writeFile(join(out, "notes.txt"), "mine");
    await writeReport(out, files);
    await writeReport(out, { "report.html": "new" });
    expect((await readdir(out)).sort()).toEqual(["heatmap.png", "notes.txt", "report.html"]);
    expect(await readFile(join(out, "report.html"), "utf8")).toBe("new");
  });

  it("leaves the earlier report as it was where it is interrupted or cannot go on", async () => {
    await writeReport(out, files);
    const controller = new AbortController();
    controller.abort();
    await expect(writeReport(out, { "report.html": "new" }, controller.signal)).rejects.toMatchObject({
      code: "interrupted",
    });
    // A name that no file can have, behind one that is fine.
    await expect(writeReport(out, { "report.html": "new", "no/such.png": "x" })).rejects.toThrow();
    expect((await readdir(out)).sort()).toEqual(["heatmap.png", "report.html"]);
    expect(await readFile(join(out, "report.html"), "utf8")).toBe("<p>é</p>");
  });

  it.each(["file", "file/below"])("refuses %s, where a file stands", async (path) => {
    await writeFile(join(parent, "file"), "mine");
    await expect(writeReport(join(parent, path), files)).rejects.toMatchObject({
      kind: "input",
      code: "output-exists",
    });
    expect(await readFile(join(parent, "file"), "utf8")).toBe("mine");
  });
});
