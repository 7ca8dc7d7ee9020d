/**
 * How much does a run of steps change the hidden state? Two answers from one forward pass, in plain numbers.
 *
 * - Block Influence of step i: the mean over all tokens of 1 - cos(x_i, x_{i+1}) (ShortGPT, arXiv 2403.03853),
 *   where x_i is the hidden state that step i reads. Averaged, so that it does not grow with the text.
 * - Angular distance of the n steps from l on: the mean over windows of arccos(cos(x_l, x_{l+n})) / π at the last token
 *   of the window ("The Unreasonable Ineffectiveness of the Deeper Layers", arXiv 2403.17887, section 3.2).
 *   0: same direction, 0.5: right angle, 1: opposite.
 *
 * The state after the last step is the one before the final norm; a state after it would charge the norm to that step.
 * This is not the measurement of a model: who plays it hands the hidden states in. Nothing here knows an engine.
 */
import { failure } from "../errors.ts";

/** What a text says about the steps of a schedule. Steps are counted from 0, in the order in which they are played. */
export interface Similarity {
  readonly steps: number;
  /** Tokens behind `influence` and `cosine`. */
  readonly tokens: number;
  /** Windows behind `angular`: one token each. */
  readonly windows: number;
  /** [steps] Block Influence, 0…2. */
  readonly influence: readonly number[];
  /** [steps] mean cosine between what a step reads and what it leaves; 1 - influence. */
  readonly cosine: readonly number[];
  /** angular[n-1][l], 0…1: the n steps l … l+n-1; n = 1…steps, l = 0…steps-n. */
  readonly angular: readonly (readonly number[])[];
  /** Standard errors of `influence` (also of `cosine`) and `angular`; there are none for a single window. */
  readonly standardErrors?: {
    readonly influence: readonly number[];
    readonly angular: readonly (readonly number[])[];
  };
}

export class SimilarityAccumulator {
  readonly #steps: number;
  readonly #width: number;
  #tokens = 0;
  #tokensInWindow = 0;
  /** Tokens of each complete window. */
  readonly #windowTokens: number[] = [];
  /** [steps] sum of 1 - cos in the window that is being read. */
  #windowInfluence: Float64Array;
  /** [windows][steps] the same of every complete window. */
  readonly #influences: Float64Array[] = [];
  /** angular[n-1][l]: sum and sum of squares over windows. */
  readonly #angularSum: Float64Array[];
  readonly #angularSquares: Float64Array[];

  /** `steps` of the schedule, `width` of the residual stream. */
  constructor(steps: number, width: number) {
    this.#steps = steps;
    this.#width = width;
    this.#windowInfluence = new Float64Array(steps);
    const triangle = () => Array.from({ length: steps }, (_, n) => new Float64Array(steps - n));
    this.#angularSum = triangle();
    this.#angularSquares = triangle();
  }

  /**
   * Takes the next `rows` tokens of a window. hidden[i] is [rows, width] as step i reads it, hidden[steps] what the
   * last step leaves, before the final norm; longer arrays are read up to there. `lastRow`: the last row is the last
   * token of its window. Nothing is kept of `hidden`. Fails with `similarity-not-finite` on NaN and infinity.
   */
  add(hidden: readonly Float32Array[], rows: number, lastRow: boolean): void {
    this.#checkShape(hidden, rows);
    // A row at a time, so that the norms of a state serve the step before it and the step behind it.
    for (let row = 0; row < rows; row++) {
      let before = this.#dot(hidden, 0, 0, row);
      for (let step = 0; step < this.#steps; step++) {
        const after = this.#dot(hidden, step + 1, step + 1, row);
        const cosine = cosineOf(this.#dot(hidden, step, step + 1, row), before, after);
        this.#windowInfluence[step]! += 1 - cosine;
        before = after;
      }
    }
    this.#tokens += rows;
    this.#tokensInWindow += rows;
    if (lastRow) this.#endWindow(hidden, rows - 1);
  }

  /** Fails with `similarity-no-window` before the first window is complete, or while one is open. */
  result(): Similarity {
    const windows = this.#windowTokens.length;
    if (windows === 0 || this.#tokensInWindow > 0) {
      throw failure(
        "similarity-no-window",
        windows === 0 ? "similarity: no window of text was measured" : "similarity: the last window was not ended",
        "Pass lastRow = true with the last rows of every window.",
      );
    }
    const influence = this.#meanInfluence();
    const angular = this.#angularSum.map((sums) => Array.from(sums, (sum) => sum / windows));
    const measured = {
      steps: this.#steps,
      tokens: this.#tokens,
      windows,
      influence,
      cosine: influence.map((value) => 1 - value),
      angular,
    };
    if (windows === 1) return measured;
    return {
      ...measured,
      standardErrors: { influence: this.#influenceErrors(influence), angular: this.#angularErrors(angular) },
    };
  }

  #endWindow(hidden: readonly Float32Array[], row: number): void {
    const norms = Array.from({ length: this.#steps + 1 }, (_, i) => this.#dot(hidden, i, i, row));
    for (let n = 1; n <= this.#steps; n++) {
      for (let l = 0; l + n <= this.#steps; l++) {
        const cosine = cosineOf(this.#dot(hidden, l, l + n, row), norms[l]!, norms[l + n]!);
        const distance = Math.acos(cosine) / Math.PI;
        this.#angularSum[n - 1]![l]! += distance;
        this.#angularSquares[n - 1]![l]! += distance * distance;
      }
    }
    this.#windowTokens.push(this.#tokensInWindow);
    this.#influences.push(this.#windowInfluence);
    this.#windowInfluence = new Float64Array(this.#steps);
    this.#tokensInWindow = 0;
  }

  #meanInfluence(): number[] {
    return Array.from({ length: this.#steps }, (_, step) => {
      const sum = this.#influences.reduce((total, window) => total + window[step]!, 0);
      return sum / this.#tokens;
    });
  }

  /**
   * Tokens of one window are not independent, windows nearly are. So the mean over tokens is taken as a ratio of
   * window totals: variance = W/(W-1) · Σ_w (S_w - T_w · mean)² / T², for W windows with T_w tokens and sum S_w.
   */
  #influenceErrors(mean: readonly number[]): number[] {
    const windows = this.#influences.length;
    return mean.map((value, step) => {
      const spread = this.#influences.reduce(
        (total, window, w) => total + (window[step]! - this.#windowTokens[w]! * value) ** 2,
        0,
      );
      return Math.sqrt((spread * windows) / (windows - 1)) / this.#tokens;
    });
  }

  #angularErrors(mean: readonly (readonly number[])[]): number[][] {
    const windows = this.#windowTokens.length;
    return mean.map((row, n) =>
      row.map((value, l) => {
        const variance = this.#angularSquares[n]![l]! / windows - value * value;
        return Math.sqrt(Math.max(0, variance) / (windows - 1));
      }),
    );
  }

  /** Row `row` of hidden[a] times that of hidden[b], in float64. */
  #dot(hidden: readonly Float32Array[], a: number, b: number, row: number): number {
    const left = hidden[a]!;
    const right = hidden[b]!;
    const end = (row + 1) * this.#width;
    let sum = 0;
    for (let i = row * this.#width; i < end; i++) sum += left[i]! * right[i]!;
    if (!Number.isFinite(sum)) throw notFinite(Math.max(a, b), this.#tokens + row);
    return sum;
  }

  #checkShape(hidden: readonly Float32Array[], rows: number): void {
    if (hidden.length !== this.#steps + 1) {
      throw failure(
        "similarity-shape",
        `similarity: expected ${this.#steps + 1} hidden states (before each step and after the last), got ${hidden.length}`,
      );
    }
    if (!Number.isInteger(rows) || rows < 1) {
      throw failure("similarity-shape", `similarity: expected at least one row, got ${rows}`);
    }
    const short = hidden.findIndex((state) => state.length < rows * this.#width);
    if (short >= 0) {
      throw failure(
        "similarity-shape",
        `similarity: hidden state ${short} has ${hidden[short]!.length} values, expected ${rows} x ${this.#width}`,
      );
    }
  }
}

/**
 * The cosine from a dot product and the squared norms. Rounding can leave [-1, 1], where arccos is NaN. A zero vector
 * has no direction: between two of them nothing changed (1); between zero and anything else all did (0, a right angle).
 */
function cosineOf(dot: number, squaredA: number, squaredB: number): number {
  if (squaredA === 0 || squaredB === 0) return squaredA === squaredB ? 1 : 0;
  // One root of the product, not two: equal states then have a cosine of exactly 1.
  return Math.min(1, Math.max(-1, dot / Math.sqrt(squaredA * squaredB)));
}

function notFinite(boundary: number, token: number) {
  const where = boundary === 0 ? "before step 0 (the embeddings)" : `after step ${boundary - 1}`;
  return failure(
    "similarity-not-finite",
    `similarity: the hidden state ${where} holds NaN or infinity, at token ${token} of the text`,
    "Play the model with --weights f32; if that does not help, its weights are damaged.",
  );
}
