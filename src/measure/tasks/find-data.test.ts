import { readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { fixturePath } from "../../../test/fixtures.ts";
import { type FakeHub, startFakeHub } from "../../weights/hub.testing.ts";
import { findData } from "./find-data.ts";
import { tasks } from "./tasks.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-data-"));
});
afterEach(() => rm(folder, { recursive: true }));

const task = (name: string) => tasks.find((task) => task.name === name)!;

async function put(...names: string[]): Promise<void> {
  for (const name of names) await writeFile(join(folder, name), '{"x": 1}\n');
}

describe("findData", () => {
  it("finds a file by the task's name, another name of it, or a name that begins so", async () => {
    await put("arc_easy.jsonl", "openbook_qa.jsonl", "mmlu_test_first200.jsonl", "arc_challenge.txt");
    for (const [name, file] of [
      ["arc_easy", "arc_easy.jsonl"],
      ["openbookqa", "openbook_qa.jsonl"],
      ["mmlu", "mmlu_test_first200.jsonl"],
    ] as const) {
      expect((await findData(task(name), [folder], {})).name).toBe(file);
    }
  });

  it("takes the file that is named for the task before any folder, and the first folder that has one", async () => {
    const second = join(folder, "second");
    await mkdir(second);
    await put("piqa.jsonl", "other.jsonl");
    const named = `piqa=${join(folder, "other.jsonl")}`;
    expect((await findData(task("piqa"), [second, folder, named], {})).name).toBe("other.jsonl");
    expect((await findData(task("piqa"), [second, folder], {})).name).toBe("piqa.jsonl");
  });

  it.each<[string, string[], RegExp, RegExp]>([
    ["nothing in the folder", [], /boolq: no data in /, /Put boolq\.jsonl there .*--data boolq=FILE/],
    [
      "two files",
      ["boolq_a.jsonl", "boolq_b.csv"],
      /several files for boolq: boolq_a\.jsonl, boolq_b\.csv/,
      /--data boolq=/,
    ],
  ])("refuses %s", async (_, names, message, help) => {
    await put(...names);
    await expect(findData(task("boolq"), [folder], {})).rejects.toMatchObject({
      code: "task-data-missing",
      message: expect.stringMatching(message),
      help: expect.stringMatching(help),
    });
  });

  it("a folder that there is not is named", async () => {
    await expect(findData(task("boolq"), [join(folder, "none")], {})).rejects.toMatchObject({
      message: expect.stringMatching(/There is no folder .*none/),
    });
  });
});

describe("data on the hub", () => {
  let hub: FakeHub;
  beforeEach(async () => {
    vi.stubEnv("HF_HUB_CACHE", folder);
    vi.stubEnv("HF_TOKEN", undefined);
    vi.stubEnv("HF_HUB_OFFLINE", undefined);
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await hub.close();
  });
  const start = async (files: Record<string, Uint8Array>) => {
    hub = await startFakeHub("datasets/allenai/ai2_arc", files, "refs/convert/parquet");
    vi.stubEnv("HF_ENDPOINT", hub.url);
  };

  it("is fetched as parquet from the branch that the hub makes, once", async () => {
    await start({ "ARC-Easy/test/0000.parquet": readFileSync(fixturePath("tasks/arc_easy.parquet")) });
    const { rows } = await findData(task("arc_easy"), [], {});
    expect(rows.map((row) => task("arc_easy").item(row).gold)).toEqual([0, 1, 1]);
    const asked = hub.requests.length;
    expect((await findData(task("arc_easy"), [], {})).rows).toHaveLength(3);
    expect(hub.requests).toHaveLength(asked);
  });

  it("says what the repository lacks", async () => {
    await start({ "ARC-Easy/test/0001.parquet": new Uint8Array(8) });
    await expect(findData(task("arc_easy"), [], {})).rejects.toMatchObject({
      code: "hub-file-missing",
      message: expect.stringContaining("has no ARC-Easy/test/0000.parquet on refs/convert/parquet"),
    });
  });
});
