/** From a training file to what is trained and what it is trained on: tokenizer, tokens on disk, model. */
import { join, resolve } from "node:path";
import { inputError } from "../errors.ts";
import { type CorpusFiles, inspectCorpus, type Reading, readCorpus } from "../text/corpus.ts";
import { BYTE_VOCABULARY, newTokenizer } from "../text/new-tokenizer.ts";
import { openTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { countWords, trainBytePairs } from "../text/train-byte-pairs.ts";
import { readJsonObject } from "../weights/node-file.ts";
import { replaceText } from "../weights/replace-file.ts";
import { isEncoder, modelOf, type NewModel, type TrainingConfig } from "./config.ts";
import { refuseOtherTokenizer, startTokenizer } from "./start.ts";
import { requireSequence, type TokenizedCorpus, tokenizeCorpus } from "./token-file.ts";

/** Characters of the corpus that byte pairs are trained on; more would change few of them. */
const MOST_FOR_BYTE_PAIRS = 200_000_000;
const MAX_TOKENIZER_BYTES = 256 << 20;

export interface Prepared {
  readonly tokenizer: Tokenizer;
  readonly corpus: TokenizedCorpus;
  readonly model: NewModel;
}

export interface PrepareOptions extends Reading {
  /** The folder of a run: the tokenizer is kept there, and the tokens in `tokens`. */
  readonly folder: string;
  /** Take the tokenizer that the folder has, for the run goes on. */
  readonly resume?: boolean;
}

/** Throws what reading the corpus, the tokenizer and the config can throw, `corpus-small` and `tokenizer-mismatch`. */
export async function prepare(
  config: TrainingConfig,
  { folder, resume = false, ...reading }: PrepareOptions,
): Promise<Prepared> {
  const { data, training } = config;
  const held = typeof data.validation === "number" ? data.validation : corpusFiles(config, data.validation);
  const files = corpusFiles(config, data.files);
  const facts = await inspectCorpus(files, reading);
  const kept = resume ? await tokenizerIn(folder) : undefined;
  const tokenizer = kept ?? (await makeTokenizer(config, files, reading));
  const wanted = config.model.vocab_size;
  if (wanted !== undefined && wanted < tokenizer.vocabSize) {
    throw inputError(
      "tokenizer-mismatch",
      `${config.path}: model.vocab_size: ${wanted} rows are too few for the ${tokenizer.vocabSize} tokens of the tokenizer`,
      "Leave it out, or make it larger.",
    );
  }
  if (config.start !== undefined) await refuseOtherTokenizer({ ...config, start: config.start }, tokenizer);
  if (kept === undefined) {
    const written = tokenizer.files();
    // tokenizer.json last: a run that goes on takes the folder's tokenizer where that file is, and both must be there.
    for (const name of ["tokenizer_config.json", "tokenizer.json"] as const) {
      await replaceText(join(folder, name), written[name]);
    }
  }
  const model = modelOf(config, tokenizer.vocabSize);
  if (model.config.bidirectional) checkMask(config, tokenizer);
  const corpus = await tokenizeCorpus(join(folder, "tokens"), { files, facts, validation: held }, tokenizer, reading);
  requireSequence(corpus, training.length, held !== 0);
  return { tokenizer, corpus, model };
}

function checkMask({ path, training: { prompt } }: TrainingConfig, tokenizer: Tokenizer): void {
  const { mask } = tokenizer;
  if (mask === undefined) {
    throw inputError(
      "mask-token",
      `${path}: tokenizer: it has no mask_token, which an encoder is trained with`,
      'Let one be made: "bytes" or {"bpe": 1024}.',
    );
  }
  if (prompt === "" || tokenizer.encode(prompt).includes(mask)) return;
  throw inputError(
    "training-config",
    `${path}: training.prompt: ${JSON.stringify(prompt)} has no ${tokenizer.piece(mask)} that an encoder could fill`,
    `Write one where a word is to be guessed: "the cat sat on the${tokenizer.piece(mask)}".`,
  );
}

function corpusFiles({ data, folder }: TrainingConfig, paths: string | readonly string[]): CorpusFiles {
  const list = typeof paths === "string" ? [paths] : paths;
  return { paths: list.map((path) => resolve(folder, path)), field: data.field, separator: data.separator };
}

async function makeTokenizer(config: TrainingConfig, files: CorpusFiles, reading: Reading): Promise<Tokenizer> {
  const given = await givenTokenizer(config);
  if (given) return given;
  const size = vocabularyToMake(config);
  const mask = isEncoder(config);
  const special = mask ? 1 : 0;
  if (size === BYTE_VOCABULARY + special) return newTokenizer([], { mask });
  const counts = new Map<string, number>();
  let read = 0;
  for await (const { text } of readCorpus(files, { ...reading, label: "counting words" })) {
    countWords(text, counts);
    read += text.length;
    if (read >= MOST_FOR_BYTE_PAIRS) break;
  }
  return newTokenizer(trainBytePairs(counts, size - BYTE_VOCABULARY - special), { mask });
}

/** The tokenizer that the file names, or else the one of the model that the run starts with; undefined where one is to be made. */
export async function givenTokenizer(config: TrainingConfig): Promise<Tokenizer | undefined> {
  const { tokenizer, start, path, folder } = config;
  if (typeof tokenizer === "string" && tokenizer !== "bytes") return existingTokenizer(resolve(folder, tokenizer));
  if (tokenizer !== undefined || start === undefined) return undefined;
  const own = await startTokenizer({ ...config, start });
  if (own) return own;
  throw inputError(
    "tokenizer-missing",
    `${path}: start: ${start} brings no tokenizer`,
    "Name the one that it was trained with: tokenizer.",
  );
}

/** Tokens of the tokenizer that is to be made; byte pairs may turn out to be fewer, where a text has no more. */
export function vocabularyToMake(config: TrainingConfig): number {
  const { tokenizer } = config;
  return typeof tokenizer === "object" ? tokenizer.bpe : BYTE_VOCABULARY + (isEncoder(config) ? 1 : 0);
}

/** A tokenizer.json, or the one of a model folder, with what stands beside it. */
async function existingTokenizer(path: string): Promise<Tokenizer> {
  const folder = await tokenizerIn(path);
  if (folder !== undefined) return folder;
  const tokenizer = await readJsonObject(path, MAX_TOKENIZER_BYTES);
  const config = (await optionalJson(join(path, "../tokenizer_config.json"))) ?? {};
  return openTokenizer({ kind: "huggingface", tokenizer, config });
}

async function tokenizerIn(folder: string): Promise<Tokenizer | undefined> {
  const tokenizer = await optionalJson(join(folder, "tokenizer.json"));
  if (tokenizer === undefined) return undefined;
  const config = (await optionalJson(join(folder, "tokenizer_config.json"))) ?? {};
  return openTokenizer({ kind: "huggingface", tokenizer, config });
}

async function optionalJson(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    return await readJsonObject(path, MAX_TOKENIZER_BYTES);
  } catch (error) {
    if ((error as { code?: unknown }).code === "file-missing") return undefined;
    throw error;
  }
}
