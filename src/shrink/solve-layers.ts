/**
 * Narrower feed-forwards without gradients: what is left of a layer is solved for, not trained. From the first half to the last, the
 * matrix that writes to the residual stream becomes the one that brings the smaller model nearest to what the whole one has there,
 * by least squares over all rows of a text (least-squares.ts); of a feed-forward the hidden channels go that this costs least for.
 * A half reads what the smaller model has made of the text so far, and so mends what those before it missed. Some windows are held
 * out, and say how much of that to believe.
 */
import { type MatrixProduct, matrixProduct } from "../engine/wasm/matrix-product.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { type Hidden, type NormalEquations, StepwisePlayer } from "../model/stepwise.ts";
import type { OnProgress } from "../progress.ts";
import type { Model } from "../refrain.ts";
import type { Step } from "../schedule/schedule.ts";
import { yieldToEvents } from "../yield.ts";
import { heldOutOf } from "./held-out.ts";
import { invert, removeColumns } from "./least-squares.ts";
import type { Calibration, Journal } from "./method.ts";
import { keepSolved, readSolved, type SolvedHalf } from "./solved-halves.ts";

/** What it costs a matrix to leave what it was, as a share of the mean square of what it reads. */
const RIDGE = 1e-2;

/** Windows that are played in one go, so that whoever waits is heard. */
const AT_ONCE = 8;

/** Halves: a minute or two of a model of a hundred million parameters. */
const KEEP_EVERY = 10;

export interface SolveOptions {
  /** Hidden channels that each feed-forward keeps. */
  readonly channels: number;
  /** Where it keeps what is solved, so that it goes on where it was stopped, with the same bits. */
  readonly journal?: Journal | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: OnProgress | undefined;
}

export interface Solved extends SolvedHalf {
  /** Behind the half, on windows that nothing was solved by: the mean over rows of ‖smaller - whole‖² / ‖whole‖². */
  readonly missed: number;
}

/** Of each step its attention and its feed-forward. Each must play a whole block of its own. */
export async function solveLayers(
  model: Model,
  { tokens, window, windows }: Pick<Calibration, "tokens" | "window" | "windows">,
  { channels, journal, signal, onProgress }: SolveOptions,
): Promise<Solved[]> {
  const { config, steps } = model;
  const { player, store: original } = model.memory;
  const store = new ParameterStore(player, original);
  const multiply = matrixProduct(player);
  const whole = model.stepwise(window);
  const smaller = new StepwisePlayer(player, store, config, window);
  const total = steps.length * 2 * 3 * windows;
  const learning = windows - heldOutOf(windows);
  let done = 0;
  const inTurns = async (play: (from: number, to: number) => void): Promise<void> => {
    for (let from = 0; from < windows; from += AT_ONCE) {
      signal?.throwIfAborted();
      const to = Math.min(from + AT_ONCE, windows);
      play(from, to);
      done += to - from;
      onProgress?.({ label: "solving layers", done, total, unit: "windows" });
      await yieldToEvents();
    }
  };
  const playOn = async (player: StepwisePlayer, half: Step, states: Hidden[]): Promise<void> => {
    await inTurns((from, to) => {
      states.splice(from, to - from, ...player.step(half, states.slice(from, to)));
    });
  };
  const targets: Hidden[] = [];
  for (let w = 0; w < windows; w++) targets.push(whole.embed(tokens.slice(w * window, (w + 1) * window)));
  const states = [...targets];
  /** From what the smaller model is given in front of it and what is wanted behind it. */
  const solveHalf = async (half: Step): Promise<SolvedHalf> => {
    const sums: { learned?: NormalEquations; heldOut?: NormalEquations } = {};
    await inTurns((from, to) => {
      for (const [name, begin, end] of [
        ["learned", from, Math.min(to, learning)],
        ["heldOut", Math.max(from, learning), to],
      ] as const) {
        if (begin >= end) continue;
        const more = smaller.normalEquations(half, states.slice(begin, end), targets.slice(begin, end));
        sums[name] = sums[name] ? add(sums[name], more) : more;
      }
    });
    const { weight } = sums.learned!;
    const columns = half.part === "ffn" ? channels : weight.columns;
    return { parameter: weight, ...solve(sums.learned!, sums.heldOut!, store.read(weight), columns, multiply) };
  };
  const known = await readSolved(journal);
  const solved: Solved[] = [];
  try {
    const halves = steps.flatMap(({ block }): Step[] => [
      { block, part: "attention" },
      { block, part: "ffn" },
    ]);
    for (const [i, half] of halves.entries()) {
      if (i % KEEP_EVERY === 0 && i > known.length) await keepSolved(journal, solved);
      await playOn(whole, half, targets);
      const { parameter, values, kept } = known[i] ?? (await solveHalf(half));
      store.reserve(parameter, "f32");
      store.write(parameter, values);
      await playOn(smaller, half, states);
      solved.push({
        parameter,
        values,
        kept,
        missed: missed(states.slice(learning), targets.slice(learning), config.hiddenSize),
      });
      if (known[i]) done += windows;
    }
    // What follows, such as healing, may be stopped, too.
    if (known.length < solved.length) await keepSolved(journal, solved);
    return solved;
  } catch (error) {
    if (signal?.aborted && solved.length > known.length) await keepSolved(journal, solved);
    throw error;
  } finally {
    store.dispose();
  }
}

function add(sum: NormalEquations, more: NormalEquations): NormalEquations {
  for (const name of ["gram", "cross"] as const) {
    const to = sum[name];
    const from = more[name];
    for (let i = 0; i < to.length; i++) to[i]! += from[i]!;
  }
  return sum;
}

/** The matrix that misses least, but for columns that cost least, which are zero. */
function solve(
  learned: NormalEquations,
  heldOut: NormalEquations,
  weights: Float32Array,
  columns: number,
  multiply: MatrixProduct,
) {
  const n = learned.weight.columns;
  const h = new Float64Array(learned.gram);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += h[i * (n + 1)]!;
  // Where nothing is ever read, any will do.
  const ridge = (RIDGE * trace) / n || 1;
  for (let i = 0; i < n; i++) h[i * (n + 1)]! += ridge;
  const inverse = invert(h, n, multiply);
  const change = multiply(new Float64Array(learned.cross), inverse, n, n);
  const step = stepLength(change, heldOut, multiply);
  const values = change.map((value, i) => weights[i]! + step * value);
  const { kept } = removeColumns(values, inverse, n, n - columns, multiply);
  return { values: Float32Array.from(values), kept };
}

/**
 * How far to go: from n columns and few rows a change also learns what is chance in them, so it is shortened to what is best on rows
 * that it did not see, (C · D) / (D H · D), at most all of it.
 */
function stepLength(change: Float64Array, { weight, gram, cross }: NormalEquations, multiply: MatrixProduct): number {
  const along = multiply(change, new Float64Array(gram), weight.columns, weight.columns);
  let [gained, curved] = [0, 0];
  for (const [i, value] of change.entries()) {
    gained += cross[i]! * value;
    curved += along[i]! * value;
  }
  return curved > 0 ? Math.min(1, Math.max(0, gained / curved)) : 0;
}

function missed(states: readonly Hidden[], targets: readonly Hidden[], width: number): number {
  let [sum, rows] = [0, 0];
  for (const [w, state] of states.entries()) {
    const target = targets[w]!;
    for (let at = 0; at < state.length; at += width, rows++) {
      let [gap, all] = [0, 0];
      for (let i = at; i < at + width; i++) {
        gap += (state[i]! - target[i]!) ** 2;
        all += target[i]! ** 2;
      }
      if (all > 0) sum += gap / all;
    }
  }
  return sum / rows;
}
