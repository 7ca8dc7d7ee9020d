/**
 * What it costs to leave one step out, for every step of a schedule at once. For each step i,
 *
 *     L_i = Σ over the positions of a window of -log p(next token), played without step i
 *
 * All of these schedules agree up to the step that they leave out, so one sweep from the first step to the last serves
 * them: it carries the hidden states of the whole schedule and of every variant that has left it already, and each step
 * is played on all of them while its weights are near. n steps cost n(n+1)/2 plays of a step instead of n².
 */
import { failure } from "../errors.ts";
import type { Hidden, StepwisePlayer } from "../model/stepwise.ts";
import type { Steps } from "../schedule/schedule.ts";
import { yieldToEvents } from "../yield.ts";

/** Loss totals of a window, in nats, over `tokens.length - 1` predicted tokens. */
export interface RemovalLosses {
  /** With nothing left out. */
  readonly whole: number;
  /** [steps] without that step. */
  readonly without: readonly number[];
}

export interface RemovalOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told the number of plays of a step, each of one sequence, as they are done; of the head for all at the end. */
  readonly onPlayed?: ((plays: number) => void) | undefined;
}

/** Throws `loss-not-finite`. Takes memory for `steps` + 1 hidden states of the window. */
export async function removalLosses(
  player: StepwisePlayer,
  steps: Steps,
  tokens: readonly number[],
  { signal, onPlayed }: RemovalOptions = {},
): Promise<RemovalLosses> {
  /** The whole schedule first, then the variant without step 0, 1, … */
  let states: Hidden[] = [player.embed(tokens)];
  for (const step of steps) {
    signal?.throwIfAborted();
    const skipped = states[0]!;
    const played = states.length;
    states = [...player.step(step, states), skipped];
    onPlayed?.(played);
    await yieldToEvents();
  }
  const totals: number[] = [];
  for (const state of states) {
    signal?.throwIfAborted();
    const [losses] = player.losses(tokens, [state]);
    totals.push(losses!.reduce((sum, loss) => sum + loss, 0));
    await yieldToEvents();
  }
  const [whole, ...without] = totals as [number, ...number[]];
  const bad = totals.findIndex((total) => !Number.isFinite(total));
  if (bad >= 0) {
    throw failure(
      "loss-not-finite",
      `the loss ${bad === 0 ? "of the whole schedule" : `without step ${bad - 1}`} is ${totals[bad]}`,
      "Play the model with --weights f32; if that does not help, its weights are damaged.",
    );
  }
  return { whole, without };
}
