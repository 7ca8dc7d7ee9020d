import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { tinyModel } from "../cli/tiny-model.testing.ts";
import { modelCost } from "../measure/cost.ts";
import { removalLosses } from "../measure/removal.ts";
import { load, type Model } from "../refrain.ts";
import { halves } from "../schedule/edits.ts";
import { printSteps } from "../schedule/print.ts";
import type { Amount } from "./amount.ts";
import { memoryJournal } from "./journal.ts";
import type { Calibration, Journal, Json, Method, Shrunk } from "./method.ts";
import { defaultValues } from "./method-options.ts";
import { methods } from "./methods.ts";

let tiny: Awaited<ReturnType<typeof tinyModel>>;
let model: Model;
beforeAll(async () => {
  tiny = await tinyModel();
  model = await load(tiny.path, { schedule: "0-2 1-0", threads: 1 });
});
afterAll(async () => {
  await model.dispose();
  await tiny.remove();
});

const window = 16;
const windows = 3;
const calibration: Calibration = {
  tokens: Array.from({ length: window * windows }, (_, i) => (i * i * 7 + 3) % 50),
  window,
  windows,
  text: { name: "numbers", sha256: "0" },
};
const drop = (steps: number): Amount => ({ kind: "drop", steps });

const method = (name: string): Method => methods.find((each) => each.name === name)!;

function run(
  name: string,
  amount: Amount,
  given: Record<string, boolean | string | number> = {},
  journal: Journal = memoryJournal(),
) {
  const { options, run } = method(name);
  const values = { ...defaultValues(options), ...("updates" in options && { updates: 2 }), ...given } as Parameters<
    Method["run"]
  >[1];
  return run({ model, amount, calibration, journal }, values);
}

/** All but the function that edits the weights. */
const asJson = ({ edit: _, ...told }: Shrunk): string => JSON.stringify(told);

describe.each(methods.filter(({ amounts }) => amounts.includes("drop")).map(({ name }) => name))("%s", (name) => {
  it("drops as many steps as asked, says which, and always the same", async () => {
    for (const count of [1, 3]) {
      const found = await run(name, drop(count));
      expect(found.steps).toHaveLength(model.steps.length - count);
      if (!found.edit) {
        expect(found.dropped).toHaveLength(count);
        expect(found.dropped).toEqual([...new Set(found.dropped)].sort((a, b) => a - b));
        expect(printSteps(found.steps)).toBe(printSteps(model.steps.filter((_, i) => !found.dropped.includes(i))));
      }
      expect(asJson(await run(name, drop(count)))).toBe(asJson(found));
    }
  });

  it("drops no more than brings the parameters down to a share", async () => {
    const share = ({ steps }: Pick<Model, "steps">) =>
      modelCost(model.config, steps).uniqueParameters / modelCost(model.config, model.steps).uniqueParameters;
    const found = await run(name, { kind: "params", share: 0.8 });
    expect(share(found)).toBeLessThanOrEqual(0.8);
    const gone = model.steps.length - found.steps.length;
    expect(gone).toBeGreaterThan(0);
    if (gone > 1) expect(share(await run(name, drop(gone - 1)))).toBeGreaterThan(0.8);
  });

  it("refuses before it measures", async () => {
    const nothing: Calibration = { ...calibration, tokens: [], windows: 2 };
    const { options, run } = method(name);
    const values = defaultValues(options) as Parameters<Method["run"]>[1];
    const amount: Amount = { kind: "params", share: 0.001 };
    const refused = run({ model, amount, calibration: nothing, journal: memoryJournal() }, values);
    await expect(refused).rejects.toMatchObject({ code: "params-share" });
  });

  it.each([
    [drop(5), "drop-count"],
    [drop(0), "drop-count"],
    [{ kind: "params", share: 0.001 } as const, "params-share"],
    [{ kind: "params", share: 1 } as const, "params-share"],
  ])("refuses %o", async (amount, code) => {
    await expect(run(name, amount)).rejects.toMatchObject({ kind: "input", code });
  });

  it("has a name of its own and says where it comes from", () => {
    expect(methods.filter((each) => each.name === name)).toHaveLength(1);
    expect(method(name).paper).toMatch(/arXiv \d{4}\.\d{5}/);
  });
});

describe("deepest", () => {
  it("keeps the last step", async () => {
    expect((await run("deepest", drop(2))).dropped).toEqual([2, 3]);
  });
});

describe("influence", () => {
  it("measures anew after each removal, where it is told to", async () => {
    const found = await run("influence", drop(3), { recompute: true });
    const rounds = found.scores as unknown as { dropped: number; scores: Record<string, number> }[];
    expect(rounds.map(({ scores }) => Object.keys(scores).length)).toEqual([5, 4, 3]);
    for (const { dropped, scores } of rounds) expect(scores[dropped]).toBe(Math.min(...Object.values(scores)));
    expect([...rounds.map(({ dropped }) => dropped)].sort((a, b) => a - b)).toEqual(found.dropped);
    const once = await run("influence", drop(3));
    expect(Object.values(rounds[0]!.scores)).toEqual(once.scores);
  });
});

interface Rounds {
  readonly dropped: number;
  readonly whole: number;
  readonly without: Record<string, number>;
}

describe("perplexity", () => {
  it("drops in each round what leaves the least loss, given what is gone", async () => {
    const found = await run("perplexity", drop(3));
    const rounds = found.scores as unknown as Rounds[];
    const gone: number[] = [];
    for (const { dropped, whole, without } of rounds) {
      const left = [...model.steps.keys()].filter((position) => !gone.includes(position));
      expect(Object.keys(without).map(Number)).toEqual(left);
      const expected = await meanLosses(left.map((position) => model.steps[position]!));
      expect([whole, ...Object.values(without)]).toEqual(expected);
      expect(without[dropped]).toBe(Math.min(...Object.values(without)));
      gone.push(dropped);
    }
    expect(found.record).toEqual({ order: gone });
  });

  it("drops in the order of one measurement with one-shot", async () => {
    const found = await run("perplexity", drop(3), { "one-shot": true });
    const [round, ...others] = found.scores as unknown as Rounds[];
    expect(others).toEqual([]);
    const order = Object.keys(round!.without).sort((a, b) => round!.without[a]! - round!.without[b]!);
    expect(found.dropped).toEqual(order.slice(0, 3).map(Number).sort());
  });

  it("drops two halves for a step with halves, and writes whole blocks where both are left", async () => {
    const found = await run("perplexity", drop(1), { halves: true });
    expect(found).toMatchObject({ halves: true });
    expect(found.dropped).toHaveLength(2);
    const left = halves(model.steps).filter((_, i) => !found.dropped.includes(i));
    expect(halves(found.steps)).toEqual(left);
    expect(found.steps.length).toBeLessThan(left.length);
  });

  it("goes on where it was stopped, wherever that is, with the same numbers to the bit", async () => {
    const whole = await run("perplexity", drop(3), { halves: true });
    let writes = 0;
    for (let stop = 0; ; stop++) {
      const journal = memoryJournal();
      const dying: Journal = {
        read: journal.read,
        // As a crash would leave it: through JSON, and nothing after it.
        async write(state) {
          await journal.write(JSON.parse(JSON.stringify(state)) as Json);
          if (writes++ === stop) throw new Error("killed");
        },
      };
      writes = 0;
      const first = await run("perplexity", drop(3), { halves: true }, dying).catch((error: Error) => error.message);
      if (first !== "killed") break;
      expect(await run("perplexity", drop(3), { halves: true }, journal)).toEqual(whole);
    }
    // Six halves go, and each round keeps something after each window.
    expect(writes).toBe(6 * windows);
  });

  it("measures nothing again for fewer steps than an earlier search, which more of them goes on from", async () => {
    const journal = memoryJournal();
    const measured: Json[] = [];
    const counting: Journal = {
      read: journal.read,
      write: (state) => journal.write(measured[measured.push(state) - 1]!),
    };
    for (const [count, rounds] of [
      [2, 2],
      [1, 0],
      [3, 1],
    ] as const) {
      measured.length = 0;
      expect(await run("perplexity", drop(count), {}, counting)).toEqual(await run("perplexity", drop(count)));
      expect(measured).toHaveLength(rounds * windows);
    }
  });
});

async function meanLosses(steps: Model["steps"]): Promise<number[]> {
  const player = model.stepwise(window);
  const sums = Array<number>(steps.length + 1).fill(0);
  for (let w = 0; w < windows; w++) {
    const part = calibration.tokens.slice(w * window, (w + 1) * window);
    const { whole, without } = await removalLosses(player, steps, part);
    for (const [i, loss] of [whole, ...without].entries()) sums[i]! += loss;
  }
  return sums.map((total) => total / (windows * (window - 1)));
}

describe("an encoder", () => {
  it.each(["perplexity", "taylor", "auto"])(
    "is refused by %s, which goes by the loss of the next token",
    async (name) => {
      const encoder = await load(fixturePath("models/albert"), { threads: 1 });
      const { options, run } = method(name);
      const context = { model: encoder, amount: drop(1), budget: { kind: "fit", bytes: 1 }, calibration } as const;
      const values = defaultValues(options) as Parameters<Method["run"]>[1];
      const refused = run({ ...context, journal: memoryJournal() }, values);
      await expect(refused).rejects.toMatchObject({ kind: "input", code: "encoder" });
      await encoder.dispose();
    },
  );
});
