/** Plan → words: the flat array that the interpreter walks. An instruction is a kernel, flags and up to 14 arguments. */
import type { RopeTable } from "./graph.ts";
import type { Reference, Word } from "./instruction.ts";
import type { Parameter } from "./parameter.ts";
import type { Plan } from "./plan.ts";

const WORDS = 16;
const FLAG_BARRIER_ONE = 1;
const FLAG_TAIL = 2;
const FLAG_INTEGERS = { signed: 4, split: 8 } as const;
const FLAG_BARRIER_MANY = 16;
const FLAG_OWN_ROW = 32;
const FLAG_WEIGHTS = { near: 64, soon: 128 } as const;

/** Where things lie in the player's memory. */
export interface Addresses {
  readonly activations: number;
  readonly caches: number;
  readonly scratch: number;
  readonly panels: number;
  readonly tokens: number;
  readonly targets: number;
  parameter(parameter: Parameter): number;
  table(table: RopeTable, half: "cosines" | "sines"): number;
}

export const programBytes = (plan: Plan): number => (plan.instructions.length + 1) * WORDS * 4;

/** `opcode` gives the number by which the player calls a kernel. */
export function encode(plan: Plan, addresses: Addresses, opcode: (kernel: string) => number): Int32Array {
  const words = new Int32Array((plan.instructions.length + 1) * WORDS);
  const floats = new Float32Array(words.buffer);
  words[0] = plan.instructions.length;
  plan.instructions.forEach((instruction, i) => {
    const at = (i + 1) * WORDS;
    if (instruction.words.length > WORDS - (instruction.integers ? 4 : 2))
      throw new Error(`${instruction.kernel}: too many arguments`);
    words[at] = opcode(instruction.kernel);
    const { barrier, integers, weights } = instruction;
    words[at + 1] =
      (barrier.one ? FLAG_BARRIER_ONE : 0) |
      (barrier.many ? FLAG_BARRIER_MANY : 0) |
      (instruction.tail ? FLAG_TAIL : 0) |
      (instruction.replicated || instruction.ownRow ? FLAG_OWN_ROW : 0) |
      (weights ? FLAG_WEIGHTS[weights] : 0);
    if (integers) {
      words[at + 1]! |= FLAG_INTEGERS[integers.form];
      words[at + WORDS - 2] = resolve({ buffer: integers.buffer }, plan, addresses);
      words[at + WORDS - 1] = integers.buffer.bytesPerRow;
    }
    instruction.words.forEach((word, j) => {
      if (typeof word === "object" && "float" in word) floats[at + 2 + j] = word.float;
      else words[at + 2 + j] = resolve(word, plan, addresses);
    });
  });
  return words;
}

/** A call of a kernel whose words are all known. */
export interface Call {
  readonly kernel: string;
  readonly words: readonly (number | { readonly float: number })[];
  /** Threads wait for each other before it. */
  readonly barrier?: boolean;
}

/** Calls as a program, for plays of one row. */
export function encodeCalls(calls: readonly Call[], opcode: (kernel: string) => number): Int32Array {
  const words = new Int32Array((calls.length + 1) * WORDS);
  const floats = new Float32Array(words.buffer);
  words[0] = calls.length;
  calls.forEach((call, i) => {
    const at = (i + 1) * WORDS;
    words[at] = opcode(call.kernel);
    words[at + 1] = call.barrier ? FLAG_BARRIER_ONE : 0;
    call.words.forEach((word, j) => {
      if (typeof word === "object") floats[at + 2 + j] = word.float;
      else words[at + 2 + j] = word;
    });
  });
  return words;
}

export const callBytes = (calls: number): number => (calls + 1) * WORDS * 4;

function resolve(word: Exclude<Word, { readonly float: number }>, plan: Plan, addresses: Addresses): number {
  if (typeof word === "number") return word;
  if ("size" in word) return size(word.size, plan);
  return address(word, plan, addresses);
}

function address(reference: Reference, plan: Plan, addresses: Addresses): number {
  if ("buffer" in reference) return addresses.activations + plan.offsets.get(reference.buffer)!;
  if ("parameter" in reference) return addresses.parameter(reference.parameter);
  if ("table" in reference) return addresses.table(reference.table, reference.half);
  if ("cache" in reference) return addresses.caches + plan.caches[reference.cache]![reference.half];
  return addresses[reference.region];
}

function size(name: Extract<Word, { readonly size: string }>["size"], plan: Plan): number {
  if (name === "context") return plan.limits.context;
  return name === "panel" ? plan.panelBytes : plan.scratchBytesPerThread;
}
