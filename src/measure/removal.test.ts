import { describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load, type Model } from "../refrain.ts";
import { dropSteps } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import { removalLosses } from "./removal.ts";

const tokensOf = ({ config }: Model): number[] =>
  Array.from({ length: Math.min(40, config.contextLength) }, (_, i) => (i * 37 + 1) % config.vocabSize);

/** The same by playing every schedule from its first step to its last. */
function lossOf(model: Model, schedule: string, tokens: readonly number[]): number {
  const played = model.withSchedule(schedule);
  const session = played.session({ output: "loss", contextLength: tokens.length });
  session.play(tokens.slice(0, -1), { targets: tokens.slice(1) });
  const losses = session.losses(tokens.length - 1);
  session.dispose();
  void played.dispose();
  return losses.reduce((sum, loss) => sum + loss, 0);
}

describe("losses without one step", () => {
  it.each([
    ["models/llama-gqa", "0-1 1 0"],
    ["models/qwen3", "a0 f0 a1 f1"],
    ["gguf/gpt2.gguf", "0 f1 0-1"],
  ])("of %s as %s are those of the schedules without it, to the bit", async (source, schedule) => {
    const model = await load(fixturePath(source), { schedule, threads: 1 });
    try {
      const tokens = tokensOf(model);
      const played: number[] = [];
      const onPlayed = (plays: number) => played.push(plays);
      const found = await removalLosses(model.stepwise(tokens.length), model.steps, tokens, { onPlayed });
      expect(found.whole).toBe(lossOf(model, schedule, tokens));
      expect(found.without).toEqual(
        model.steps.map((_, i) => lossOf(model, printSteps(dropSteps(model.steps, [i])), tokens)),
      );
      // Each step once for every schedule that has left something out already, and once for the whole one.
      expect(played).toEqual([1, 2, 3, 4]);
    } finally {
      await model.dispose();
    }
  });

  it("stop between two steps", async () => {
    const model = await load(fixturePath("models/llama-gqa"), { threads: 1 });
    const stop = new AbortController();
    const onPlayed = () => stop.abort(new Error("enough"));
    const options = { signal: stop.signal, onPlayed };
    await expect(removalLosses(model.stepwise(8), model.steps, [1, 2, 3, 4], options)).rejects.toThrow("enough");
    await model.dispose();
  });
});
