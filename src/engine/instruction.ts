/** What a graph is lowered to: kernels with arguments, over buffers and addresses that are not known yet. */
import type { AttentionShape, Indices, RopeTable, Rows } from "./graph.ts";
import type { IntegerForm, Parameter } from "./parameter.ts";

/** A region of memory that instructions write and read; the plan gives it an address. */
export interface Buffer {
  readonly rows: Rows;
  readonly bytesPerRow: number;
  /** Written by the caller before a play, under this name; no instruction writes it first. */
  readonly input?: string;
  /** Kept to the end of the program, so that the caller can read it. */
  readonly output?: string;
  /** Keeps its numbers from play to play: what is added up in it, zero at first. */
  readonly lasting?: boolean;
}

/** Addresses that the plan or the session fills in. */
export type Reference =
  | { readonly buffer: Buffer }
  | { readonly parameter: Parameter }
  | { readonly table: RopeTable; readonly half: "cosines" | "sines" }
  | { readonly cache: number; readonly half: "keys" | "values" }
  | { readonly region: "tokens" | "targets" | "scratch" | "panels" };

/** A word of an instruction: an integer, a float, an address, or a size that is known once the plan is. */
export type Word = number | { readonly float: number } | Reference | { readonly size: "context" | "panel" | "scratch" };

export interface Instruction {
  readonly kernel: string;
  /** Works on the tail's rows only. */
  readonly tail: boolean;
  readonly words: readonly Word[];
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  /** Buffers of which each thread touches only its own columns (blocks of 32, divided evenly). */
  readonly columns?: readonly Buffer[];
  /** Where one row is played, every thread computes all of it, into the row of the result that has its number. */
  readonly replicated?: boolean;
  /** The operand of which each thread reads its own row, where it was replicated. */
  readonly ownRow?: Buffer;
  /** Cache slots read or written. */
  readonly readsSlot?: number;
  readonly writesSlot?: number;
  /** The kernel also writes its result in integers, to a buffer that the encoder appends to the words. */
  readonly integers?: { readonly form: IntegerForm; readonly buffer: Buffer };
  /** A buffer that the result may take the place of: every element is read by the thread that writes it. */
  readonly inPlaceOf?: Buffer;
}

/** How kernels are told which rows of a table to take: by what stands at an address, by position, or the first. */
export const indexWord = (indices: Indices): Word =>
  indices === "tokens" ? { region: "tokens" } : indices === "positions" ? 0 : -1;

/** How kernels are told what a token sees: the positions of its window, 0 for all before it, -1 for the whole sequence. */
export const sightWord = ({ window, bidirectional }: AttentionShape): number => (bidirectional ? -1 : (window ?? 0));
