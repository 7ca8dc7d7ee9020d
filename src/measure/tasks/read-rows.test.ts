import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../../test/fixtures.ts";
import { RefrainError } from "../../errors.ts";
import { readSmallFile } from "../../weights/node-file.ts";
import { jsonRows, readRows } from "./read-rows.ts";
import { tasks } from "./tasks.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-rows-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function written(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

const task = (name: string) => tasks.find((task) => task.name === name)!;

describe("readRows", () => {
  it("reads JSON Lines; blank lines do not count, but their numbers do", async () => {
    const { name, rows, sha256 } = await readRows(await written("a.jsonl", '{"x": "one"}\n\n{"x": "two"}\r\n'));
    expect(name).toBe("a.jsonl");
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    expect(rows.map((row) => [row.place, row.text("x")])).toEqual([
      ["a.jsonl, line 1", "one"],
      ["a.jsonl, line 3", "two"],
    ]);
  });

  it("reads CSV with a line of names; a list is JSON in its cell", async () => {
    const csv = 'question,choices,gold\n"What,\nthen?","[""a"", ""b""]",1\nWhy?,"[""c"",""d""]",0\n';
    const { rows } = await readRows(await written("arc.csv", csv));
    expect(rows.map((row) => row.place)).toEqual(["arc.csv, line 3", "arc.csv, line 4"]);
    const items = rows.map((row) => task("arc_easy").item(row));
    expect(items[0]!.requests[1]).toEqual({ context: "Question: What,\nthen?\nAnswer:", continuation: " b" });
    expect(items.map(({ gold }) => gold)).toEqual([1, 0]);
  });

  it.each(["arc_easy", "mmlu"])("reads %s from parquet as from JSON Lines", async (name) => {
    const [parquet, json] = await Promise.all(
      ["parquet", "jsonl"].map((ending) => readRows(fixturePath(`tasks/${name}.${ending}`))),
    );
    expect(parquet!.rows.map((row) => task(name).item(row))).toEqual(json!.rows.map((row) => task(name).item(row)));
    expect(parquet!.rows[1]!.place).toBe(`${name}.parquet, row 2`);
  });

  it.each<[string, string, string | Uint8Array, string, RegExp]>([
    ["a line that is not JSON", "b.jsonl", '{"x": 1}\n{"x": \n', "task-data", /b\.jsonl, line 2: /],
    ["a line that is no object", "b.jsonl", "[1]\n", "task-data", /line 1: not a JSON object/],
    [
      "a line without an end",
      "b.jsonl",
      `{"x": "${"y".repeat(1 << 20)}"}`,
      "task-data",
      /line 1: the line has 1048585/,
    ],
    ["CSV with a row too long", "b.csv", "a,b\n1,2\n1,2,3\n", "task-data", /b\.csv: Invalid Record Length.*line 3/],
    ["CSV with an open quote", "b.csv", 'a,b\n"1,2\n', "task-data", /b\.csv: Quote Not Closed/],
    ["a parquet file that is none", "b.parquet", "no parquet at all", "task-data", /b\.parquet: .*[\s\S]*/],
    ["an ending that it does not know", "b.bz2", "x", "task-data", /the name ends in "\.bz2"/],
    ["text that is not UTF-8", "b.jsonl", Uint8Array.of(0x7b, 0xff), "text-encoding", /is not UTF-8/],
    ["an empty file", "b.jsonl", "\n", "text-empty", /is empty/],
  ])("refuses %s", async (_, name, content, code, message) => {
    const path = await written(name, content);
    await expect(readRows(path)).rejects.toMatchObject({
      kind: "input",
      code,
      message: expect.stringMatching(message),
    });
  });

  it("a file that is missing is named", async () => {
    await expect(readRows(join(folder, "none.jsonl"))).rejects.toMatchObject({ code: "file-missing" });
  });

  it("whatever stands in a JSON file, rows or an input error come of it", () => {
    const field = fc.oneof(fc.constantFrom("question", "choices", "gold", "__proto__", "text"), fc.string());
    const line = fc.oneof(
      fc.string(),
      fc.dictionary(field, fc.jsonValue()).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        try {
          for (const row of jsonRows(lines.join("\n"), "f.jsonl"))
            for (const { item } of tasks) tryItem(() => item(row));
        } catch (error) {
          if (!RefrainError.is(error)) throw error;
        }
      }),
    );
  });

  it("a damaged parquet file is an input error or rows, never anything else", { timeout: 30_000 }, async () => {
    const whole = await readSmallFile(fixturePath("tasks/arc_easy.parquet"), 1 << 20);
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), async (at, byte, length) => {
        const bytes = whole.slice(0, Math.max(length, at + 1));
        bytes[at] = byte;
        try {
          for (const row of (await readRows(await written("damaged.parquet", bytes))).rows) {
            tryItem(() => task("arc_easy").item(row));
          }
        } catch (error) {
          if (!RefrainError.is(error)) throw error;
        }
      }),
      { numRuns: 300 },
    );
  });
});

function tryItem(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!RefrainError.is(error)) throw error;
  }
}
