/** The rules as methods: measure the similarity of the hidden states on the calibration text, then choose. */
import { observeModel } from "../measure/observe.ts";
import type { Similarity } from "../measure/similarity.ts";
import type { OnProgress } from "../progress.ts";
import { dropSteps } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Steps } from "../schedule/schedule.ts";
import { checkAmount, enough, fewest, unreachable } from "./amount.ts";
import { angular } from "./angular.ts";
import { influence } from "./influence.ts";
import { defineMethod, type Json, type MethodContext, type Shrunk } from "./method.ts";
import { flagOption } from "./method-options.ts";
import type { Rule } from "./rule.ts";

/** Many short windows: the angular distance has one value a window. */
const calibration = { window: 64, windows: 64 };

export const angularMethod = defineMethod({
  ...describe(angular),
  options: {},
  run: (context) => once(angular, context),
});

export const influenceMethod = defineMethod({
  ...describe(influence),
  options: { recompute: flagOption("measure anew after each removal, which costs a measurement a step") },
  run: (context, { recompute }) => (recompute ? stepwise(influence, context) : once(influence, context)),
});

function describe({ name, description, paper }: Rule) {
  return { name, description, paper, amounts: ["drop", "params"], calibration } as const;
}

/** One measurement of the whole schedule. */
async function once(rule: Rule, context: MethodContext): Promise<Shrunk> {
  const { config, steps } = context.model;
  const measured = await measure(context, steps, context.onProgress);
  const dropped = fewest(context.amount!, config, steps, (n) => rule.choose(measured, n));
  return {
    steps: dropSteps(steps, dropped),
    dropped,
    rival: rule.rival(measured, dropped.length),
    scores: rule.scores(measured, dropped.length),
    notes: [],
  };
}

/** A measurement before each removal of one step. */
async function stepwise(rule: Rule, context: MethodContext): Promise<Shrunk> {
  const { amount, journal, onProgress } = context;
  const { config, steps } = context.model;
  checkAmount(amount!, config, steps);
  const rounds = ((await journal.read()) ?? []) as unknown as Round[];
  const left = (): number[] => [...steps.keys()].filter((step) => !rounds.some(({ dropped }) => dropped === step));
  const play = (positions: readonly number[]): Steps => positions.map((position) => steps[position]!);
  while (!enough(amount!, config, steps, play(left()))) {
    const positions = left();
    if (positions.length === 1) throw unreachable(amount!);
    const label = `measuring, ${rounds.length} dropped`;
    const measured = await measure(context, play(positions), (progress) => onProgress?.({ ...progress, label }));
    rounds.push({
      dropped: positions[rule.choose(measured, 1)[0]!]!,
      scores: Object.fromEntries(positions.map((position, i) => [position, rule.scores(measured, 1)[i]!])),
    });
    await journal.write(rounds as unknown as Json);
  }
  const dropped = rounds.map((round) => round.dropped).sort((a, b) => a - b);
  return { steps: dropSteps(steps, dropped), dropped, scores: rounds as unknown as Json, notes: [] };
}

interface Round {
  readonly dropped: number;
  /** By position in the schedule before anything was dropped. */
  readonly scores: Readonly<Record<string, number>>;
}

async function measure(
  { model, calibration, signal }: MethodContext,
  steps: Steps,
  onProgress?: OnProgress,
): Promise<Similarity> {
  const { tokens, window, windows } = calibration!;
  const played = model.withSchedule(printSteps(steps));
  try {
    return await observeModel(played, tokens, { window, windows, signal, onProgress });
  } finally {
    await played.dispose();
  }
}
