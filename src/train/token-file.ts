/**
 * The corpus as tokens on disk: it is tokenized once, into two files of numbers beside the run, `train.bin` and `validation.bin`, and read
 * from there a window at a time. So memory does not grow with the corpus, and a run that is resumed does not tokenize again. tokens.json
 * says what they were made from, and is written last.
 *
 * A document is what the tokenizer makes of its text, between the tokens that it puts before and after every text; where it ends
 * with none of them, the token that ends a text follows.
 */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { inputError, RefrainError } from "../errors.ts";
import { createRandom } from "../generate/random.ts";
import { type CorpusFacts, type CorpusFiles, inspectCorpus, type Reading, readCorpus } from "../text/corpus.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { writeFolder } from "../weights/atomic.ts";
import { realDisk } from "../weights/disk.ts";
import { readJsonObject } from "../weights/node-file.ts";

/** Fewer documents than this are one text, whose end is held out; of more, some are drawn. */
const MANY_DOCUMENTS = 100;
/** The same documents are held out whatever the seed of the run: losses of several seeds are then of one text. */
const SPLIT_SEED = 0;
/** Tokens that are written at once. */
const BUFFER = 1 << 18;

export interface TokenizedCorpus {
  readonly train: TokenFile;
  readonly validation: TokenFile;
  /** Of the corpus, of the tokenizer and of the split: what a resumed run must find again. */
  readonly sha256: string;
}

/** A stretch of tokens in a file. */
export interface TokenFile {
  readonly path: string;
  readonly tokens: number;
  /** Bytes of a token. */
  readonly width: 2 | 4;
}

export interface CorpusToTokenize {
  readonly files: CorpusFiles;
  readonly facts: CorpusFacts;
  /** The share that is held out, or files that are. */
  readonly validation: number | CorpusFiles;
}

const known = v.object({ sha256: v.string(), train: v.number(), validation: v.number(), width: v.picklist([2, 4]) });

/** Tokenizes into `folder`, or finds there what it would write. Throws what reading the corpus and writing a folder throw. */
export async function tokenizeCorpus(
  folder: string,
  { files, facts, validation }: CorpusToTokenize,
  tokenizer: Tokenizer,
  reading: Reading = {},
): Promise<TokenizedCorpus> {
  const heldOut = typeof validation === "number" ? validation : (await inspectCorpus(validation, reading)).sha256;
  const identity = [facts.sha256, tokenizer.files()["tokenizer.json"], heldOut, MANY_DOCUMENTS, SPLIT_SEED];
  const sha256 = createHash("sha256").update(JSON.stringify(identity)).digest("hex");
  const found = await readKnown(folder);
  if (found?.sha256 === sha256) return opened(folder, found);

  const width = tokenizer.vocabSize <= 2 ** 16 ? 2 : 4;
  const counts = { train: 0, validation: 0 };
  const most = facts.bytes * width;
  const replaceable = async () => found !== undefined;
  await writeFolder(folder, { bytes: most, signal: reading.signal, replaceable }, async (partial) => {
    const train = await TokenWriter.create(join(partial, "train.bin"), width);
    const second = await TokenWriter.create(join(partial, "validation.bin"), width);
    try {
      const frame = documentFrame(tokenizer);
      const toTrain = () => train;
      if (typeof validation !== "number") {
        await tokenize(files, tokenizer, frame, toTrain, { ...reading, label: "tokenizing" });
        await tokenize(validation, tokenizer, frame, () => second, {
          ...reading,
          label: "tokenizing what is held out",
        });
      } else if (facts.documents >= MANY_DOCUMENTS) {
        const random = createRandom(SPLIT_SEED);
        const drawn = () => (random() < validation ? second : train);
        await tokenize(files, tokenizer, frame, drawn, { ...reading, label: "tokenizing" });
      } else {
        await tokenize(files, tokenizer, frame, toTrain, { ...reading, label: "tokenizing" });
        await train.moveEnd(second, Math.floor(train.tokens * validation));
      }
      await Promise.all([train.finish(), second.finish()]);
      Object.assign(counts, { train: train.tokens, validation: second.tokens });
    } finally {
      await Promise.all([train.close(), second.close()]);
    }
    const file = await open(join(partial, "tokens.json"), "wx");
    try {
      await file.writeFile(`${JSON.stringify({ sha256, ...counts, width })}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  });
  return opened(folder, { sha256, ...counts, width });
}

function opened(folder: string, { sha256, train, validation, width }: v.InferOutput<typeof known>): TokenizedCorpus {
  const file = (name: string, tokens: number): TokenFile => ({ path: join(folder, name), tokens, width });
  return { train: file("train.bin", train), validation: file("validation.bin", validation), sha256 };
}

async function readKnown(folder: string): Promise<v.InferOutput<typeof known> | undefined> {
  try {
    const result = v.safeParse(known, await readJsonObject(join(folder, "tokens.json"), 1 << 16));
    return result.success ? result.output : undefined;
  } catch (error) {
    if (RefrainError.is(error) && error.kind === "input") return undefined;
    throw error;
  }
}

interface DocumentFrame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

function documentFrame(tokenizer: Tokenizer): DocumentFrame {
  // What stands around a text is found by a text of one token or more.
  const probe = tokenizer.encode("a", { special: false });
  const framed = tokenizer.encode("a");
  const at = framed.findIndex((_, i) => probe.every((token, j) => framed[i + j] === token));
  const [before, after] = [framed.slice(0, at), framed.slice(at + probe.length)];
  const end = tokenizer.stops[0];
  return { before, after: after.length > 0 || end === undefined ? after : [end] };
}

/** `drawn` says for each document where it goes. */
async function tokenize(
  files: CorpusFiles,
  tokenizer: Tokenizer,
  { before, after }: DocumentFrame,
  drawn: () => TokenWriter,
  reading: Reading & { readonly label: string },
): Promise<void> {
  let writer: TokenWriter | undefined;
  for await (const { text, last } of readCorpus(files, reading)) {
    if (writer === undefined) {
      writer = drawn();
      await writer.write(before);
    }
    await writer.write(tokenizer.encode(text, { special: false }));
    if (last) {
      await writer.write(after);
      writer = undefined;
    }
  }
}

class TokenWriter {
  tokens = 0;
  private readonly handle: FileHandle;
  private readonly buffer: Uint16Array | Uint32Array;
  private filled = 0;
  /** Bytes that are in the file. */
  private written = 0;

  private constructor(handle: FileHandle, width: 2 | 4) {
    this.handle = handle;
    this.buffer = width === 2 ? new Uint16Array(BUFFER) : new Uint32Array(BUFFER);
  }

  static async create(path: string, width: 2 | 4): Promise<TokenWriter> {
    return new TokenWriter(await open(path, "wx+"), width);
  }

  async write(tokens: readonly number[]): Promise<void> {
    for (let at = 0; at < tokens.length; ) {
      const part = tokens.slice(at, at + BUFFER - this.filled);
      this.buffer.set(part, this.filled);
      this.filled += part.length;
      at += part.length;
      if (this.filled === BUFFER) await this.flush();
    }
    this.tokens += tokens.length;
  }

  /** Takes the last `count` tokens off this file and puts them into another. */
  async moveEnd(other: TokenWriter, count: number): Promise<void> {
    await this.flush();
    const begin = this.tokens - count;
    for (let at = begin; at < this.tokens; at += BUFFER) {
      const part = this.buffer.subarray(0, Math.min(BUFFER, this.tokens - at));
      await this.handle.read(part, { position: at * part.BYTES_PER_ELEMENT });
      await other.write(Array.from(part));
    }
    await this.handle.truncate(begin * this.buffer.BYTES_PER_ELEMENT);
    this.tokens = begin;
  }

  async finish(): Promise<void> {
    await this.flush();
    await this.handle.sync();
  }

  async close(): Promise<void> {
    await this.handle.close();
  }

  private async flush(): Promise<void> {
    const { buffer, byteOffset } = this.buffer;
    const bytes = new Uint8Array(buffer, byteOffset, this.filled * this.buffer.BYTES_PER_ELEMENT);
    await realDisk.write(this.handle, bytes, this.written);
    this.written += bytes.length;
    this.filled = 0;
  }
}

/** Throws `corpus-small` where not one sequence of `length` tokens can be made. */
export function requireSequence({ train, validation }: TokenizedCorpus, length: number, heldOut: boolean): void {
  if (train.tokens < length + 1) {
    throw inputError(
      "corpus-small",
      `the corpus has ${train.tokens} tokens to train on; one sequence of ${length} takes ${length + 1}`,
      "Give more text, or a shorter training.length.",
    );
  }
  if (heldOut && validation.tokens < 2) {
    throw inputError(
      "corpus-small",
      `the part that is held out has ${validation.tokens} tokens, too few for a loss`,
      "Hold out more (data.validation), or nothing: 0.",
    );
  }
}
