import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CorpusFiles, inspectCorpus, readCorpus } from "./corpus.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-corpus-"));
});
afterAll(() => rm(folder, { recursive: true }));

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(join(folder, name), content);
  return join(folder, name);
}

/** Documents, each in its parts. */
async function documents(files: Partial<CorpusFiles> & Pick<CorpusFiles, "paths">): Promise<string[][]> {
  const all: string[][] = [[]];
  for await (const { text, last } of readCorpus({ field: "text", ...files }, { label: "reading" })) {
    all.at(-1)!.push(text);
    if (last) all.push([]);
  }
  expect(all.pop()).toEqual([]);
  return all;
}

describe("a corpus of text", () => {
  it("is a document a file where no separator is named", async () => {
    const paths = [
      await file("a.txt", "\ufeffOne.\n"),
      await file("empty.txt", " \n"),
      await file("b.txt", "Two\ufeff."),
    ];
    expect(await documents({ paths })).toEqual([["One.\n"], ["Two\ufeff."]]);
  });

  it("is cut at the separator, without the line breaks around it and without empty documents", async () => {
    const path = await file("cut.txt", "\nOne\n two.\n|end|\n|end|Three|end|\n\n");
    expect(await documents({ paths: [path], separator: "|end|" })).toEqual([["One\n two."], ["Three"]]);
  });

  it("comes in parts where a document is long, each cut before a blank, nothing lost, characters whole", async () => {
    const text = `${"Ein Wörtchen, 漢字 und 👍! ".repeat(150_000)}|end| Ende`;
    const path = await file("long.txt", text);
    const [long, short] = await documents({ paths: [path], separator: "|end|" });
    expect(short).toEqual([" Ende"]);
    expect(long!.length).toBeGreaterThan(2);
    expect(long!.join("")).toBe(text.slice(0, text.indexOf("|end|")));
    for (const part of long!.slice(1)) expect(part).toMatch(/^\s/);
    for (const part of long!) expect(part.length).toBeLessThanOrEqual(3 << 20);
  });

  it("is cut within a word where a text has no blanks, in no character", async () => {
    const text = "👍".repeat(2_000_001);
    const [parts] = await documents({ paths: [await file("thumbs.txt", text)] });
    expect(parts!.length).toBeGreaterThan(1);
    expect(parts!.every((part) => part.length % 2 === 0)).toBe(true);
    expect(parts!.join("")).toBe(text);
  });

  it("gives the same documents wherever a separator falls in the stream", async () => {
    const document = fc.string({ unit: fc.constantFrom("a", " ", "é", "漢", "<", "|"), minLength: 1, maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(fc.array(document, { maxLength: 6 }), fc.integer({ min: -9, max: 9 }), async (texts, shift) => {
        const padding = "x".repeat((1 << 20) + shift);
        const path = await file("any.txt", [padding, ...texts].join("<|>"));
        const found = await documents({ paths: [path], separator: "<|>" });
        const whole = [padding, ...texts].join("<|>").split("<|>");
        expect(found.map((parts) => parts.join(""))).toEqual(whole.filter((text) => text.trim() !== ""));
      }),
      { numRuns: 20 },
    );
  });
});

describe("a corpus of JSON lines", () => {
  it("takes the named field, a document a line", async () => {
    const lines = [{ text: "One" }, { text: "Two\nlines", other: 1 }, { text: " " }].map((line) =>
      JSON.stringify(line),
    );
    const path = await file("a.jsonl", `${lines.join("\n")}\n\n`);
    expect(await documents({ paths: [path] })).toEqual([["One"], ["Two\nlines"]]);
    expect(await documents({ paths: [await file("b.JSONL", '{"story":"One"}')], field: "story" })).toEqual([["One"]]);
  });
});

describe("reading a corpus once", () => {
  it("counts documents and bytes, and knows the same bytes cut otherwise from the same", async () => {
    const paths = [await file("facts.txt", "One|Two")];
    const cut = await inspectCorpus({ paths, field: "text", separator: "|" });
    const whole = await inspectCorpus({ paths, field: "text" });
    expect(cut).toMatchObject({ documents: 2, bytes: 7 });
    expect(whole).toMatchObject({ documents: 1, bytes: 7 });
    expect(cut.sha256).not.toBe(whole.sha256);
  });

  it.each<[string, string, string | Uint8Array, string]>([
    ["a file that is missing", "", "", "There is no file"],
    ["an empty file", "e.txt", "", "there is no text"],
    ["only blanks", "w.txt", " \n\t\n", "there is no text"],
    ["Latin-1", "l.txt", Buffer.from("caf\xe9 noir", "latin1"), "is not UTF-8: byte 3 begins no character"],
    [
      "a character cut off at the end",
      "c.txt",
      Buffer.from([0x61, 0xe6, 0xbc]),
      "is not UTF-8: byte 1 begins no character",
    ],
    [
      "a bad byte behind the first MiB",
      "m.txt",
      Buffer.concat([Buffer.from("é".repeat(600_000)), Buffer.from([0xff]), Buffer.from("a")]),
      "is not UTF-8: byte 1200000 begins no character",
    ],
    ["a line that is not JSON", "j.jsonl", '{"text":"a"}\n{"text":', "j.jsonl, line 2: it is not JSON"],
    ["a line without the field", "f.jsonl", '{"story":"a"}', 'f.jsonl, line 1: it has no text "text"'],
    ["a line that is a text", "t.jsonl", '"a"', 't.jsonl, line 1: it has no text "text"'],
  ])("refuses %s", async (_, name, content, message) => {
    const path = name === "" ? join(folder, "nowhere.txt") : await file(name, content);
    await expect(inspectCorpus({ paths: [path], field: "text" })).rejects.toThrow(message);
  });
});
