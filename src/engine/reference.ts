/**
 * The reference player: computes a graph in float64 with plain loops. Slow and obviously right; it is the oracle that
 * the kernels are tested against, and nothing else uses it.
 */
import { isBackward } from "./backward/operations.ts";
import { computeBackward } from "./backward/reference.ts";
import type { Graph, Indices, Operation, Value } from "./graph.ts";
import { normalDistribution } from "./normal.ts";
import { BLOCK, type Parameter } from "./parameter.ts";
import { logSoftmax } from "./softmax.ts";

/** Rows of numbers. */
type Matrix = Float64Array[];

export interface ReferenceInput {
  readonly tokens: readonly number[];
  readonly targets?: readonly number[];
  /** Rows of each input of the graph, by its name. */
  readonly inputs?: Readonly<Record<string, readonly ArrayLike<number>[]>>;
  /** First row of the tail. */
  readonly tail?: number;
}

export class ReferencePlayer {
  private readonly keys: Matrix[];
  private readonly cachedValues: Matrix[];
  private position = 0;

  private readonly graph: Graph;
  /** Values of a parameter, row-major [rows, columns]. */
  private readonly parameter: (parameter: Parameter) => ArrayLike<number>;
  private readonly integers: (weight: Parameter) => boolean;

  /** `integers`: linear maps that read their input rounded to 8 bits, as the kernels of quantized weights do; by default none. */
  constructor(
    graph: Graph,
    parameter: (parameter: Parameter) => ArrayLike<number>,
    integers: (weight: Parameter) => boolean = () => false,
  ) {
    this.graph = graph;
    this.parameter = parameter;
    this.integers = integers;
    this.keys = graph.slots.map(() => []);
    this.cachedValues = graph.slots.map(() => []);
  }

  /** Plays the graph on more tokens; every value by its id. */
  play(input: ReferenceInput): Matrix[] {
    const values: Matrix[] = [];
    for (const value of this.graph.values) values.push(this.compute(value, values, input));
    this.position += input.tokens.length;
    return values;
  }

  output(values: readonly Matrix[], name: string): Matrix {
    return values[this.graph.outputs.get(name)!.id]!;
  }

  private compute(value: Value, values: readonly Matrix[], input: ReferenceInput): Matrix {
    const op: Operation = value.operation;
    const of = (v: Value) => values[v.id]!;
    const weights = (p: Parameter) => this.parameter(p);
    const index = (indices: Indices) =>
      input.tokens.map((token, i) => ({ tokens: token, positions: this.position + i, first: 0 })[indices]);
    if (isBackward(op)) {
      const { tail = 0, targets = [] } = input;
      return computeBackward(value, op, { of, weights, index, targets, rows: input.tokens.length, tail });
    }
    switch (op.kind) {
      case "input":
        return input.inputs![op.name]!.map((row) => Float64Array.from(row));
      case "embed": {
        const table = weights(op.table);
        return index(op.indices).map((row) =>
          Float64Array.from({ length: value.width }, (_, c) => table[row * value.width + c]!),
        );
      }
      case "linear": {
        const w = weights(op.weight);
        const bias = op.bias && weights(op.bias);
        const x = this.integers(op.weight) ? of(op.x).map(roundedTo8Bits) : of(op.x);
        return x.map((row) =>
          Float64Array.from({ length: value.width }, (_, n) => {
            let sum = bias?.[n] ?? 0;
            for (let k = 0; k < row.length; k++) sum += row[k]! * w[n * row.length + k]!;
            return sum;
          }),
        );
      }
      case "rmsNorm":
        return of(op.x).map((row) => rmsNorm(row, weights(op.weight), op.epsilon));
      case "headNorm":
        return of(op.x).map((row) => {
          const out = new Float64Array(row.length);
          const width = row.length / op.heads;
          for (let h = 0; h < op.heads; h++) {
            out.set(rmsNorm(row.subarray(h * width, (h + 1) * width), weights(op.weight), op.epsilon), h * width);
          }
          return out;
        });
      case "layerNorm":
        return of(op.x).map((row) => {
          const mean = row.reduce((s, v) => s + v, 0) / row.length;
          const variance = row.reduce((s, v) => s + (v - mean) ** 2, 0) / row.length;
          const w = weights(op.weight);
          const b = weights(op.bias);
          return row.map((v, k) => ((v - mean) / Math.sqrt(variance + op.epsilon)) * w[k]! + b[k]!);
        });
      case "rope":
        return of(op.x).map((row, i) => {
          const out = new Float64Array(row.length);
          const half = op.headWidth / 2;
          for (let h = 0; h < op.heads; h++) {
            for (let k = 0; k < half; k++) {
              const at = h * op.headWidth + k;
              const c = op.table.cosines[(this.position + i) * half + k]!;
              const s = op.table.sines[(this.position + i) * half + k]!;
              out[at] = row[at]! * c - row[at + half]! * s;
              out[at + half] = row[at + half]! * c + row[at]! * s;
            }
          }
          return out;
        });
      case "attention":
        return this.attention(op, of(op.q), of(op.k), of(op.v));
      case "add":
        return of(op.a).map((row, i) => row.map((v, k) => v + of(op.b)[i]![k]!));
      case "swiglu":
        return of(op.a).map((row, i) => row.map((v, k) => (v / (1 + Math.exp(-v))) * of(op.b)[i]![k]!));
      case "gelu":
        return of(op.a).map((row) =>
          row.map((v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3)))),
        );
      case "geluExact":
        return of(op.a).map((row) => row.map((v) => v * normalDistribution(v)));
      case "relu":
        return of(op.a).map((row) => row.map((v) => Math.max(0, v)));
      case "multiply":
        return of(op.a).map((row, i) => row.map((v, k) => v * of(op.b)[i]![k]!));
      case "exp":
        return of(op.a).map((row) => row.map(Math.exp));
      case "softplus":
        return of(op.a).map((row) => row.map((v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))));
      case "scale":
        return of(op.a).map((row) => row.map((v) => v * op.factor));
      case "columns":
        return of(op.x).map((row) => row.slice(op.first, op.first + value.width));
      case "tail":
        return of(op.x).slice(input.tail ?? 0);
      case "crossEntropy":
        return of(op.logits).map((row, i) => {
          const target = input.targets![i]!;
          return Float64Array.of(target < 0 ? 0 : -logSoftmax(row)[target]!);
        });
      case "distill":
        return of(op.student).map((row, i) => {
          if (input.targets![i]! < 0) return Float64Array.of(0);
          const T = op.temperature;
          const [s, t] = [logSoftmax(row, T), logSoftmax(of(op.teacher)[i]!, T)];
          return Float64Array.of(T * T * t.reduce((sum, log, c) => sum + Math.exp(log) * (log - s[c]!), 0));
        });
      case "meanSquares":
        return of(op.x).map((row, i) => {
          const sum = row.reduce((total, v, c) => total + (v - of(op.teacher)[i]![c]!) ** 2, 0);
          return Float64Array.of(input.targets![i]! < 0 ? 0 : sum / row.length);
        });
      case "mean": {
        const counted = input.targets!.filter((target) => target >= 0).length;
        const mean = of(op.losses).reduce((s, row) => s + row[0]!, 0) / Math.max(1, counted);
        return [Float64Array.of(op.weight * mean + (op.plus ? of(op.plus)[0]![0]! : 0))];
      }
    }
  }

  private attention(op: Extract<Operation, { kind: "attention" }>, q: Matrix, k: Matrix, v: Matrix): Matrix {
    const { heads, kvHeads, headWidth, window = Number.POSITIVE_INFINITY } = op.shape;
    const keys = this.keys[op.slot]!;
    const cached = this.cachedValues[op.slot]!;
    keys.splice(this.position, keys.length, ...k);
    cached.splice(this.position, cached.length, ...v);
    return q.map((row, i) => {
      const last = op.shape.bidirectional ? keys.length - 1 : this.position + i;
      const first = Math.max(0, last - window + 1);
      const out = new Float64Array(heads * headWidth);
      for (let h = 0; h < heads; h++) {
        const kv = Math.floor((h * kvHeads) / heads) * headWidth;
        const scores: number[] = [];
        for (let t = first; t <= last; t++) {
          let dot = 0;
          for (let c = 0; c < headWidth; c++) dot += row[h * headWidth + c]! * keys[t]![kv + c]!;
          scores.push(dot / Math.sqrt(headWidth));
        }
        const most = Math.max(...scores);
        const weights = scores.map((s) => Math.exp(s - most));
        const sum = weights.reduce((a, b) => a + b, 0);
        for (let c = 0; c < headWidth; c++) {
          weights.forEach((w, t) => {
            out[h * headWidth + c]! += (w / sum) * cached[first + t]![kv + c]!;
          });
        }
      }
      return out;
    });
  }
}

function rmsNorm(row: Float64Array, weight: ArrayLike<number>, epsilon: number): Float64Array {
  const mean = row.reduce((s, v) => s + v * v, 0) / row.length;
  return row.map((v, k) => (v / Math.sqrt(mean + epsilon)) * weight[k]!);
}

/** Each block of 32 as integers from -127 to 127 times a scale; in f32, so that halves round as they do in the kernels. */
function roundedTo8Bits(row: Float64Array): Float64Array {
  return row.map((_, k) => {
    const block = Float32Array.from(row.subarray(k - (k % BLOCK), k - (k % BLOCK) + BLOCK));
    const most = block.reduce((largest, v) => Math.max(largest, Math.abs(v)), 0);
    if (most === 0) return 0;
    const scaled = Math.fround(block[k % BLOCK]! * Math.fround(127 / most));
    return nearestEven(scaled) * Math.fround(most / 127);
  });
}

function nearestEven(x: number): number {
  const magic = 1.5 * 2 ** 52;
  return x + magic - magic;
}
