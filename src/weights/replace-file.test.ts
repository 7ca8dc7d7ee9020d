import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { realDisk } from "./disk.ts";
import { replaceFile, replaceText } from "./replace-file.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-replace-"));
  path = join(folder, "a.txt");
});
afterEach(() => rm(folder, { recursive: true }));

it("writes a file, over another and over what a killed process left", async () => {
  await replaceText(path, "one");
  await writeFile(join(folder, ".a.txt.partial"), "left over and longer than what comes");
  await replaceText(path, "two");
  expect(await readFile(path, "utf8")).toBe("two");
  expect(await readdir(folder)).toEqual(["a.txt"]);
});

it("leaves the old file where the disk is full before or while it writes", async () => {
  await replaceText(path, "one");
  const full = { ...realDisk, freeBytes: async () => 10 };
  await expect(replaceFile(path, 11, [], full)).rejects.toMatchObject({ code: "disk-full", kind: "failure" });
  const fills = {
    ...realDisk,
    write: async () => {
      throw Object.assign(new Error("no space"), { code: "ENOSPC" });
    },
  };
  await expect(replaceFile(path, 3, [Buffer.from("two")], fills)).rejects.toMatchObject({ code: "disk-full" });
  expect(await readFile(path, "utf8")).toBe("one");
  expect(await readdir(folder)).toEqual(["a.txt"]);
});

it("hands on what its content throws", async () => {
  async function* failing() {
    yield Buffer.from("two");
    throw new Error("stop");
  }
  await expect(replaceFile(path, 3, failing())).rejects.toThrow("stop");
  expect(await readdir(folder)).toEqual([]);
});
