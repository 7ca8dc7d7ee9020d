/**
 * Which products find their weights in a cache because these were played a short time ago, and which read weights that are played again
 * soon: the kernel reads them in another way, with the same result. Only f32 products have such ways; what does not pay in
 * other types, docs/performance.md says.
 */
import type { Instruction } from "./instruction.ts";
import { type Parameter, parameterBytes, type StorageType, storageLayouts } from "./parameter.ts";
import { reuseDistances } from "./reuse.ts";

/** `near`: a cache should have them; `soon`: it has not, but should when they are next played. */
export type WeightReuse = "near" | "soon";

/** Bytes of different weights that a last cache is taken to hold; */
const NEAR = 20e6;
/** so few it keeps as it is, and to touch them again would cost more than it saves (docs/performance.md). */
const FEW = 8e6;

/** By the number of the instruction; the program is played again and again. */
export function weightReuse(
  instructions: readonly Instruction[],
  storage: (parameter: Parameter) => StorageType,
): ReadonlyMap<number, WeightReuse> {
  const reuse = new Map<number, WeightReuse>();
  const told = ({ kernel }: Instruction): boolean => kernel === storageLayouts.f32.kernel;
  if (!instructions.some(told)) return reuse;
  const uses = instructions.flatMap((instruction, at) => {
    const matrix = matrixOf(instruction);
    return matrix ? [{ at, name: matrix.name, bytes: parameterBytes(matrix, storage(matrix)) }] : [];
  });
  const distances = reuseDistances(uses);
  /** How far the next use of each is; behind its last comes the first of the next play. */
  const next = new Map<string, number>();
  for (let i = uses.length - 1; i >= 0; i--) next.set(uses[i]!.name, distances[i]!);
  for (let i = uses.length - 1; i >= 0; i--) {
    const { at, name } = uses[i]!;
    const ahead = next.get(name)!;
    next.set(name, distances[i]!);
    if (!told(instructions[at]!)) continue;
    if (distances[i]! <= NEAR) reuse.set(at, "near");
    else if (ahead > FEW && ahead <= NEAR) reuse.set(at, "soon");
  }
  return reuse;
}

/** Rows of a table that are looked up are few. */
function matrixOf({ kernel, words }: Instruction): Parameter | undefined {
  if (kernel === "embed") return undefined;
  for (const word of words) {
    if (typeof word === "object" && "parameter" in word && word.parameter.kind === "matrix") return word.parameter;
  }
  return undefined;
}
