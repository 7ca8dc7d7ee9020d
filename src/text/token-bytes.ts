/**
 * From tokens back to text: every token stands for some bytes, and text is the UTF-8 that they spell together. The decoder of a
 * `tokenizer.json` is read once, to say which bytes; decoding whole lists and streaming are then the same work, so they cannot differ.
 *
 * It takes the place of the decoders in `@huggingface/tokenizers`, which have no stream, drop a byte order mark, and repair
 * spaces before punctuation by default. One difference to them remains: of bytes that are no UTF-8, each longest broken part
 * becomes one U+FFFD (as in every web page), not each byte.
 */
import { inputError } from "../errors.ts";
import { byteOfCharacter } from "./byte-alphabet.ts";
import { type CheckedTokenizer, isObject, type JsonObject, quote, shapeError } from "./tokenizer-json.ts";

export interface TokenBytes {
  /** The bytes of a token, special or not; none for an id outside the vocabulary. */
  of(token: number): Uint8Array;
  /** How many spaces at the very start of a text were put there by the tokenizer. */
  readonly strip: number;
}

interface Decoder {
  byteLevel: boolean;
  byteFallback: boolean;
  fused: boolean;
  strip: number;
  readonly replacements: [from: string, to: string][];
}

const utf8 = new TextEncoder();
const none = new Uint8Array(0);

/** @throws input errors `tokenizer-shape`, `tokenizer-unsupported`. */
export function tokenBytes(checked: CheckedTokenizer): TokenBytes {
  const decoder: Decoder = { byteLevel: false, byteFallback: false, fused: false, strip: 0, replacements: [] };
  readDecoder(checked.json.decoder, decoder, 0);
  const known: Uint8Array[] = [];
  const { pieces } = checked;
  return {
    strip: decoder.strip,
    of(token) {
      const piece = pieces.text(token);
      if (piece === undefined) return none;
      known[token] ??= bytesOf(piece, decoder);
      return known[token];
    },
  };
}

function readDecoder(config: unknown, decoder: Decoder, depth: number): void {
  if (!isObject(config) || depth > 16) {
    throw shapeError(`"decoder" should be an object, it is ${quote(config)}: how tokens become text is not said`);
  }
  switch (config.type) {
    case "Sequence":
      if (!Array.isArray(config.decoders)) throw shapeError(`a Sequence of decoders should have a list, "decoders"`);
      for (const part of config.decoders as unknown[]) readDecoder(part, decoder, depth + 1);
      return;
    case "ByteLevel":
      decoder.byteLevel = true;
      return;
    case "ByteFallback":
      decoder.byteFallback = true;
      return;
    case "Fuse":
      decoder.fused = true;
      return;
    case "Replace": {
      const from = isObject(config.pattern) ? config.pattern.String : undefined;
      if (typeof from !== "string" || typeof config.content !== "string") throw unsupported(config);
      decoder.replacements.push([from, config.content]);
      return;
    }
    case "Strip":
      // Before a Fuse it would take the spaces of every token.
      if (config.content !== " " || config.stop !== 0 || !Number.isInteger(config.start) || !decoder.fused) {
        throw unsupported(config);
      }
      decoder.strip = config.start as number;
      return;
    case "Metaspace":
      decoder.replacements.push([typeof config.replacement === "string" ? config.replacement : "▁", " "]);
      decoder.strip = config.prepend_scheme === "never" || config.add_prefix_space === false ? 0 : 1;
      return;
    default:
      throw unsupported(config);
  }
}

function unsupported(config: JsonObject): Error {
  return inputError("tokenizer-unsupported", `tokenizer.json: the decoder ${quote(config)} is not supported`);
}

function bytesOf(piece: string, decoder: Decoder): Uint8Array {
  const byte = decoder.byteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(piece) : null;
  if (byte !== null) return Uint8Array.of(Number.parseInt(byte[1]!, 16));
  if (decoder.byteLevel) {
    const bytes = Array.from(piece, (character) => byteOfCharacter.get(character));
    // An added token may hold characters that stand for no byte, such as a space; it is meant as it is written.
    if (bytes.every((value) => value !== undefined)) return Uint8Array.from(bytes);
  }
  return utf8.encode(decoder.replacements.reduce((text, [from, to]) => text.replaceAll(from, to), piece));
}

/** Puts the text of tokens together as they come. */
export interface TextStream {
  /** The characters that this token completes, perhaps none: a token may end inside a character. */
  push(token: number): string;
  /** What is left; bytes of a character that never came to its end are shown as U+FFFD. */
  end(): string;
}

/** @param hidden tokens that have no text to show. */
export function textStream(bytes: TokenBytes, hidden: ReadonlySet<number>): TextStream {
  const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  let strip = bytes.strip;
  return {
    push(token) {
      if (hidden.has(token)) return "";
      const own = bytes.of(token);
      let begin = 0;
      while (strip > 0 && own[begin] === 0x20) {
        begin++;
        strip--;
      }
      if (begin < own.length) strip = 0;
      return utf8.decode(own.subarray(begin), { stream: true });
    },
    end: () => utf8.decode(),
  };
}
