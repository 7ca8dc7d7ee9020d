/**
 * Attention → two instructions: one appends keys and values to the cache slot, the other reads the slot. A rotation of the keys
 * that nothing else reads (`turns`) is done on their way into the cache.
 */
import { inputError } from "../errors.ts";
import { type CacheType, MAX_Q8_HEAD } from "./attention-layout.ts";
import type { ForwardOperation, Value } from "./graph.ts";
import { type Buffer, type Instruction, type Reference, sightWord, type Word } from "./instruction.ts";
import { stride } from "./parameter.ts";

/** Absent operand. */
const NONE = 0;

/** `value` is the attention's result. Throws `cache` where heads are wider than an 8-bit cache holds. */
export function lowerAttention(
  op: Extract<ForwardOperation, { readonly kind: "attention" }>,
  turns: boolean,
  cache: CacheType,
  bufferOf: (value: Value) => Buffer,
  value: Value,
): { readonly append: Instruction; readonly play: Pick<Instruction, "kernel" | "words"> } {
  const { heads, kvHeads, headWidth } = op.shape;
  if (cache === "q8" && headWidth > MAX_Q8_HEAD) {
    throw inputError(
      "cache",
      `heads are ${headWidth} wide; an 8-bit cache holds at most ${MAX_Q8_HEAD}`,
      "Leave --cache out.",
    );
  }
  const at = (v: Value): Reference => ({ buffer: bufferOf(v) });
  const keys: Word = { cache: op.slot, half: "keys" };
  const values: Word = { cache: op.slot, half: "values" };
  const scratch: Word = { region: "scratch" };
  const size: Word = { size: "scratch" };
  const context: Word = { size: "context" };
  const sight = sightWord(op.shape);
  const row = stride(value.width);
  const turned = turns && op.k.operation.kind === "rope" ? op.k.operation : undefined;
  const k = turned ? turned.x : op.k;
  const cosines: Word = turned ? { table: turned.table, half: "cosines" } : NONE;
  const sines: Word = turned ? { table: turned.table, half: "sines" } : NONE;
  return {
    append: {
      kernel: cache === "q8" ? "cacheAppendQ8" : "cacheAppend",
      tail: false,
      words: [
        at(k),
        at(op.v),
        keys,
        values,
        kvHeads,
        headWidth,
        context,
        stride(k.width),
        cosines,
        sines,
        scratch,
        size,
      ],
      reads: [bufferOf(k), bufferOf(op.v)],
      writes: [],
      writesSlot: op.slot,
    },
    play: {
      kernel: cache === "q8" ? "attentionQ8" : "attention",
      words: [at(op.q), keys, values, at(value), heads, kvHeads, headWidth, context, sight, scratch, size, row],
    },
  };
}
