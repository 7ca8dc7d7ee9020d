import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath, readReference } from "../../test/fixtures.ts";
import { nodeHost } from "../engine/wasm/node-host.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { WasmPlayer } from "../engine/wasm/player.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { identitySteps, type Steps } from "../schedule/schedule.ts";
import { openCheckpoint } from "../weights/open.ts";
import type { ModelConfig } from "./config.ts";
import { loadWeights, type WeightChoice } from "./load-weights.ts";
import { parametersPlayed } from "./network.ts";
import { readConfig } from "./read-config.ts";
import { Session, type SessionOptions } from "./session.ts";

let player: WasmPlayer;
beforeAll(async () => {
  player = await WasmPlayer.create(nodeHost, { threads: 2 });
});
afterAll(() => player.close());

interface Loaded {
  readonly config: ModelConfig;
  readonly steps: Steps;
  session(options?: SessionOptions, steps?: Steps): Session;
  dispose(): void;
}

async function load(name: string, choice: WeightChoice): Promise<Loaded> {
  const path = fixturePath(name.endsWith(".gguf") ? `gguf/${name}` : `models/${name}`);
  const checkpoint = await openCheckpoint(path);
  const config = await readConfig(checkpoint);
  const steps = identitySteps(config.blocks);
  const store = new ParameterStore(player);
  await loadWeights(checkpoint, parametersPlayed(config, steps), choice, store);
  await checkpoint.close();
  return {
    config,
    steps,
    session: (options, other = steps) => new Session(player, store, config, other, options),
    dispose: () => store.dispose(),
  };
}

const argmax = (logits: Float32Array): number =>
  logits.reduce((best, value, i) => (value > logits[best]! ? i : best), 0);

const worst = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe("logits, hidden states and greedy tokens against transformers", () => {
  const ggufs = readdirSync(fixturePath("gguf")).filter((name) => name !== "values.gguf");
  const folders = readdirSync(fixturePath("models")).filter((name) => !name.startsWith("albert"));
  for (const name of [...folders.sort(), ...ggufs.sort()]) {
    it(name, async () => {
      const model = await load(name, "f32");
      for (const sequence of readReference(name.replace(".gguf", "")).sequences) {
        const all = model.session({ output: "all-logits", hidden: true });
        all.play(sequence.ids);
        const vocab = sequence.logits.shape[1]!;
        sequence.ids.forEach((_, row) => {
          const expected = sequence.logits.values.subarray(row * vocab, (row + 1) * vocab);
          expect(worst(all.logits(row), expected), `logits at ${row}`).toBeLessThan(1e-3);
        });
        const [boundaries, rows, width] = sequence.hidden.shape as [number, number, number];
        for (let step = 0; step < boundaries; step++) {
          const expected = sequence.hidden.values.subarray(step * rows * width, (step + 1) * rows * width);
          expect(worst(all.hidden(step, rows), expected), `hidden ${step}`).toBeLessThan(1e-3);
        }
        all.dispose();

        const session = model.session();
        let logits = await session.feed(sequence.ids);
        const greedy: number[] = [];
        for (const _ of sequence.greedy) {
          greedy.push(argmax(logits));
          if (session.position < session.contextLength) logits = await session.feed([greedy.at(-1)!]);
        }
        expect(greedy).toEqual(sequence.greedy);
        session.dispose();
      }
      model.dispose();
    });
  }

  it("f16 weights of an f16 file lose nothing", async () => {
    const model = await load("llama-f16", "file");
    const [sequence] = readReference("llama-f16").sequences;
    const session = model.session();
    const logits = await session.feed(sequence!.ids);
    expect(worst(logits, sequence!.logits.values.slice(-logits.length))).toBeLessThan(1e-3);
    session.dispose();
    model.dispose();
  });
});

describe("a schedule", () => {
  const ids = [5, 9, 33, 2, 71, 40, 8, 8, 19, 3];
  const lastLogits = async (session: Session) => {
    const logits = (await session.feed(ids)).slice();
    session.dispose();
    return logits;
  };

  it("gives the same logits as its unrolled copy: a repeated block has a cache of its own each time", async () => {
    // Two stores hold the same block under two names: nothing is shared but the numbers.
    const shared = await load("llama-gqa", "f32");
    const played = expand(parseSchedule("each(0-1)x2"));
    const whole = shared.session({}, played);
    const logits = (await whole.feed(ids)).slice();
    const slots = whole.plan.caches.length;
    whole.dispose();
    expect(slots).toBe(4);

    const tokenByToken = shared.session({}, played);
    let last: Float32Array = new Float32Array();
    for (const id of ids) last = await tokenByToken.feed([id]);
    expect(last).toEqual(logits);
    tokenByToken.dispose();
    shared.dispose();
  });

  it("plays halves: a0 f0 a1 f1 is 0 1", async () => {
    const model = await load("qwen3", "f32");
    const blocks = await lastLogits(model.session({}, expand(parseSchedule("0 1"))));
    expect(await lastLogits(model.session({}, expand(parseSchedule("a0 f0 a1 f1"))))).toEqual(blocks);
    expect(await lastLogits(model.session({}, expand(parseSchedule("a0 f0 a1"))))).not.toEqual(blocks);
    model.dispose();
  });

  it("takes weights once however often blocks are played", async () => {
    const model = await load("llama-gqa", "q8");
    const once = model.session();
    const last = model.config.blocks - 1;
    const thrice = model.session({}, expand(parseSchedule(`each(0-${last})x3`)));
    expect(thrice.plan.weightBytes).toBe(once.plan.weightBytes);
    expect(thrice.plan.caches.length).toBe(3 * model.config.blocks);
    expect(thrice.plan.cacheBytes).toBe(3 * once.plan.cacheBytes);
    once.dispose();
    thrice.dispose();
    model.dispose();
  });
});

describe("a session", () => {
  it("rewinds: the tokens after the rewind are read as if nothing had followed", async () => {
    const model = await load("mistral", "f32");
    const session = model.session();
    await session.feed([1, 2, 3, 4]);
    const expected = (await session.feed([5])).slice();
    await session.feed([6, 7]);
    session.rewind(4);
    expect((await session.feed([5])).slice()).toEqual(expected);
    session.dispose();
    model.dispose();
  });

  it("keeps keys and values in 8 bits where it is asked to", async () => {
    const model = await load("qwen3", "f32");
    const { ids } = readReference("qwen3").sequences[0]!;
    const [f32, q8] = [model.session(), model.session({ cache: "q8" })];
    expect(q8.plan.cacheBytes).toBeLessThan(f32.plan.cacheBytes / 2);
    const expected = await f32.feed(ids);
    const spread = Math.max(...expected) - Math.min(...expected);
    const difference = worst(await q8.feed(ids), expected);
    expect(difference).toBeGreaterThan(0);
    expect(difference / spread).toBeLessThan(0.02);
    f32.dispose();
    q8.dispose();
    model.dispose();
  });

  it("refuses a token outside the vocabulary, and more tokens than the context has room for", async () => {
    const model = await load("llama-gqa", "f32");
    const session = model.session({ contextLength: 4 });
    await expect(session.feed([model.config.vocabSize])).rejects.toMatchObject({ code: "token" });
    await expect(session.feed([1, 2, 3, 4, 5])).rejects.toMatchObject({ code: "context-full" });
    expect(() => model.session({ contextLength: 1e6 })).toThrow(/more than the/);
    session.dispose();
    model.dispose();
  });
});
