/** Backward operations → instructions: one each, its words in the order in which the kernel of the same name reads them. */
import type { Value } from "../graph.ts";
import { type Buffer, type Instruction, indexWord, type Reference, sightWord, type Word } from "../instruction.ts";
import { groups, type Parameter, padded, type StorageType, storageLayouts } from "../parameter.ts";
import { type BackwardOperation, backwardOperands } from "./operations.ts";

/** Absent operand. */
const NONE = 0;
const stride = (value: Value): number => padded(value.width) * 4;
const panels: readonly Word[] = [{ region: "panels" }, { size: "panel" }];
const scratch: readonly Word[] = [{ region: "scratch" }, { size: "scratch" }];

/** Rows that a panel of `linearInput` and `linearWeight` has. */
const DEPTH = 256;
/**
 * Bytes of a thread's panels. Of dx = dy W: 32 columns, a row more to unpack to, and behind it the sums, 16 for each row of the
 * play. Of dW = dyᵀ x: 16 columns of dy and 128 of x.
 */
export const backwardPanelBytes = (rows: number): number =>
  Math.max((DEPTH + 1) * 32 * 4 + rows * 16 * 4, DEPTH * (16 + 128) * 4);

/** Bytes of scratch of each thread for attention's backward pass over `rows` rows: two numbers each. */
export const backwardScratchBytes = (rows: number): number => 2 * 4 * Math.ceil(rows / 4) * 4;

export function lowerBackward(
  value: Value,
  op: Exclude<BackwardOperation, { readonly kind: "gradientSum" }>,
  bufferOf: (value: Value) => Buffer,
  storage: (parameter: Parameter) => StorageType,
): Instruction {
  const at = (v: Value | undefined): Reference | typeof NONE => (v ? { buffer: bufferOf(v) } : NONE);
  const plus = "plus" in op ? op.plus : undefined;
  const instruction = (words: readonly Word[], inPlaceOf?: Value): Instruction => ({
    kernel: op.kind,
    // A parameter's gradient has rows of its own: what is counted are those of its operand.
    tail: ("dy" in op && op.kind !== "tailInput" ? op.dy : value).rows === "tail",
    words,
    reads: backwardOperands(op).map(bufferOf),
    writes: [bufferOf(value)],
    ...(inPlaceOf && { inPlaceOf: bufferOf(inPlaceOf) }),
  });

  switch (op.kind) {
    case "linearInput": {
      const { weight } = op;
      const type = storageLayouts[storage(weight)].id;
      const sizes = [padded(weight.rows), padded(weight.columns), stride(op.dy), stride(value)];
      // Other threads read dy whole: where it is also what is added, as in x + W x, the result needs a place of its own.
      const place = plus === op.dy ? undefined : plus;
      return instruction([at(op.dy), { parameter: weight }, type, at(plus), at(value), ...sizes, ...panels], place);
    }
    case "linearWeight":
      return instruction(
        [
          at(op.dy),
          at(op.x),
          at(plus),
          at(value),
          groups(padded(op.dy.width)),
          padded(op.x.width),
          stride(op.dy),
          stride(op.x),
          ...panels,
        ],
        plus,
      );
    case "sumRows":
      return instruction([at(op.dy), at(plus), at(value), padded(value.width), stride(op.dy)], plus);
    case "embedTable": {
      const tableGroups = groups(padded(value.rows as number));
      return instruction(
        [at(op.dy), at(plus), at(value), tableGroups, padded(value.width), indexWord(op.indices), stride(op.dy)],
        plus,
      );
    }
    case "rmsNormInput": {
      const sizes = [op.weight.columns, op.heads, { float: op.epsilon }, stride(value)];
      return instruction([at(op.dy), at(op.x), { parameter: op.weight }, at(value), ...sizes], op.dy);
    }
    case "rmsNormWeight": {
      const sizes = [value.width, padded(value.width), op.heads, { float: op.epsilon }, stride(op.x)];
      return instruction([at(op.dy), at(op.x), at(plus), at(value), ...sizes], plus);
    }
    case "layerNormInput": {
      const sizes = [value.width, { float: op.epsilon }, stride(value)];
      return instruction([at(op.dy), at(op.x), { parameter: op.weight }, at(value), ...sizes], op.dy);
    }
    case "layerNormWeight": {
      const sizes = [value.width, padded(value.width), { float: op.epsilon }, stride(op.x)];
      return instruction([at(op.dy), at(op.x), at(plus), at(value), ...sizes], plus);
    }
    case "attentionQueries": {
      const { heads, kvHeads, headWidth } = op.shape;
      const sizes = [heads, kvHeads, headWidth, sightWord(op.shape), stride(op.q), stride(op.k), stride(value)];
      return instruction([at(op.dy), at(op.q), at(op.k), at(op.v), at(value), ...sizes, ...scratch]);
    }
    case "attentionKeysValues": {
      const { heads, kvHeads, headWidth } = op.shape;
      const sizes = [heads, kvHeads, headWidth, sightWord(op.shape), at(op.queries), stride(op.queries), stride(value)];
      return instruction([at(op.dy), at(op.q), at(op.k), at(op.v), at(value), ...sizes, ...scratch]);
    }
    case "swigluGate":
      return instruction([at(op.dy), at(op.a), at(op.b), at(value), padded(value.width)], op.dy);
    case "geluInput":
    case "geluExactInput":
    case "reluInput":
    case "softplusInput":
      return instruction([at(op.dy), at(op.a), at(value), padded(value.width)], op.dy);
    case "columnsInput":
      return instruction([at(op.dy), op.first, at(plus), at(value), op.dy.width, stride(op.dy), stride(value)], plus);
    case "tailInput":
      return instruction([at(op.dy), at(value), stride(value)]);
    case "meanInput":
      return instruction([{ region: "targets" }, at(value), { float: op.weight }]);
    case "crossEntropyInput":
      return instruction(
        [at(op.dy), at(op.logits), { region: "targets" }, at(value), value.width, stride(value)],
        op.logits,
      );
    case "distillInput": {
      const sizes = [value.width, stride(value), { float: 1 / op.temperature }];
      const words = [at(op.dy), at(op.student), at(op.teacher), { region: "targets" }, at(value), ...sizes] as const;
      return instruction(words, op.teacher);
    }
    case "meanSquaresInput": {
      const words = [at(op.dy), at(op.x), at(op.teacher), { region: "targets" }, at(value)] as const;
      return instruction([...words, value.width, stride(value)], op.teacher);
    }
  }
}
