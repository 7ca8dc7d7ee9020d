/**
 * Graph → instructions over virtual buffers. Here, and nowhere earlier, numbers become integers: a linear map whose
 * weights are quantized reads a quantized copy of its input, made once for all that read it (q, k and v share one).
 * An addition that follows a linear map is folded into it.
 */

import type { CacheType } from "./attention-layout.ts";
import { lowerBackward } from "./backward/lower.ts";
import { isBackward } from "./backward/operations.ts";
import { type Graph, operands, type Value } from "./graph.ts";
import { type Buffer, type Instruction, indexWord, type Reference, type Word } from "./instruction.ts";
import { lowerAttention } from "./lower-attention.ts";
import {
  BLOCK,
  groups,
  type IntegerForm,
  type Parameter,
  padded,
  type StorageType,
  storageLayouts,
  stride,
} from "./parameter.ts";

/** Kernels that can write their result in integers too. */
const quantizing: ReadonlySet<string> = new Set(["rmsNorm", "layerNorm", "swiglu", "attention", "attentionQ8"]);

/** Operations that leave one number for each row: rows are not padded. */
const oneNumber: ReadonlySet<string> = new Set(["crossEntropy", "distill", "meanSquares", "meanInput"]);

/** Scale, start of the sums and sum of a block of integer activations (kernels/quantize.ts). */
const HEADER_BYTES = 12;
/** Absent operand. */
const NONE = 0;
/** Whole cache lines, so that threads that write rows side by side do not take them from each other. */
const wholeLines = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** The value in whose place another lies from the first: of a gradient, what earlier plays have added up. */
function placeOf(value: Value): Value {
  for (let at: Value | undefined = value; at; at = "plus" in at.operation ? at.operation.plus : undefined) {
    if (at.operation.kind === "gradientSum") return at;
  }
  return value;
}

export function lower(graph: Graph, storage: (parameter: Parameter) => StorageType, cache: CacheType): Instruction[] {
  const instructions: Instruction[] = [];
  const quantized: Record<IntegerForm, Map<Value, Buffer>> = { signed: new Map(), split: new Map() };
  const names = new Map([...graph.outputs].map(([name, value]) => [placeOf(value), name]));
  /** What reads each value, by its number; x + x is there twice. */
  const readers = graph.values.map((): readonly Value[] => []);
  for (const value of graph.values)
    for (const { id } of operands(value.operation)) readers[id] = readers[id]!.concat(value);
  const readersOf = (value: Value): readonly Value[] => readers[value.id]!;

  const newBuffer = (value: Value): Buffer => {
    const name = names.get(value);
    const { operation } = value;
    const lasting = operation.kind === "gradientSum";
    return {
      // Gradients lie as f32 weights do, rows padded to whole blocks.
      rows: lasting && operation.parameter.kind === "matrix" ? padded(operation.parameter.rows) : value.rows,
      bytesPerRow: oneNumber.has(operation.kind) ? 4 : stride(value.width),
      ...(operation.kind === "input" && { input: operation.name }),
      ...(name === undefined ? {} : { output: name }),
      ...(lasting && { lasting }),
    };
  };
  /** By the number of the value. */
  const buffers: Buffer[] = [];
  for (const value of graph.values) buffers.push(buffers[placeOf(value).id] ?? newBuffer(value));
  const bufferOf = ({ id }: Value): Buffer => buffers[id]!;
  const emit = (
    value: Value,
    kernel: string,
    words: readonly Word[],
    reads: readonly Buffer[],
    more: Partial<Instruction> = {},
  ): void => {
    const integers = quantizing.has(kernel) ? wantedIntegers(value) : undefined;
    const writes = integers ? [bufferOf(value), integers.buffer] : [bufferOf(value)];
    const tail = value.rows === "tail";
    const columns = more.columns && integers ? [...more.columns, integers.buffer] : more.columns;
    const own = { ...(integers && { integers }), ...more, ...(columns && { columns }) };
    instructions.push({ kernel, tail, words, reads, writes, ...own });
  };

  /** The integer form of `value` that the linear maps behind it read, if its own kernel can make it. */
  const wantedIntegers = (value: Value): Instruction["integers"] => {
    const { operation } = value;
    if (operation.kind === "attention" && operation.shape.headWidth % BLOCK !== 0) return undefined;
    for (const reader of readersOf(value)) {
      if (reader.operation.kind !== "linear") continue;
      const form = storageLayouts[storage(reader.operation.weight)].activations;
      if (form !== "f32") return { form, buffer: integerBuffer(value, form) };
    }
    return undefined;
  };

  const integerBuffer = (x: Value, form: IntegerForm): Buffer => {
    const K = padded(x.width);
    const bytesPerRow = wholeLines((form === "split" ? 2 * K : K) + (K / BLOCK) * HEADER_BYTES);
    const buffer = { rows: x.rows, bytesPerRow };
    quantized[form].set(x, buffer);
    return buffer;
  };

  /** The input of a linear map in the form that its kernel reads; where nobody has made it, an instruction does. */
  const activations = (x: Value, type: StorageType): Buffer => {
    const form = storageLayouts[type].activations;
    const source = bufferOf(x);
    if (form === "f32") return source;
    let buffer = quantized[form].get(x);
    if (!buffer) {
      buffer = integerBuffer(x, form);
      instructions.push({
        kernel: form === "split" ? "quantizeSplit" : "quantizeSigned",
        tail: x.rows === "tail",
        words: [{ buffer: source }, { buffer }, padded(x.width), source.bytesPerRow, buffer.bytesPerRow],
        reads: [source],
        writes: [buffer],
      });
    }
    return buffer;
  };

  /** y = W x (+ bias) (+ residual), written to the buffer of `value`. */
  const linear = (value: Value, x: Value, weight: Parameter, bias: Parameter | undefined, residual?: Buffer): void => {
    const type = storage(weight);
    const input = activations(x, type);
    const y = bufferOf(value);
    const words: Word[] = [
      { buffer: input },
      { parameter: weight },
      bias ? { parameter: bias } : NONE,
      residual ? { buffer: residual } : NONE,
      { buffer: y },
      padded(weight.columns),
      groups(padded(weight.rows)),
      input.bytesPerRow,
      y.bytesPerRow,
      { region: "panels" },
      { size: "panel" },
    ];
    // What is read whole is not in place, nor one's own columns: x + W x reads x as both.
    const inPlace = residual !== undefined && residual !== input;
    emit(value, storageLayouts[type].kernel, words, residual ? [input, residual] : [input], {
      columns: inPlace ? [y, residual] : [y],
      ...(replicated.has(x) && { ownRow: input }),
      ...(inPlace && { inPlaceOf: residual }),
    });
  };

  /** Norms that only linear maps read: cheap enough for every thread to compute one for itself. */
  const replicated = new Set(
    graph.values.filter(
      (value) =>
        (value.operation.kind === "rmsNorm" || value.operation.kind === "layerNorm") &&
        !names.has(value) &&
        readersOf(value).every(({ operation }) => operation.kind === "linear"),
    ),
  );
  /** True where `value` is a linear map that only one addition reads: the addition does its work. */
  const foldable = (value: Value): boolean =>
    value.operation.kind === "linear" && readersOf(value).length === 1 && !names.has(value);
  /** Values that the instruction of their only reader computes: linear maps in additions, turned keys in attention. */
  const folded = new Set<Value>();
  for (const { operation } of graph.values) {
    if (
      operation.kind === "attention" &&
      operation.k.operation.kind === "rope" &&
      readersOf(operation.k).length === 1
    ) {
      folded.add(operation.k);
    }
    if (operation.kind !== "add") continue;
    if (foldable(operation.b)) folded.add(operation.b);
    else if (foldable(operation.a)) folded.add(operation.a);
  }

  for (const value of graph.values) {
    const op = value.operation;
    const K = padded(value.width);
    const row = stride(value.width);
    const at = (v: Value): Reference => ({ buffer: bufferOf(v) });
    if (isBackward(op)) {
      // Sums go on in the place of what they go on from.
      if (op.kind !== "gradientSum") instructions.push(lowerBackward(value, op, bufferOf, storage));
      continue;
    }
    switch (op.kind) {
      case "input":
        break;
      case "embed":
        emit(
          value,
          "embed",
          [{ parameter: op.table }, storageLayouts[storage(op.table)].id, K, indexWord(op.indices), at(value), row],
          [],
        );
        break;
      case "linear":
        if (!folded.has(value)) linear(value, op.x, op.weight, op.bias);
        break;
      case "add": {
        const map = folded.has(op.b) ? op.b : folded.has(op.a) ? op.a : undefined;
        const other = map === op.b ? op.a : op.b;
        if (map?.operation.kind === "linear") {
          linear(value, map.operation.x, map.operation.weight, map.operation.bias, bufferOf(other));
        } else elementwise(value, "add", op.a, op.b);
        break;
      }
      case "swiglu":
        elementwise(value, "swiglu", op.a, op.b);
        break;
      case "multiply":
        elementwise(value, "multiply", op.a, op.b);
        break;
      case "gelu":
      case "geluExact":
      case "relu":
      case "exp":
      case "softplus":
        elementwise(value, op.kind, op.a);
        break;
      case "rmsNorm":
      case "layerNorm": {
        const words: Word[] = [
          at(op.x),
          { parameter: op.weight },
          at(value),
          value.width,
          K,
          { float: op.epsilon },
          row,
          row,
        ];
        if (op.kind === "layerNorm") words.push({ parameter: op.bias });
        emit(value, op.kind, words, [bufferOf(op.x)], replicated.has(value) ? { replicated: true } : {});
        break;
      }
      case "headNorm":
        emit(
          value,
          "headNorm",
          [
            at(op.x),
            { parameter: op.weight },
            at(value),
            op.weight.columns,
            op.heads,
            { float: op.epsilon },
            row,
            row,
            K,
          ],
          [bufferOf(op.x)],
          { inPlaceOf: bufferOf(op.x) },
        );
        break;
      case "rope":
        if (folded.has(value)) break;
        emit(
          value,
          "rope",
          [
            at(op.x),
            at(value),
            op.heads,
            op.headWidth,
            { table: op.table, half: "cosines" },
            { table: op.table, half: "sines" },
            row,
          ],
          [bufferOf(op.x)],
          { inPlaceOf: bufferOf(op.x) },
        );
        break;
      case "attention": {
        const { append, play } = lowerAttention(op, folded.has(op.k), cache, bufferOf, value);
        instructions.push(append);
        emit(value, play.kernel, play.words, [bufferOf(op.q)], { readsSlot: op.slot });
        break;
      }
      case "scale":
        elementwise(value, "scale", op.a, undefined, [{ float: op.factor }]);
        break;
      case "columns":
        emit(
          value,
          "columns",
          [at(op.x), op.first, at(value), value.width, K, stride(op.x.width), row],
          [bufferOf(op.x)],
        );
        break;
      case "tail":
        elementwise(value, "tail", op.x);
        break;
      case "crossEntropy":
        emit(
          value,
          "crossEntropy",
          [at(op.logits), { region: "targets" }, at(value), op.logits.width, stride(op.logits.width)],
          [bufferOf(op.logits)],
        );
        break;
      case "distill": {
        const sizes = [op.student.width, stride(op.student.width), { float: 1 / op.temperature }];
        emit(
          value,
          "distill",
          [at(op.student), at(op.teacher), { region: "targets" }, at(value), ...sizes],
          [bufferOf(op.student), bufferOf(op.teacher)],
        );
        break;
      }
      case "meanSquares":
        emit(
          value,
          "meanSquares",
          [at(op.x), at(op.teacher), { region: "targets" }, at(value), op.x.width, stride(op.x.width)],
          [bufferOf(op.x), bufferOf(op.teacher)],
        );
        break;
      case "mean":
        instructions.push({
          kernel: "mean",
          tail: op.losses.rows === "tail",
          words: [at(op.losses), { region: "targets" }, at(value), { float: op.weight }, op.plus ? at(op.plus) : NONE],
          reads: operands(op).map(bufferOf),
          writes: [bufferOf(value)],
        });
        break;
    }
  }

  function elementwise(value: Value, kernel: string, a: Value, b?: Value, more: readonly Word[] = []): void {
    const words: Word[] = [
      { buffer: bufferOf(a) },
      b ? { buffer: bufferOf(b) } : NONE,
      { buffer: bufferOf(value) },
      padded(value.width),
      ...more,
    ];
    const reads = b ? [bufferOf(a), bufferOf(b)] : [bufferOf(a)];
    const columns = [...reads, bufferOf(value)];
    emit(value, kernel, words, reads, kernel === "tail" ? {} : { inPlaceOf: bufferOf(a), columns });
  }
  return instructions;
}
