import { describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load, type Model } from "../refrain.ts";
import { parametersPlayed } from "./network.ts";
import { withTrainedWeights } from "./trained-block.ts";

async function logits(model: Model): Promise<number[]> {
  const session = model.session();
  const out = [...(await session.feed([3, 1, 4, 1, 5, 9, 2, 6]))];
  session.dispose();
  return out;
}

// F32 turned over; BF16; quantized blocks of interleaved heads.
describe.each(["models/gpt2", "models/llama-gqa", "gguf/mistral.gguf"])("weights in place of those of %s", (name) => {
  it("play as they do in memory: as before where they are the same, otherwise where they are not", async () => {
    const model = await load(fixturePath(name), { threads: 1, weights: "f32" });
    const parameters = parametersPlayed(model.config, model.steps);
    const values = new Map(parameters.map((parameter) => [parameter.name, model.memory.store.read(parameter)]));
    const plain = await logits(model);
    const same = await model.edited((source) => withTrainedWeights(source, parameters, values), model.schedule);
    const spread = Math.max(...plain.map(Math.abs));
    for (const [i, value] of (await logits(same)).entries()) {
      expect(Math.abs(value - plain[i]!)).toBeLessThan(name === "models/gpt2" ? 1e-6 * spread : 5e-3 * spread);
    }
    const last = parameters.filter(({ block }) => block === model.config.blocks - 1);
    const doubled = new Map(last.map(({ name }) => [name, values.get(name)!.map((value) => 2 * value)]));
    const other = await same.edited((source) => withTrainedWeights(source, last, doubled), model.schedule);
    expect(await logits(other)).not.toEqual(await logits(same));
    const again = await other.reload({ threads: 1, weights: "f32" });
    expect(await logits(again)).toEqual(await logits(other));
    for (const played of [again, other, same, model]) await played.dispose();
  });
});
