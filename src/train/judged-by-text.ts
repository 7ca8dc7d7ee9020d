/** Cross-entropy on the text as the loss of what is held out, whatever a learner learns from: only such losses can be compared. */
import type { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { Session } from "../model/session.ts";
import type { Model } from "../refrain.ts";
import type { Student } from "./heal-plan.ts";
import type { Learner } from "./learner.ts";
import type { Learning } from "./trainer.ts";

/** `learner`, but its `evaluate` plays the student alone. */
export function judgedByText(
  { config, steps, memory }: Model,
  store: ParameterStore,
  { adapter }: Student,
  learner: Learner,
  length: number,
): { readonly learning: Learning; readonly dispose: () => void } {
  const session = new Session(memory.player, store, config, steps, { contextLength: length, output: "loss", adapter });
  const evaluate = (tokens: Int32Array, targets: Int32Array): number => {
    let [sum, rows] = [0, 0];
    for (let begin = 0; begin < tokens.length; begin += length) {
      session.rewind(0);
      for (let at = begin; at < begin + length; at += session.maxRows) {
        const end = Math.min(at + session.maxRows, begin + length);
        // Rows without a target stand at the end.
        const wanted = targets.subarray(at, end).filter((target) => target >= 0);
        if (wanted.length === 0) break;
        session.play(tokens.subarray(at, at + wanted.length), { tail: 0, targets: wanted });
        sum += session.losses(wanted.length).reduce((total, loss) => total + loss, 0);
        rows += wanted.length;
      }
    }
    return sum / rows;
  };
  const learning: Learning = {
    get steps() {
      return learner.steps;
    },
    accumulate: (tokens, targets, share) => learner.accumulate(tokens, targets, share),
    update: (rates) => learner.update(rates),
    evaluate,
  };
  return { learning, dispose: () => session.dispose() };
}
