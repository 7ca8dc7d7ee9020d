/**
 * Which tokens stand around an encoded text: what the post-processor of a `tokenizer.json` adds before and after one sequence,
 * corrected by `add_bos_token` and `add_eos_token` of `tokenizer_config.json`, which win where they are set (Llama's and Gemma's
 * files differ in them, and transformers does so too). Pairs of sequences are for encoders and are not read.
 */
import { inputError } from "../errors.ts";
import type { Pieces } from "./pieces.ts";
import { type CheckedTokenizer, isObject, type JsonObject, quote, shapeError } from "./tokenizer-json.ts";

export interface Frame {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/** @throws input errors `tokenizer-shape`, `tokenizer-unsupported`. */
export function frameOf(checked: CheckedTokenizer): Frame {
  return readProcessor(checked.json.post_processor, checked.pieces, 0);
}

/** The frame with `add_bos_token` and `add_eos_token` obeyed. */
export function applyConfig(frame: Frame, config: JsonObject, bos: number | undefined, eos: number | undefined): Frame {
  return {
    before: corrected(frame.before, config.add_bos_token, bos),
    after: corrected(frame.after, config.add_eos_token, eos),
  };
}

function corrected(tokens: readonly number[], add: unknown, token: number | undefined): readonly number[] {
  if (token === undefined || typeof add !== "boolean" || tokens.includes(token) === add) return tokens;
  return add ? [token] : tokens.filter((other) => other !== token);
}

function readProcessor(config: unknown, pieces: Pieces, depth: number): Frame {
  if (config === null) return { before: [], after: [] };
  if (!isObject(config) || depth > 16) throw shapeError(`the post-processor ${quote(config)} is not an object`);
  switch (config.type) {
    case "ByteLevel":
      return { before: [], after: [] };
    case "Sequence": {
      if (!Array.isArray(config.processors))
        throw shapeError(`a Sequence of post-processors should have a list, "processors"`);
      const frames = config.processors.map((part: unknown) => readProcessor(part, pieces, depth + 1));
      // Each processor frames what the one before it made, so the last one stands outermost.
      return { before: frames.toReversed().flatMap((f) => f.before), after: frames.flatMap((f) => f.after) };
    }
    case "TemplateProcessing":
      return readTemplate(config.single, pieces);
    case "RobertaProcessing":
    case "BertProcessing":
      return { before: [idOfPair(config.cls, pieces)], after: [idOfPair(config.sep, pieces)] };
    default:
      throw inputError(
        "tokenizer-unsupported",
        `tokenizer.json: the post-processor ${quote(config.type)} is not supported`,
      );
  }
}

/** `single` is a list such as [{SpecialToken: {id: "<s>"}}, {Sequence: {id: "A"}}]; an `id` is a text here. */
function readTemplate(single: unknown, pieces: Pieces): Frame {
  if (!Array.isArray(single))
    throw shapeError(`TemplateProcessing should have a list, "single"; it is ${quote(single)}`);
  const before: number[] = [];
  const after: number[] = [];
  let side = before;
  for (const item of single as unknown[]) {
    if (!isObject(item)) throw shapeError(`TemplateProcessing has the item ${quote(item)}`);
    if (isObject(item.SpecialToken)) side.push(lookUp(item.SpecialToken.id, pieces));
    else side = after;
  }
  if (side === before) throw shapeError(`TemplateProcessing has no place for the text: ${quote(single)}`);
  return { before, after };
}

function idOfPair(pair: unknown, pieces: Pieces): number {
  return lookUp(Array.isArray(pair) ? (pair as unknown[])[0] : pair, pieces);
}

function lookUp(text: unknown, pieces: Pieces): number {
  const id = typeof text === "string" ? pieces.id(text) : undefined;
  if (id === undefined) throw shapeError(`the post-processor adds ${quote(text)}, which is not in the vocabulary`);
  return id;
}
