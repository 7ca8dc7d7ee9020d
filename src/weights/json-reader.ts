/**
 * A strict JSON reader for small hostile files: headers, configs, indices. It differs from JSON.parse where that is too
 * trusting: a key that stands twice in an object is refused (JSON.parse keeps the last, other readers the first, so two
 * programs would see two files), nesting and the number of values are bounded before memory is spent, and every error
 * says where. The caller pulls what the format allows, so anything else is refused at once:
 *
 *     for (const key of json.keys()) if (key === "shape") for (const _ of json.items()) shape.push(json.unsigned());
 *
 * It is not for tokenizer.json and other megabytes of text, where JSON.parse is several times faster. Grammar: RFC 8259.
 */
import { inputError, type RefrainError } from "../errors.ts";

export interface JsonReaderOptions {
  /** For messages: the file. */
  readonly name: string;
  /** The code of the errors. */
  readonly code: string;
  /** Where the text begins in the file. Positions are bytes of the file where this is set, else line and column. */
  readonly offset?: number;
  /** Objects and lists inside each other. Default 32. */
  readonly maxDepth?: number;
}

/** Values and bytes of text in one file: fifty thousand tensors fit, and what is kept of a header stays below 100 MB. */
const maxValues = 1 << 19;
const maxTextBytes = 16 << 20;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class JsonReader {
  private readonly bytes: Uint8Array;
  private readonly options: JsonReaderOptions;
  private at = 0;
  private depth = 0;
  private values = 0;
  private textBytes = 0;

  constructor(bytes: Uint8Array, options: JsonReaderOptions) {
    this.bytes = bytes;
    this.options = options;
  }

  /** The keys of an object, in order; the caller reads one value for each. */
  *keys(): Generator<string, void> {
    this.open("{", "an object");
    const seen = new Set<string>();
    for (let first = true; !this.closes("}", first); first = false) {
      this.space();
      const begin = this.at;
      const key = this.text();
      if (seen.has(key)) throw this.error(`key ${JSON.stringify(shorten(key))} stands twice in one object`, begin);
      seen.add(key);
      this.expect(":");
      yield key;
    }
    this.depth--;
  }

  /** The entries of a list, counted from 0; the caller reads one value for each. */
  *items(): Generator<number, void> {
    this.open("[", "a list");
    for (let index = 0; !this.closes("]", index === 0); index++) yield index;
    this.depth--;
  }

  string(): string {
    this.begin();
    if (this.bytes[this.at] !== 0x22) throw this.error(`expected a string, got ${this.found()}`);
    return this.text();
  }

  /** An integer from 0 to 2^53 - 1, in digits. */
  unsigned(): number {
    this.begin();
    const begin = this.at;
    const literal = this.numberLiteral();
    const value = Number(literal);
    if (!/^\d+$/.test(literal) || !Number.isSafeInteger(value)) {
      throw this.error(`expected an integer from 0 to 2^53 - 1, got ${shorten(literal || this.found())}`, begin);
    }
    return value;
  }

  /** Whatever comes. Objects have own properties only, even for a key like `__proto__`. */
  value(): unknown {
    this.space();
    switch (this.bytes[this.at]) {
      case 0x7b: {
        const entries: [string, unknown][] = [];
        for (const key of this.keys()) entries.push([key, this.value()]);
        return Object.fromEntries(entries);
      }
      case 0x5b: {
        const list: unknown[] = [];
        for (const _ of this.items()) list.push(this.value());
        return list;
      }
      case 0x22:
        return this.string();
      default:
        return this.scalar();
    }
  }

  /** Nothing but white space may be left. */
  end(): void {
    this.space();
    if (this.at < this.bytes.length) throw this.error(`expected the end, got ${this.found()}`);
  }

  /** An error at a position of the text, by default where the reader stands. */
  error(problem: string, at = this.at, help?: string): RefrainError {
    const { name, code, offset } = this.options;
    if (offset !== undefined) return inputError(code, `${name}: ${problem}, at byte ${offset + at}`, help);
    const before = this.bytes.subarray(0, at);
    const line = before.reduce((count, byte) => count + (byte === 0x0a ? 1 : 0), 1);
    return inputError(code, `${name}: ${problem}, at line ${line}, column ${at - before.lastIndexOf(0x0a)}`, help);
  }

  private open(bracket: "{" | "[", what: string): void {
    this.begin();
    if (this.bytes[this.at] !== bracket.charCodeAt(0)) throw this.error(`expected ${what}, got ${this.found()}`);
    const { maxDepth = 32 } = this.options;
    if (++this.depth > maxDepth) throw this.error(`nested deeper than ${maxDepth} levels`);
    this.at++;
  }

  /** Takes the closing bracket, or else the comma between two entries. */
  private closes(bracket: "}" | "]", first: boolean): boolean {
    this.space();
    if (this.bytes[this.at] === bracket.charCodeAt(0)) {
      this.at++;
      return true;
    }
    if (!first) {
      if (this.bytes[this.at] !== 0x2c) throw this.error(`expected "," or "${bracket}", got ${this.found()}`);
      this.at++;
    }
    return false;
  }

  private expect(character: string): void {
    this.space();
    if (this.bytes[this.at] !== character.charCodeAt(0)) {
      throw this.error(`expected "${character}", got ${this.found()}`);
    }
    this.at++;
  }

  /** Counts a value and moves to its first byte. */
  private begin(): void {
    if (++this.values > maxValues) throw this.error(`more than ${maxValues} values`);
    this.space();
  }

  private space(): void {
    const { bytes } = this;
    for (let byte = bytes[this.at]; byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09; ) {
      byte = bytes[++this.at];
    }
  }

  private text(): string {
    const { bytes } = this;
    const begin = this.at;
    if (bytes[begin] !== 0x22) throw this.error(`expected a string, got ${this.found()}`);
    let end = begin + 1;
    let escaped = false;
    for (; bytes[end] !== 0x22; end++) {
      const byte = bytes[end];
      if (byte === undefined) throw this.error("a string has no end", begin);
      if (byte < 0x20) throw this.error("a control character stands in a string", end);
      if (byte === 0x5c) {
        escaped = true;
        end++;
      }
    }
    this.at = end + 1;
    this.textBytes += end - begin;
    if (this.textBytes > maxTextBytes) throw this.error(`more than ${maxTextBytes} bytes of text`, begin);
    try {
      if (!escaped) return utf8.decode(bytes.subarray(begin + 1, end));
      return String(JSON.parse(utf8.decode(bytes.subarray(begin, end + 1))));
    } catch {
      throw this.error("a string has a bad escape or is not UTF-8", begin);
    }
  }

  private scalar(): unknown {
    this.begin();
    for (const [literal, value] of literals) {
      if (literal.every((byte, index) => this.bytes[this.at + index] === byte)) {
        this.at += literal.length;
        return value;
      }
    }
    const begin = this.at;
    const literal = this.numberLiteral();
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(literal)) {
      throw this.error(`expected a value, got ${shorten(literal) || this.found()}`, begin);
    }
    return Number(literal);
  }

  /** The bytes that can stand in a number; no number needs more than 64 of them. */
  private numberLiteral(): string {
    let literal = "";
    for (; literal.length < 64; this.at++) {
      const character = String.fromCharCode(this.bytes[this.at] ?? 0);
      if (!/[-+.0-9eE]/.test(character)) break;
      literal += character;
    }
    return literal;
  }

  private found(): string {
    const byte = this.bytes[this.at];
    if (byte === undefined) return "the end";
    return byte > 0x20 && byte < 0x7f ? JSON.stringify(String.fromCharCode(byte)) : `byte 0x${byte.toString(16)}`;
  }
}

const literals: readonly (readonly [bytes: readonly number[], value: unknown])[] = (
  [
    ["true", true],
    ["false", false],
    ["null", null],
  ] as const
).map(([text, value]) => [[...text].map((character) => character.charCodeAt(0)), value]);

/** Names in messages stay on one line, whatever a file calls its tensors. */
export function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}
