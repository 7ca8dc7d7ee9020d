/**
 * The `tokenizer.bin` of llama2.c, as a `tokenizer.json`. The file is an int32, the longest token's length in bytes, and then for
 * every token a float32 score, an int32 length and that many bytes of UTF-8 (little-endian, a space is a space). It does not say how
 * many tokens there are; the model does. What the ids mean is fixed: 0 unknown, 1 begin, 2 end, 3 to 258 the bytes; a
 * text starts with token 1 and, if it is not empty, a space. Source: karpathy/llama2.c, `tokenizer.py` and `run.c`.
 */
import { inputError } from "../errors.ts";
import { TextList } from "../weights/text-list.ts";
import { Pieces } from "./pieces.ts";
import { spaceMark } from "./pre-tokenizer.ts";
import { sentencePieces } from "./sentencepiece.ts";
import { type JsonObject, maxVocabulary, type TokenizerParts } from "./tokenizer-json.ts";

const name = "tokenizer.bin";
const bos = 1;
const eos = 2;
const firstByte = 3;
const firstPiece = 259;
/** The names that SentencePiece gives; the file has `\n<s>\n`. */
const controls = ["<unk>", "<s>", "</s>"];

/** @throws input errors `llama2c-vocabulary` and those of `Pieces` and `sentencePieces`. */
export function llama2cVocabulary(
  bytes: Uint8Array,
  vocabSize: number,
): { tokenizer: TokenizerParts; config: JsonObject } {
  const { pieces, scores } = readLlama2cPieces(bytes, vocabSize);
  const tokenizer = sentencePieces({
    name,
    pieces: new Pieces(name, TextList.of(pieces)),
    scores,
    isolated: (id) => id < firstPiece,
    special: [0, bos, eos],
    userDefined: [],
    unknown: 0,
    spacePrefix: true,
    before: [bos],
    after: [],
  });
  const config = {
    tokenizer_class: "PreTrainedTokenizerFast",
    bos_token: controls[bos],
    eos_token: controls[eos],
    unk_token: controls[0],
    clean_up_tokenization_spaces: false,
  };
  return { tokenizer, config };
}

/** By id, a space as `▁`: unknown, begin, end, the bytes, and from `firstPiece` on what merges make. */
export function readLlama2cPieces(
  bytes: Uint8Array,
  vocabSize: number,
): { readonly pieces: string[]; readonly scores: Float32Array; readonly firstPiece: number } {
  if (vocabSize < firstPiece || vocabSize > maxVocabulary) {
    throw malformed(
      `the model has ${vocabSize} tokens; ${firstPiece} (3 and the bytes) to ${maxVocabulary} can be read`,
    );
  }
  if (bytes.byteLength < 4 + 8 * vocabSize) {
    throw malformed(`${bytes.byteLength} bytes are too few for the ${vocabSize} tokens of the model`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const pieces: string[] = [];
  const scores = new Float32Array(vocabSize);
  let at = 4;
  for (let id = 0; id < vocabSize; id++) {
    if (at + 8 > bytes.byteLength)
      throw malformed(`the file ends at byte ${bytes.byteLength}, before token ${id} of ${vocabSize}`);
    scores[id] = view.getFloat32(at, true);
    const length = view.getInt32(at + 4, true);
    at += 8;
    if (length < 0 || length > bytes.byteLength - at) {
      throw malformed(`token ${id} at byte ${at - 4} claims ${length} bytes; ${bytes.byteLength - at} are left`);
    }
    try {
      const text = utf8.decode(bytes.subarray(at, at + length));
      pieces.push(controls[id] ?? text.replaceAll(" ", spaceMark));
    } catch {
      throw malformed(`token ${id} at byte ${at} is not valid UTF-8`);
    }
    at += length;
  }
  if (at !== bytes.byteLength) {
    throw malformed(`${bytes.byteLength - at} bytes are left after the ${vocabSize} tokens of the model (byte ${at})`);
  }
  for (let byte = 0; byte < 256; byte++) {
    const expected = `<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`;
    const piece = pieces[firstByte + byte];
    if (piece !== expected)
      throw malformed(`token ${firstByte + byte} should be ${expected}, it is ${JSON.stringify(piece)}`);
  }
  return { pieces, scores, firstPiece };
}

function malformed(what: string): Error {
  return inputError("llama2c-vocabulary", `${name}: ${what}`, "Take the tokenizer.bin that belongs to this model.");
}
