/**
 * Reads little-endian values one after the other from a ByteSource, through a window of the file, for headers whose
 * length is not known before they are read. Not for tensor data, which has its place in the file stated.
 *
 * Values are taken synchronously from the window; `need` is what waits for the file. So a reader asks `has` first and
 * awaits `need` only when the window is used up, which keeps a header of 100,000 strings fast.
 */
import { inputError } from "../errors.ts";
import type { ByteSource } from "./byte-source.ts";

const windowBytes = 1 << 18;

const strict = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

export class ByteCursor {
  readonly #source: ByteSource;
  readonly #format: string;
  readonly #limit: number;
  #window: DataView = new DataView(new ArrayBuffer(0));
  #start = 0;
  #at = 0;

  /**
   * @param format how messages and error codes call the file, e.g. `gguf`
   * @param limit bytes that a header may take; whatever lies behind them is never read
   */
  constructor(source: ByteSource, format: string, limit: number) {
    this.#source = source;
    this.#format = format;
    this.#limit = limit;
  }

  /** Offset in the file of the next value. */
  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes that may still be read. */
  get remaining(): number {
    return Math.min(this.#source.size, this.#limit) - this.position;
  }

  /** Whether `count` bytes are in the window. */
  has(count: number): boolean {
    return count <= this.#window.byteLength - this.#at;
  }

  /** Brings `count` bytes into the window; an input error where the file has no such bytes. `what` is for the message. */
  async need(count: number, what: string): Promise<void> {
    if (this.has(count)) return;
    if (count > this.remaining) throw this.tooShort(count, what);
    const begin = this.position;
    const end = begin + Math.min(this.remaining, Math.max(count, windowBytes));
    const bytes = await this.#source.read(begin, end);
    this.#window = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#start = begin;
    this.#at = 0;
  }

  /** The error for `count` bytes that the file does not have. */
  tooShort(count: number, what: string): Error {
    const { name, size } = this.#source;
    if (this.position + count > size) {
      return inputError(
        `${this.#format}-truncated`,
        `${name}: ${what} at byte ${this.position} takes ${count} bytes, but the file ends at byte ${size}`,
        "The file is damaged or only partly downloaded: fetch it again.",
      );
    }
    return inputError(
      `${this.#format}-limit`,
      `${name}: the header is longer than ${this.#limit} bytes (${what} at byte ${this.position})`,
      "No known model has a header of this length; the file is damaged or not made in good faith.",
    );
  }

  u8(): number {
    return this.#window.getUint8(this.#advance(1));
  }
  i8(): number {
    return this.#window.getInt8(this.#advance(1));
  }
  u16(): number {
    return this.#window.getUint16(this.#advance(2), true);
  }
  i16(): number {
    return this.#window.getInt16(this.#advance(2), true);
  }
  u32(): number {
    return this.#window.getUint32(this.#advance(4), true);
  }
  i32(): number {
    return this.#window.getInt32(this.#advance(4), true);
  }
  f32(): number {
    return this.#window.getFloat32(this.#advance(4), true);
  }
  f64(): number {
    return this.#window.getFloat64(this.#advance(8), true);
  }
  u64(): bigint {
    return this.#window.getBigUint64(this.#advance(8), true);
  }
  i64(): bigint {
    return this.#window.getBigInt64(this.#advance(8), true);
  }

  /** A u64 that counts something: exact up to 2^53, and beyond that only known to be too large. */
  count(): number {
    const low = this.u32();
    return this.u32() * 2 ** 32 + low;
  }

  /** Copies the next bytes to `target`; one by one, since most are few. */
  copy(target: Uint8Array, at: number, count: number): void {
    if (count > 64) {
      target.set(this.#bytes(count), at);
      return;
    }
    const begin = this.#advance(count);
    for (let i = 0; i < count; i++) target[at + i] = this.#window.getUint8(begin + i);
  }

  /** UTF-8, or undefined where it is not valid. */
  strictText(byteLength: number): string | undefined {
    const bytes = this.#bytes(byteLength);
    try {
      return strict.decode(bytes);
    } catch {
      return undefined;
    }
  }

  /** Fills `target`, a window at a time. */
  async copyTo(target: Uint8Array, what: string): Promise<void> {
    for (let done = 0; done < target.length; ) {
      const part = Math.min(windowBytes, target.length - done);
      await this.need(part, what);
      target.set(this.#bytes(part), done);
      done += part;
    }
  }

  #advance(count: number): number {
    const at = this.#at;
    this.#at += count;
    return at;
  }

  #bytes(count: number): Uint8Array {
    return new Uint8Array(this.#window.buffer, this.#window.byteOffset + this.#advance(count), count);
  }
}
