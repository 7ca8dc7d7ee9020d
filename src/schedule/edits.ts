/**
 * Edits of a schedule: pure functions from steps to steps. They change the order of play and never a weight; what they
 * leave plays only blocks that were played before. All throw `schedule-edit` where the result would not be a schedule or
 * an argument is not what the function says.
 *
 * A position is the place of a step in the schedule, from 0; it is not a block number.
 */
import { inputError } from "../errors.ts";
import { checkSteps, hasAttention, hasFfn, MAX_STEPS, type Part, type Step, type Steps } from "./schedule.ts";

/** Drops the steps at positions `first` … `last`, both included, as in the notation: (21, 26) drops six. */
export function dropRange(steps: Steps, first: number, last: number): Steps {
  checkPosition(steps, first);
  checkPosition(steps, last);
  if (first > last) throw badArgument(`drops positions ${first} to ${last}, which ends before it begins`);
  return checkSteps(steps.filter((_, i) => i < first || i > last));
}

/** Drops the steps at these positions, in any order. */
export function dropSteps(steps: Steps, positions: Iterable<number>): Steps {
  const dropped = new Set(positions);
  for (const position of dropped) checkPosition(steps, position);
  return checkSteps(steps.filter((_, i) => !dropped.has(i)));
}

/** Every step n times in a row: `each(0-29)x2`, MobileLLM's immediate block-wise sharing. */
export function repeatEach(steps: Steps, n: number): Steps {
  checkRepeat(steps, n);
  return checkSteps(steps.flatMap((step) => Array.from({ length: n }, () => step)));
}

/** The whole schedule n times: `(0-29)x2`, MobileLLM's repeat-all-over. */
export function cycle(steps: Steps, n: number): Steps {
  checkRepeat(steps, n);
  return checkSteps(Array.from({ length: n }, () => steps).flat());
}

/** The schedule and then the same backwards: `0-5 5-0`, MobileLLM's reverse sharing. */
export function reverse(steps: Steps): Steps {
  return checkSteps([...steps, ...steps.toReversed()]);
}

/** Of every n neighbouring steps all play the block of the first: 0-5 becomes `0x2 2x2 4x2`. Halves stay the halves they are. */
export function shareEvery(steps: Steps, n: number): Steps {
  checkCount(n, "steps that share a block");
  return checkSteps(steps.map((step, i) => ({ ...step, block: steps[i - (i % n)]!.block })));
}

/** All steps use the attention of the first one that has attention: 0-2 becomes `a0 f0 a0 f1 a0 f2`. */
export function shareAttention(steps: Steps): Steps {
  return shareHalf(steps, "attention");
}

/** All steps use the feed-forward half of the first one that has it: `a0 f0 a1 f0 a2 f0`, as in One Wide FFN. */
export function shareFfn(steps: Steps): Steps {
  return shareHalf(steps, "ffn");
}

function shareHalf(steps: Steps, shared: "attention" | "ffn"): Steps {
  const first = steps.find(shared === "attention" ? hasAttention : hasFfn)?.block;
  return checkSteps(
    halves(steps).map((step) => (step.part === shared && first !== undefined ? { ...step, block: first } : step)),
  );
}

/** The same computation in halves: block 3 is `a3 f3`. */
export function halves(steps: Steps): Steps {
  const half = (block: number, part: Part): Step => ({ block, part });
  return checkSteps(
    steps.flatMap((step) =>
      step.part === "block" ? [half(step.block, "attention"), half(step.block, "ffn")] : [step],
    ),
  );
}

/** The same computation in whole steps where it can be: `a3 f3` is block 3. The inverse of `halves`. */
export function joinHalves(steps: Steps): Steps {
  const joined: Step[] = [];
  for (const step of steps) {
    const last = joined.at(-1);
    if (step.part === "ffn" && last?.part === "attention" && last.block === step.block) {
      joined[joined.length - 1] = { block: step.block, part: "block" };
    } else {
      joined.push(step);
    }
  }
  return joined;
}

function checkPosition(steps: Steps, position: number): void {
  if (Number.isInteger(position) && position >= 0 && position < steps.length) return;
  throw badArgument(`names position ${position}; the schedule has positions 0 to ${steps.length - 1}`);
}

function checkRepeat(steps: Steps, n: number): void {
  checkCount(n, "repeats");
  if (steps.length * n > MAX_STEPS) {
    throw badArgument(`makes ${steps.length * n} steps; a schedule has at most ${MAX_STEPS}`);
  }
}

function checkCount(n: number, what: string): void {
  if (!Number.isInteger(n) || n < 1) throw badArgument(`needs a whole number of ${what} from 1 up, got ${n}`);
}

function badArgument(what: string) {
  return inputError("schedule-edit", `schedule: this edit ${what}`, "Change the number.");
}
