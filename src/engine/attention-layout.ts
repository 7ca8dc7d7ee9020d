/**
 * Sizes of what attention works in: caches, and the scratch of each thread. The kernels (wasm/kernels/attention-*.ts) lay both
 * out; here stands only how much that is.
 */
import type { AttentionShape } from "./graph.ts";

/** How keys and values are kept: as they are, or as 8-bit integers with one f32 scale for each head and position. */
export type CacheType = "f32" | "q8";

/** Positions that attention goes through at a time; a cache has whole tiles. */
export const TILE = 64;
/** Numbers of a panel: widths of heads are padded to it. */
const PANEL = 8;
/** Queries that go through a tile together, where a group of heads is not larger. */
const QUERIES = 24;
/** Wider heads could overflow the 32-bit sums of 8-bit keys and 16-bit queries. */
export const MAX_Q8_HEAD = 512;

const roundUp = (n: number, unit: number): number => Math.ceil(n / unit) * unit;

/** Bytes of the keys, or of the values, of one played attention for `positions` positions, without padding. */
export const cacheBytesPerPosition = (type: CacheType, { kvHeads, headWidth }: AttentionShape): number =>
  kvHeads * (type === "q8" ? headWidth + 4 : headWidth * 4);

/** The same for a whole context, as it lies in memory: heads padded to panels, positions to tiles. */
export const cacheBytes = (type: CacheType, shape: AttentionShape, context: number): number =>
  roundUp(context, TILE) * cacheBytesPerPosition(type, { ...shape, headWidth: roundUp(shape.headWidth, PANEL) });

/** Bytes of scratch: of each thread, and of the records that threads exchange when they share the tiles of a few rows. */
export function scratchBytes(
  { heads, kvHeads, headWidth }: AttentionShape,
  context: number,
): { readonly thread: number; readonly shared: number } {
  const width = roundUp(headWidth, PANEL);
  const group = heads / kvHeads;
  const queries = Math.max(1, Math.floor(QUERIES / group)) * group;
  // Values, largest score, sum and two unused words.
  const record = (width + 4) * 4;
  // A query, its f32 and 16-bit weights, two scales, the records of a tile and of all.
  const query = width * 4 + TILE * 4 + TILE * 2 + 8 + 2 * record;
  return {
    thread: 128 + roundUp(queries, 4) * query,
    shared: Math.ceil(context / TILE) * kvHeads * queries * record,
  };
}
