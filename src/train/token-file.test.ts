import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CorpusFiles, inspectCorpus } from "../text/corpus.ts";
import { newTokenizer } from "../text/new-tokenizer.ts";
import { openTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { Windows } from "./batches.ts";
import { requireSequence, type TokenFile, tokenizeCorpus } from "./token-file.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-tokens-"));
});
afterEach(() => rm(folder, { recursive: true }));

async function tokenized(text: string, validation: number | CorpusFiles, tokenizer?: Tokenizer) {
  await writeFile(join(folder, "a.txt"), text);
  const files = { paths: [join(folder, "a.txt")], field: "text", separator: "|" };
  const facts = await inspectCorpus(files);
  return tokenizeCorpus(join(folder, "tokens"), { files, facts, validation }, tokenizer ?? (await newTokenizer()));
}

async function read({ path, width }: TokenFile): Promise<number[]> {
  const { buffer, byteOffset, length } = await readFile(path);
  const bytes = buffer.slice(byteOffset, byteOffset + length);
  return Array.from(width === 2 ? new Uint16Array(bytes) : new Uint32Array(bytes));
}

/** Tokens of the byte tokenizer as text, its end as "|". */
async function text(file: TokenFile): Promise<string> {
  const tokenizer = await newTokenizer();
  return (await read(file)).map((token) => (token === 0 ? "|" : tokenizer.decode([token]))).join("");
}

describe("tokens on disk", () => {
  it("are the documents, each with the end of a text behind it", async () => {
    const { train, validation } = await tokenized("One|Two", 0);
    expect(await text(train)).toBe("One|Two|");
    expect({ tokens: train.tokens, width: train.width, held: validation.tokens }).toEqual({
      tokens: 8,
      width: 2,
      held: 0,
    });
  });

  it("hold out the end of a few documents, and whole ones of many", async () => {
    const few = await tokenized("abcdefghi", 0.3);
    expect([await text(few.train), await text(few.validation)]).toEqual(["abcdefg", "hi|"]);
    const names = Array.from({ length: 400 }, (_, i) => `doc ${i}`);
    const many = await tokenized(names.join("|"), 0.2);
    const [kept, held] = [await text(many.train), await text(many.validation)].map((all) =>
      all.split("|").slice(0, -1),
    );
    expect([...kept!, ...held!].sort()).toEqual([...names].sort());
    expect(held!.length).toBeGreaterThan(50);
    expect(held!.length).toBeLessThan(110);
  });

  it("hold out a file of its own", async () => {
    await writeFile(join(folder, "b.txt"), "held");
    const { train, validation } = await tokenized("One", { paths: [join(folder, "b.txt")], field: "text" });
    expect([await text(train), await text(validation)]).toEqual(["One|", "held|"]);
  });

  it("have what a tokenizer puts before and after every text", async () => {
    const plain = JSON.parse((await newTokenizer()).files()["tokenizer.json"]);
    const framed = await openTokenizer({
      kind: "huggingface",
      tokenizer: {
        ...plain,
        added_tokens: [...plain.added_tokens, { id: 257, content: "<s>", special: true }],
        post_processor: {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "<s>" } }, { Sequence: { id: "A" } }],
        },
      },
      config: { bos_token: "<s>", eos_token: "<|endoftext|>" },
    });
    const [a, b] = framed.encode("ab", { special: false });
    expect(await read((await tokenized("ab|b", 0, framed)).train)).toEqual([257, a, b, 0, 257, b, 0]);
  });

  it("are found again, and made anew where the corpus, the split or the tokenizer is another", async () => {
    const first = await tokenized("One|Two", 0);
    const made = (await stat(first.train.path)).mtimeMs;
    const again = await tokenized("One|Two", 0);
    expect(again).toEqual(first);
    expect((await stat(again.train.path)).mtimeMs).toBe(made);
    expect((await tokenized("One|Two!", 0)).sha256).not.toBe(first.sha256);
    expect((await tokenized("One|Two", 0.5)).sha256).not.toBe(first.sha256);
    expect(await readdir(join(folder, "tokens"))).toEqual(["tokens.json", "train.bin", "validation.bin"]);
  });

  it("replace no folder that is something else", async () => {
    await tokenized("One", 0);
    await rm(join(folder, "tokens", "tokens.json"));
    await expect(tokenized("One", 0)).rejects.toMatchObject({ code: "output-exists" });
  });

  it("are too few for a sequence, or to hold out", async () => {
    const corpus = await tokenized("abcdefghi", 0.1);
    expect(() => requireSequence(corpus, 16, true)).toThrow(
      "the corpus has 9 tokens to train on; one sequence of 16 takes 17",
    );
    expect(() => requireSequence(corpus, 4, true)).toThrow("the part that is held out has 1 tokens");
    expect(() => requireSequence(corpus, 4, false)).not.toThrow();
  });
});

describe("batches", () => {
  const shape = { sequences: 2, length: 4 };

  it("are windows and the token after each, every window once an epoch", async () => {
    const { train } = await tokenized("abcdefghijklmnopqrst", 0);
    const windows = await Windows.open(train, shape);
    const tokenizer = await newTokenizer();
    expect(windows.count).toBe(5);
    const source = windows.shuffled(1);
    const seen: string[] = [];
    for (let i = 0; i < 5; i++) {
      const { tokens, targets } = await source.batch(i);
      for (const at of [0, 4]) {
        const [row, next] = [tokens, targets].map((all) =>
          tokenizer.decode(Array.from(all.subarray(at, at + 4)), { special: true }),
        );
        expect(next!.startsWith(row!.slice(1))).toBe(true);
        seen.push(row!);
      }
    }
    const all = ["abcd", "efgh", "ijkl", "mnop", "qrst"];
    expect(seen.slice(0, 5).sort()).toEqual(all);
    expect(seen.slice(5).sort()).toEqual(all);
    expect(seen.slice(5)).not.toEqual(seen.slice(0, 5));
    expect(await windows.shuffled(1).batch(3)).toEqual(await source.batch(3));
    await windows.close();
  });

  it("are spread over the file for evaluation; a short file is one window that is not full", async () => {
    const { train } = await tokenized("abcdefghijklmnopqrst", 0);
    const windows = await Windows.open(train, shape);
    const three = await windows.spread(1000);
    expect(three.map(({ tokens }) => tokens.length)).toEqual([8, 8, 4]);
    expect(await windows.spread(8)).toHaveLength(1);
    await windows.close();
    const short = await Windows.open((await tokenized("ab", 0)).train, shape);
    const [only] = await short.spread(1000);
    expect(Array.from(only!.targets)).toEqual([only!.tokens[1], 0, -1, -1]);
    await short.close();
  });
});
