/** From metadata that was read from a GGUF file to entries that can be written: its tokenizer goes into another file as it is. */
import { inputError } from "../errors.ts";
import type { GgufEntry, NumberType } from "./gguf-write.ts";
import { TextList } from "./text-list.ts";

/** Numbers and flags lose their width when they are read; readers of these keys expect 32 bits. */
export function entryOf(key: string, value: unknown): GgufEntry {
  if (typeof value === "string") return ["string", value];
  if (typeof value === "boolean") return ["bool", value];
  if (typeof value === "bigint") return [value < 0n ? "i64" : "u64", value];
  if (typeof value === "number") {
    if (Number.isInteger(value)) return [value < 0 ? "i32" : "u32", value];
    return [Math.fround(value) === value ? "f32" : "f64", value];
  }
  if (value instanceof TextList) return ["array", "string", value];
  const type = numberTypes.find(([ArrayType]) => value instanceof ArrayType)?.[1];
  if (type !== undefined) return ["array", type, value as ArrayLike<number>];
  throw inputError("gguf-value", `the key ${JSON.stringify(key)} has a value that cannot be written`);
}

const numberTypes: readonly (readonly [abstract new (...args: never) => unknown, NumberType])[] = [
  [Uint8Array, "u8"],
  [Int8Array, "i8"],
  [Uint16Array, "u16"],
  [Int16Array, "i16"],
  [Uint32Array, "u32"],
  [Int32Array, "i32"],
  [BigUint64Array, "u64"],
  [BigInt64Array, "i64"],
  [Float32Array, "f32"],
  [Float64Array, "f64"],
];
