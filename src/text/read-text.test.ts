import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readText } from "./read-text.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-text-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(content: string | Uint8Array): Promise<string> {
  const path = join(folder, "some.txt");
  await writeFile(path, content);
  return path;
}

describe("readText", () => {
  it("names the file, hashes its bytes and leaves out a byte order mark", async () => {
    const path = await file("\uFEFFabc");
    expect(await readText(path)).toEqual({
      name: "some.txt",
      text: "abc",
      sha256: "1c28dc3f1f804a1ad9c9b4b4cf5e2658d16ad4ed08e3020d04a8d2865018947c",
    });
  });

  it.each([
    ["no file", async () => join(folder, "nowhere.txt"), "file-missing", /no file .*nowhere\.txt/],
    ["a folder", async () => folder, "file-unreadable", /is not a file/],
    ["nothing", () => file(""), "text-empty", /some\.txt is empty/],
    ["only white space", () => file(" \n\t\n"), "text-empty", /is empty/],
    [
      "a wrong byte behind some right ones",
      () => file(Buffer.concat([Buffer.from("é".repeat(1000)), Buffer.from([0xe9]), Buffer.from("abc")])),
      "text-encoding",
      /not UTF-8: byte 2000 begins/,
    ],
    ["a character that is cut off at the end", () => file(Buffer.from([0x61, 0xc3])), "text-encoding", /byte 1 begins/],
  ])("refuses %s", async (_, make, code, message) => {
    const reading = readText(await make());
    await expect(reading).rejects.toMatchObject({ kind: "input", code });
    await expect(reading).rejects.toThrow(message);
  });
});
