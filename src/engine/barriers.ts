/**
 * Where threads must wait for each other: before an instruction that touches what another thread may have written, or may
 * still be reading, since the last barrier. What matters is memory, not names: buffers that share a place meet too.
 *
 * Three ways in which threads touch a buffer. `shared`: any thread, any part. `columns`: each thread its own columns, which
 * are the same for every buffer as wide, so what one instruction wrote another may read without waiting. `own`: each thread
 * a row of its own, where one row is played and computing it twice is cheaper than waiting for it.
 */
import type { Buffer, Instruction } from "./instruction.ts";

type Way = "shared" | "columns" | "own";

interface Access {
  readonly buffer: Buffer;
  readonly way: Way;
  readonly begin: number;
  readonly end: number;
}

/** For each instruction, whether it begins with a barrier: in plays of one row if `oneRow`, else of any number. */
export function barriers(
  instructions: readonly Instruction[],
  offsets: ReadonlyMap<Buffer, number>,
  size: (buffer: Buffer) => number,
  oneRow: boolean,
): boolean[] {
  const replicated = new Set(oneRow ? instructions.flatMap((i) => (i.replicated ? i.writes : [])) : []);
  const reads: Access[] = [];
  const writes: Access[] = [];
  const slotReads = new Set<number>();
  const slotWrites = new Set<number>();
  const access = (buffer: Buffer, way: Way): Access => {
    const begin = offsets.get(buffer)!;
    return { buffer, way, begin, end: begin + size(buffer) };
  };
  const wayOf = (instruction: Instruction, buffer: Buffer): Way => {
    if (replicated.has(buffer) && (instruction.replicated || instruction.ownRow === buffer)) return "own";
    return instruction.columns?.includes(buffer) ? "columns" : "shared";
  };
  return instructions.map((instruction) => {
    const myReads = instruction.reads.map((buffer) => access(buffer, wayOf(instruction, buffer)));
    const myWrites = instruction.writes.map((buffer) => access(buffer, wayOf(instruction, buffer)));
    const barrier =
      meet(myReads, writes) ||
      meet(myWrites, writes) ||
      meet(myWrites, reads) ||
      (instruction.readsSlot !== undefined && slotWrites.has(instruction.readsSlot)) ||
      (instruction.writesSlot !== undefined &&
        (slotReads.has(instruction.writesSlot) || slotWrites.has(instruction.writesSlot)));
    if (barrier) {
      reads.length = 0;
      writes.length = 0;
      slotReads.clear();
      slotWrites.clear();
    }
    reads.push(...myReads);
    writes.push(...myWrites);
    if (instruction.readsSlot !== undefined) slotReads.add(instruction.readsSlot);
    if (instruction.writesSlot !== undefined) slotWrites.add(instruction.writesSlot);
    return barrier;
  });
}

function meet(a: readonly Access[], b: readonly Access[]): boolean {
  return a.some((x) => b.some((y) => x.begin < y.end && y.begin < x.end && !apart(x, y)));
}

/** True where threads cannot meet although the memory is the same. */
function apart(x: Access, y: Access): boolean {
  if (x.way === "own" && y.way === "own") return x.buffer === y.buffer;
  return (
    x.way === "columns" &&
    y.way === "columns" &&
    x.begin === y.begin &&
    x.buffer.bytesPerRow === y.buffer.bytesPerRow &&
    x.buffer.rows === y.buffer.rows
  );
}
