/**
 * Where threads must wait for each other: before an instruction that touches what another thread may have written, or may
 * still be reading, since the last barrier. What matters is memory, not names: buffers that share a place meet too.
 *
 * Three ways in which threads touch memory. `shared`: any thread, any part. `columns`: each thread its own columns, which
 * are the same for every buffer as wide, so what one instruction wrote another may read without waiting. `own`: where one row
 * is played, each thread a row of its own, because computing it twice is cheaper than waiting for it; in other plays, shared.
 */
import type { Buffer, Instruction } from "./instruction.ts";

type Way = "shared" | "columns" | "own";

interface Access {
  readonly begin: number;
  readonly end: number;
  readonly writes: boolean;
  readonly way: Way;
  /** What lies there; absent for a cache slot. */
  readonly buffer?: Buffer;
}

/** Whether an instruction begins with a barrier, in plays of one row and of many. */
export interface Barrier {
  readonly one: boolean;
  readonly many: boolean;
}

/** The barrier of each instruction. */
export function barriers(
  instructions: readonly Instruction[],
  offsets: ReadonlyMap<Buffer, number>,
  size: (buffer: Buffer) => number,
): Barrier[] {
  const replicated = new Set(instructions.flatMap((instruction) => (instruction.replicated ? instruction.writes : [])));
  const wayOf = (instruction: Instruction, buffer: Buffer): Way => {
    if ((instruction.replicated || instruction.ownRow === buffer) && replicated.has(buffer)) return "own";
    return instruction.columns?.includes(buffer) ? "columns" : "shared";
  };
  const accesses = (instruction: Instruction): Access[] => {
    const { reads, writes, readsSlot, writesSlot } = instruction;
    const access = (buffer: Buffer, isWrite: boolean): Access => {
      const begin = offsets.get(buffer)!;
      return { begin, end: begin + size(buffer), writes: isWrite, way: wayOf(instruction, buffer), buffer };
    };
    const all = reads.map((buffer) => access(buffer, false)).concat(writes.map((buffer) => access(buffer, true)));
    if (readsSlot !== undefined) all.push(slotAccess(readsSlot, false));
    if (writesSlot !== undefined) all.push(slotAccess(writesSlot, true));
    return all;
  };
  /** What was touched since the last barrier, in plays of one row and of many. */
  let one: readonly Access[] = [];
  let many: readonly Access[] = [];
  return instructions.map((instruction) => {
    const mine = accesses(instruction);
    const barrier = { one: meet(mine, one, true), many: meet(mine, many, false) };
    one = barrier.one ? mine : one.concat(mine);
    many = barrier.many ? mine : many.concat(mine);
    return barrier;
  });
}

/** Slots lie below all buffers, so that they meet none. */
const slotAccess = (slot: number, writes: boolean): Access => ({
  begin: -2 - slot,
  end: -1 - slot,
  writes,
  way: "shared",
});

/** Goes through all pairs, tens of thousands in a deep model: no closures and iterators, which would be that much garbage. */
function meet(mine: readonly Access[], earlier: readonly Access[], oneRow: boolean): boolean {
  for (let i = 0; i < mine.length; i++) {
    const x = mine[i]!;
    for (let j = 0; j < earlier.length; j++) {
      const y = earlier[j]!;
      if ((x.writes || y.writes) && x.begin < y.end && y.begin < x.end && !apart(x, y, oneRow)) return true;
    }
  }
  return false;
}

/** True where threads cannot meet although the memory is the same. */
function apart(x: Access, y: Access, oneRow: boolean): boolean {
  if (x.way === "own" && y.way === "own") return oneRow && x.buffer === y.buffer;
  return (
    x.way === "columns" &&
    y.way === "columns" &&
    x.begin === y.begin &&
    x.buffer?.bytesPerRow === y.buffer?.bytesPerRow &&
    x.buffer?.rows === y.buffer?.rows
  );
}
