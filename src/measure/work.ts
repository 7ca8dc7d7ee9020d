/**
 * What an instruction does, in numbers that a time can be predicted from: operations, and bytes that it reads from memory that outlives
 * it (weights, caches) or passes on (activations). It knows what instructions refer to, not what kernels do: a new kernel that multiplies two
 * matrices at once is two matrices' work.
 */
import { cacheBytesPerPosition } from "../engine/attention-layout.ts";
import type { Graph } from "../engine/graph.ts";
import type { Word } from "../engine/instruction.ts";
import { GROUP, groups, type Parameter, padded, parameterBytes, type StorageType } from "../engine/parameter.ts";
import type { Plan, PlannedInstruction } from "../engine/plan.ts";

/** Bytes by the name of what they belong to; the same name at the same place in memory. */
export interface Access {
  readonly name: string;
  readonly bytes: number;
  /** Activations: they push other things out of a cache, but reading them is part of a kernel's own rate. */
  readonly passing: boolean;
}

export type WorkKind = "linear" | "attention" | "elements";

export interface Work {
  readonly kind: WorkKind;
  /** Under this name the profile of a device keeps how fast it is. */
  readonly kernel: string;
  readonly rows: number;
  /**
   * Multiply–adds of linear maps and attention, elements of all else: what all threads would do together if each did as much as the
   * busiest, for which the others wait.
   */
  readonly operations: number;
  /** For attention: elements of its result, whose cost does not grow with the position; counted in the same way. */
  readonly start: number;
  readonly accesses: readonly Access[];
  readonly barrier: boolean;
}

/** A play of `rows` tokens that begin at `position`. */
export interface Play {
  readonly rows: number;
  readonly position: number;
}

export interface Planned {
  readonly graph: Graph;
  readonly plan: Plan;
}

export function workOf(planned: Planned, storage: (parameter: Parameter) => StorageType, play: Play): Work[] {
  return planned.plan.instructions.map((instruction) => work(instruction, planned, storage, play));
}

function work(
  instruction: PlannedInstruction,
  { graph, plan }: Planned,
  storage: (parameter: Parameter) => StorageType,
  play: Play,
): Work {
  const { threads, tailRows } = plan.limits;
  const rows = instruction.tail ? Math.min(tailRows, play.rows) : play.rows;
  const parameters = parametersIn(instruction.words);
  const passing = [...instruction.reads, ...instruction.writes].map((buffer) => ({
    name: `activations ${plan.offsets.get(buffer)}`,
    bytes: rows * buffer.bytesPerRow,
    passing: true,
  }));
  const common = {
    kernel: kernelName(instruction),
    rows,
    start: 0,
    barrier: play.rows === 1 ? instruction.barrier.one : instruction.barrier.many,
  };
  const width = (instruction.writes[0] ?? instruction.reads[0])!.bytesPerRow / 4;

  if (instruction.kernel === "embed") {
    return { ...common, kind: "elements", operations: rows * width, accesses: passing };
  }
  const kept = parameters.map((p) => ({ name: p.name, bytes: parameterBytes(p, storage(p)), passing: false }));
  const slot = instruction.readsSlot;
  if (slot !== undefined) {
    const shape = graph.slots[slot]!;
    const { window = Number.POSITIVE_INFINITY, bidirectional } = shape;
    let seen = 0;
    for (let row = 0; row < rows; row++) seen += Math.min(play.position + (bidirectional ? rows : row + 1), window);
    const held = Math.min(play.position + rows, window + rows);
    const bytes = 2 * held * cacheBytesPerPosition(plan.limits.cache ?? "f32", shape);
    return {
      ...common,
      kind: "attention",
      operations: 2 * width * seen,
      start: rows * width,
      accesses: [{ name: `cache ${slot}`, bytes, passing: false }, ...passing],
    };
  }
  const matrices = parameters.filter((parameter) => parameter.kind === "matrix");
  const accesses = [...kept, ...passing];
  if (matrices.length === 0) return { ...common, kind: "elements", operations: rows * width, accesses };
  const macs = matrices.reduce(
    (sum, p) => sum + busiest(groups(padded(p.rows)), threads) * GROUP * padded(p.columns),
    0,
  );
  return { ...common, kind: "linear", operations: rows * macs, accesses };
}

/** A kernel that also writes integers is another one to the clock. */
export function kernelName({ kernel, integers }: PlannedInstruction): string {
  return integers ? `${kernel}+${integers.form}` : kernel;
}

function parametersIn(words: readonly Word[]): Parameter[] {
  return words.flatMap((word) => (typeof word === "object" && "parameter" in word ? [word.parameter] : []));
}

/** What the busiest thread does, times the threads, where each takes an equal number of items. */
function busiest(items: number, threads: number): number {
  return Math.ceil(items / threads) * threads;
}
