/** The backward operations in float64 with plain loops: what the reference player computes them with. */
import type { AttentionShape, Indices, Value } from "../graph.ts";
import { normalDistribution } from "../normal.ts";
import type { Parameter } from "../parameter.ts";
import { logSoftmax } from "../softmax.ts";
import type { BackwardOperation } from "./operations.ts";

type Matrix = Float64Array[];

export interface BackwardInput {
  /** The numbers of a value that is already computed. */
  of(value: Value): Matrix;
  /** Values of a parameter, row-major. */
  weights(parameter: Parameter): ArrayLike<number>;
  /** For each row of the play the row of the table that it is embedded with. */
  index(indices: Indices): readonly number[];
  readonly targets: readonly number[];
  /** All rows of the play, and the first of the tail. */
  readonly rows: number;
  readonly tail: number;
}

const zeros = (rows: number, width: number): Matrix => Array.from({ length: rows }, () => new Float64Array(width));
const addTo = (row: Float64Array, more: Float64Array): void => {
  for (let c = 0; c < more.length; c++) row[c]! += more[c]!;
};
const total = (row: Float64Array): number => row.reduce((sum, v) => sum + v, 0);

/** [value.rows, value.width] */
export function computeBackward(value: Value, op: BackwardOperation, input: BackwardInput): Matrix {
  const { of, weights } = input;
  const result = resultOf(value, input);
  const plus = "plus" in op && op.plus ? of(op.plus) : undefined;
  const dy = "dy" in op ? of(op.dy) : [];
  const addRows = (more: Matrix): void => {
    for (const [m, row] of more.entries()) addTo(result[m]!, row);
  };
  if (plus) addRows(plus);

  switch (op.kind) {
    // The first play.
    case "gradientSum":
      break;
    case "linearInput": {
      const w = weights(op.weight);
      for (const [m, row] of dy.entries()) {
        for (const [n, d] of row.entries()) {
          for (let k = 0; k < value.width; k++) result[m]![k]! += d * w[n * value.width + k]!;
        }
      }
      break;
    }
    case "linearWeight": {
      const x = of(op.x);
      for (const [m, row] of dy.entries()) {
        for (const [n, d] of row.entries())
          addTo(
            result[n]!,
            x[m]!.map((v) => d * v),
          );
      }
      break;
    }
    case "sumRows":
      for (const row of dy) addRows([row]);
      break;
    case "embedTable": {
      const index = input.index(op.indices);
      for (const [m, row] of dy.entries()) addTo(result[index[m]!]!, row);
      break;
    }
    case "rmsNormInput":
      eachHead(op.heads, dy, of(op.x), result, (dy, x, dx) => {
        const g = dy.map((d, c) => d * weights(op.weight)[c]!);
        normInput(g, x, dx, 0, total(x.map((v) => v * v)) / x.length + op.epsilon);
      });
      break;
    case "rmsNormWeight":
      eachHead(op.heads, dy, of(op.x), undefined, (dy, x) => {
        const r = Math.sqrt(total(x.map((v) => v * v)) / x.length + op.epsilon);
        addRows([dy.map((d, c) => (d * x[c]!) / r)]);
      });
      break;
    case "layerNormInput":
      eachHead(1, dy, of(op.x), result, (dy, x, dx) => {
        const { mean, square } = moments(x, op.epsilon);
        const g = dy.map((d, c) => d * weights(op.weight)[c]!);
        normInput(g, x, dx, mean, square);
        for (let c = 0; c < dx.length; c++) dx[c]! -= total(g) / g.length / Math.sqrt(square);
      });
      break;
    case "layerNormWeight":
      eachHead(1, dy, of(op.x), undefined, (dy, x) => {
        const { mean, square } = moments(x, op.epsilon);
        addRows([dy.map((d, c) => (d * (x[c]! - mean)) / Math.sqrt(square))]);
      });
      break;
    case "attentionQueries":
      attention(op.shape, dy, of(op.q), of(op.k), of(op.v), (i, h, t, { ds, most, sum, mean }) => {
        const { heads, headWidth } = op.shape;
        const kv = kvOf(op.shape, h);
        for (let c = 0; c < headWidth; c++) result[i]![h * headWidth + c]! += ds * of(op.k)[t]![kv + c]!;
        result[i]![heads * headWidth + h] = Math.log(sum) + most;
        result[i]![heads * headWidth + heads + h] = mean;
      });
      break;
    case "attentionKeysValues":
      attention(op.shape, dy, of(op.q), of(op.k), of(op.v), (i, h, t, { ds, p }) => {
        const { kvHeads, headWidth } = op.shape;
        const kv = kvOf(op.shape, h);
        for (let c = 0; c < headWidth; c++) {
          result[t]![kv + c]! += ds * of(op.q)[i]![h * headWidth + c]!;
          result[t]![kvHeads * headWidth + kv + c]! += p * dy[i]![h * headWidth + c]!;
        }
      });
      break;
    case "swigluGate": {
      const [a, b] = [of(op.a), of(op.b)];
      addRows(
        dy.map((row, m) =>
          row.map((d, c) => {
            const v = a[m]![c]!;
            const sigmoid = 1 / (1 + Math.exp(-v));
            return d * b[m]![c]! * sigmoid * (1 + v * (1 - sigmoid));
          }),
        ),
      );
      break;
    }
    case "geluInput":
      addRows(dy.map((row, m) => row.map((d, c) => d * geluSlope(of(op.a)[m]![c]!))));
      break;
    case "geluExactInput":
      addRows(dy.map((row, m) => row.map((d, c) => d * geluExactSlope(of(op.a)[m]![c]!))));
      break;
    case "reluInput":
      addRows(dy.map((row, m) => row.map((d, c) => (of(op.a)[m]![c]! > 0 ? d : 0))));
      break;
    case "softplusInput":
      addRows(dy.map((row, m) => row.map((d, c) => d / (1 + Math.exp(-of(op.a)[m]![c]!)))));
      break;
    case "columnsInput":
      for (const [m, row] of dy.entries()) addTo(result[m]!.subarray(op.first), row);
      break;
    case "tailInput":
      for (const [m, row] of dy.entries()) result[input.tail + m]!.set(row);
      break;
    case "meanInput": {
      const counted = input.targets.filter((target) => target >= 0).length;
      result.forEach((row, m) => {
        row[0] = input.targets[m]! >= 0 ? op.weight / counted : 0;
      });
      break;
    }
    case "crossEntropyInput":
      of(op.logits).forEach((row, m) => {
        const target = input.targets[m]!;
        if (target < 0) return;
        const p = logSoftmax(row).map(Math.exp);
        result[m]!.set(p.map((v, c) => dy[m]![0]! * (v - (c === target ? 1 : 0))));
      });
      break;
    case "distillInput":
      of(op.student).forEach((row, m) => {
        if (input.targets[m]! < 0) return;
        const T = op.temperature;
        const [s, t] = [logSoftmax(row, T), logSoftmax(of(op.teacher)[m]!, T)];
        result[m]!.set(s.map((log, c) => dy[m]![0]! * T * (Math.exp(log) - Math.exp(t[c]!))));
      });
      break;
    case "meanSquaresInput":
      of(op.x).forEach((row, m) => {
        if (input.targets[m]! < 0) return;
        result[m]!.set(row.map((v, c) => (dy[m]![0]! * 2 * (v - of(op.teacher)[m]![c]!)) / row.length));
      });
      break;
  }
  return result;
}

function resultOf(value: Value, input: BackwardInput): Matrix {
  if (typeof value.rows === "number") return zeros(value.rows, value.width);
  return zeros(value.rows === "all" ? input.rows : input.rows - input.tail, value.width);
}

/** dx = (g - x̂ · mean(g ∘ x̂)) / r, x̂ = (x - mean) / r, r² = `square`. */
function normInput(g: Float64Array, x: Float64Array, dx: Float64Array, mean: number, square: number): void {
  const r = Math.sqrt(square);
  const dot = total(g.map((v, c) => (v * (x[c]! - mean)) / r)) / g.length;
  for (let c = 0; c < g.length; c++) dx[c] = (g[c]! - ((x[c]! - mean) / r) * dot) / r;
}

/** The mean of a row, and its variance + epsilon. */
function moments(x: Float64Array, epsilon: number): { mean: number; square: number } {
  const mean = total(x) / x.length;
  return { mean, square: total(x.map((v) => (v - mean) ** 2)) / x.length + epsilon };
}

/** Calls `work` with each head of each row of three matrices. */
function eachHead(
  heads: number,
  dy: Matrix,
  x: Matrix,
  dx: Matrix | undefined,
  work: (dy: Float64Array, x: Float64Array, dx: Float64Array) => void,
): void {
  dy.forEach((row, m) => {
    const width = row.length / heads;
    for (let h = 0; h < heads; h++) {
      const part = (matrix: Matrix) => matrix[m]!.subarray(h * width, (h + 1) * width);
      work(part(dy), part(x), part(dx ?? dy));
    }
  });
}

const kvOf = ({ heads, kvHeads, headWidth }: AttentionShape, head: number): number =>
  Math.floor((head * kvHeads) / heads) * headWidth;

interface Pair {
  /** The gradient of the score before its division by √d. */
  readonly ds: number;
  readonly p: number;
  readonly most: number;
  readonly sum: number;
  /** Σ p · dp of the row. */
  readonly mean: number;
}

/** Calls `visit` for each row i, head h and position t that it sees. */
function attention(
  shape: AttentionShape,
  dy: Matrix,
  q: Matrix,
  k: Matrix,
  v: Matrix,
  visit: (i: number, h: number, t: number, pair: Pair) => void,
): void {
  const { heads, headWidth, window = Number.POSITIVE_INFINITY, bidirectional } = shape;
  const root = Math.sqrt(headWidth);
  const dot = (a: Float64Array, from: number, b: Float64Array, to: number): number => {
    let sum = 0;
    for (let c = 0; c < headWidth; c++) sum += a[from + c]! * b[to + c]!;
    return sum;
  };
  q.forEach((row, i) => {
    for (let h = 0; h < heads; h++) {
      const first = Math.max(0, i - window + 1);
      const end = bidirectional ? q.length : i + 1;
      const seen = Array.from({ length: end - first }, (_, t) => first + t);
      const kv = kvOf(shape, h);
      const scores = seen.map((t) => dot(row, h * headWidth, k[t]!, kv) / root);
      const most = Math.max(...scores);
      const sum = scores.reduce((total, s) => total + Math.exp(s - most), 0);
      const p = scores.map((s) => Math.exp(s - most) / sum);
      const dp = seen.map((t) => dot(dy[i]!, h * headWidth, v[t]!, kv));
      const mean = p.reduce((total, weight, t) => total + weight * dp[t]!, 0);
      seen.forEach((t, at) => {
        visit(i, h, t, { ds: (p[at]! * (dp[at]! - mean)) / root, p: p[at]!, most, sum, mean });
      });
    }
  });
}

const geluExactSlope = (v: number): number =>
  normalDistribution(v) + (v * Math.exp((-v * v) / 2)) / Math.sqrt(2 * Math.PI);

function geluSlope(v: number): number {
  const c = Math.sqrt(2 / Math.PI);
  const t = Math.tanh(c * (v + 0.044715 * v ** 3));
  return 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * c * (1 + 3 * 0.044715 * v * v);
}
