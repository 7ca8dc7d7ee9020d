/**
 * The key–value pairs of a GGUF header, and the names in it. See `gguf-header.ts` for the rules that keep memory bounded.
 */
import { inputError } from "../errors.ts";
import type { ByteCursor } from "./byte-cursor.ts";
import type { ByteSource } from "./byte-source.ts";
import { valueBytes, valueTypes } from "./gguf-types.ts";
import { TextList } from "./text-list.ts";

const maxKeyBytes = 65_535;
const maxArrayLength = 1 << 22;

/**
 * An integer of 64 bits is a bigint where a number would not hold it. An array of numbers is a typed array; one of
 * booleans too, with 0 and 1.
 */
export type GgufValue = string | number | bigint | boolean | TextList | NumberArray;

export type NumberArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array
  | BigUint64Array
  | BigInt64Array;

export async function readMetadata(
  cursor: ByteCursor,
  source: ByteSource,
  count: number,
): Promise<Map<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const at = cursor.position;
    const key = await readName(cursor, source, `key ${i}`, maxKeyBytes);
    if (metadata.has(key)) throw duplicateError(source, `the key ${quote(key)}`, at);
    await cursor.need(4, `the type of ${quote(key)}`);
    metadata.set(key, await readValue(cursor, source, key, cursor.u32()));
  }
  return metadata;
}

export async function readName(
  cursor: ByteCursor,
  source: ByteSource,
  what: string,
  maxBytes: number,
): Promise<string> {
  const at = cursor.position;
  await cursor.need(8, what);
  const length = cursor.count();
  if (length > maxBytes) throw limitError(source, `${what} at byte ${at}: a name of ${length} bytes`, `${maxBytes}`);
  await cursor.need(length, what);
  const name = cursor.strictText(length);
  if (name === undefined) throw inputError("gguf-name", `${source.name}: ${what} at byte ${at} is not valid UTF-8`);
  return name;
}

async function readValue(cursor: ByteCursor, source: ByteSource, key: string, typeId: number): Promise<GgufValue> {
  const what = `the value of ${quote(key)}`;
  const type = valueTypes[typeId];
  if (type === undefined) {
    throw inputError(
      "gguf-value-type",
      `${source.name}: ${what} at byte ${cursor.position} has the unknown type ${typeId}`,
    );
  }
  await cursor.need(valueBytes[type], what);
  switch (type) {
    case "string":
      return (await readTexts(cursor, 1, what)).text(0);
    case "array":
      return readArray(cursor, source, what);
    case "bool": {
      const byte = cursor.u8();
      if (byte > 1) throw boolError(source, what, cursor.position - 1, byte);
      return byte === 1;
    }
    case "u64":
    case "i64": {
      const value = cursor[type]();
      return BigInt.asIntN(54, value) === value ? Number(value) : value;
    }
    default:
      return cursor[type]();
  }
}

/** Waits only where the window is used up: two awaits for each of 100,000 short texts would be most of the work. */
async function readTexts(cursor: ByteCursor, count: number, what: string): Promise<TextList> {
  const ends = new Uint32Array(count);
  let bytes = new Uint8Array(Math.min(8 * count, 1 << 16));
  let end = 0;
  for (let i = 0; i < count; i++) {
    if (!cursor.has(8)) await cursor.need(8, what);
    const length = cursor.count();
    if (!cursor.has(length)) await cursor.need(length, what);
    if (end + length > bytes.length) {
      const larger = new Uint8Array(2 * (end + length));
      larger.set(bytes.subarray(0, end));
      bytes = larger;
    }
    cursor.copy(bytes, end, length);
    end += length;
    ends[i] = end;
  }
  return new TextList(bytes.slice(0, end), ends);
}

async function readArray(cursor: ByteCursor, source: ByteSource, what: string): Promise<GgufValue> {
  const at = cursor.position;
  const typeId = cursor.u32();
  const type = valueTypes[typeId];
  const count = cursor.count();
  if (type === undefined) {
    throw inputError(
      "gguf-value-type",
      `${source.name}: ${what} at byte ${at} is an array of the unknown type ${typeId}`,
    );
  }
  if (type === "array") {
    throw inputError(
      "gguf-nesting",
      `${source.name}: ${what} at byte ${at} is an array of arrays`,
      "No known model has one, and llama.cpp refuses them too.",
    );
  }
  if (count > maxArrayLength) throw limitError(source, `${what} at byte ${at}: ${count} elements`, `${maxArrayLength}`);
  const least = count * valueBytes[type];
  if (least > cursor.remaining) throw cursor.tooShort(least, what);
  if (type === "string") return readTexts(cursor, count, what);
  const numbers = new numberArrays[type](count);
  await cursor.copyTo(new Uint8Array(numbers.buffer), what);
  if (type === "bool") {
    const wrong = (numbers as Uint8Array).findIndex((byte) => byte > 1);
    if (wrong >= 0) throw boolError(source, what, at + valueBytes.array + wrong, numbers[wrong] as number);
  }
  return numbers;
}

const numberArrays = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
  bool: Uint8Array,
  u64: BigUint64Array,
  i64: BigInt64Array,
} as const;

/** A name out of a file, safe to print. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name);
}

export function limitError(source: ByteSource, what: string, limit: string): Error {
  return inputError(
    "gguf-limit",
    `${source.name}: ${what}, where at most ${limit} are read`,
    "No known model comes near this; the file is damaged or not made in good faith.",
  );
}

export function duplicateError(source: ByteSource, what: string, at: number): Error {
  return inputError("gguf-duplicate", `${source.name}: ${what} at byte ${at} stands in the file a second time`);
}

function boolError(source: ByteSource, what: string, at: number, byte: number): Error {
  return inputError("gguf-bool", `${source.name}: ${what} at byte ${at} is ${byte}; a boolean is 0 or 1`);
}
