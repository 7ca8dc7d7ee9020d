import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tinyModel } from "../cli/tiny-model.testing.ts";
import { parametersPlayed } from "../model/network.ts";
import { withTrainedWeights } from "../model/trained-block.ts";
import { load, type Model } from "../refrain.ts";
import type { TextFile } from "../text/read-text.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { type HealResult, heal } from "./heal.ts";
import type { HealOptions } from "./heal-options.ts";

const text = (content: string, sha256 = "abc"): TextFile => ({ name: "cat.txt", text: content, sha256 });
const cats = text("The cat sat on the mat. The dog sat on the log. ".repeat(60));
const small = { sequences: 2, length: 16, heldOutTokens: 64 } as const;

let path: string;
let remove: () => Promise<void>;
let folder: string;
let model: Model;
beforeAll(async () => {
  ({ path, remove } = await tinyModel());
  folder = await mkdtemp(join(tmpdir(), "refrain-heal-"));
  model = await load(path, { threads: 1, schedule: "0 2" });
});
afterAll(async () => {
  await model.dispose();
  await remove();
  await rm(folder, { recursive: true });
});

async function logits(played: Model): Promise<number[]> {
  const session = played.session();
  const out = [...(await session.feed([3, 1, 4, 1, 5, 9, 2, 6]))];
  session.dispose();
  return out;
}

/** Heals, hands the result to `look`, and puts it away. */
async function healing<T>(options: Partial<HealOptions>, look: (result: HealResult) => Promise<T> | T): Promise<T> {
  const result = await heal(model, cats, { ...small, budget: { tokens: 640 }, ...options });
  try {
    return await look(result);
  } finally {
    await result.model.dispose();
  }
}

const losses = ({ log }: HealResult) => log.flatMap((entry) => ("loss" in entry ? [entry.loss] : []));

/** Cross-entropy of `played` on the windows that are held out of `cats`. */
async function heldOutLoss(played: Model): Promise<number> {
  const at = cats.text.lastIndexOf(" ", cats.text.length - cats.text.length / 10);
  const tokens = played.needTokenizer().encode(cats.text.slice(at));
  const windows = Math.floor((tokens.length - 1) / 16);
  const chosen = Array.from({ length: Math.min(windows, 4) }, (_, i) =>
    Math.floor((i * windows) / Math.min(windows, 4)),
  );
  let sum = 0;
  for (const window of chosen) {
    const session = played.session({ output: "loss" });
    const own = tokens.slice(window * 16, window * 16 + 17);
    session.play(own.slice(0, 16), { tail: 0, targets: own.slice(1) });
    sum += session.losses(16).reduce((total, loss) => total + loss, 0);
    session.dispose();
  }
  return sum / (16 * chosen.length);
}

describe("healing", () => {
  it("an adapter learns beside a base that stays as it is, and the losses are those of the models", async () => {
    const plain = await logits(model);
    await healing({ rate: 0.02 }, async (result) => {
      expect(result.runSteps).toBe(20);
      expect(result.after).toBeLessThan(result.before - 0.3);
      expect(result.before).toBeCloseTo(await heldOutLoss(model), 4);
      expect(result.after).toBeCloseTo(await heldOutLoss(result.model), 4);
      expect(result.adapter).toMatchObject({ rank: 8, base: path, schedule: "0 2" });
      const merged = await result.model.merged();
      expect(await heldOutLoss(merged)).toBeCloseTo(result.after, 2);
      await merged.dispose();
    });
    expect(await logits(model)).toEqual(plain);
  });

  it("from the unshrunk order: its weights stand in memory once, and the student comes nearer to it", async () => {
    const options = { rate: 0.02, teacher: {} } as const;
    const alone = await healing({ rate: 0.02 }, ({ memory }) => memory.weights);
    await healing(options, async (result) => {
      const [first, last] = [losses(result)[0]!, losses(result).at(-1)!];
      expect(last).toBeLessThan(0.7 * first);
      // One block more, of three.
      expect(result.memory.weights).toBeGreaterThan(alone);
      expect(result.memory.weights).toBeLessThan(1.6 * alone);
      // Not the divergence but the loss on the text is what is told.
      expect(result.after).toBeCloseTo(await heldOutLoss(result.model), 4);
    });
  });

  it("the same order is a teacher from whom nothing is to be learned", async () => {
    const same = { teacher: { schedule: "0 2", hidden: 1, temperature: 3 } };
    await healing(same, (result) => expect(losses(result)[0]).toBeCloseTo(0, 5));
  });

  it("the teacher has the weights of the file, however often the student's were changed", async () => {
    const parameters = parametersPlayed(model.config, model.steps);
    const change = (block: number, factor: number) => {
      const own = parameters.filter((parameter) => parameter.block === block && parameter.kind === "matrix");
      const scaled = own.map((p) => [p.name, model.memory.store.read(p).map((value) => factor * value)] as const);
      return (source: Checkpoint) => withTrainedWeights(source, own, new Map(scaled));
    };
    const once = await model.edited(change(2, 0.5), model.schedule);
    const twice = await once.edited(change(0, 1), model.schedule);
    const result = await heal(twice, cats, { ...small, budget: { tokens: 64 }, teacher: { schedule: "0 2" } });
    expect(losses(result)[0]).toBeGreaterThan(0.001);
    for (const played of [result.model, twice, once]) await played.dispose();
  });

  it("some layers, or all, learn with a teacher that keeps the old ones", async () => {
    const plain = await logits(model);
    for (const healed of [{ kind: "layers", count: 1 }, { kind: "all" }] as const) {
      await healing({ healed, teacher: {}, crossEntropy: 1, rate: 0.01 }, async (result) => {
        expect(result.adapter).toBeUndefined();
        expect(result.after).toBeLessThan(result.before);
        // What was BF16 is F16 now.
        expect(result.after).toBeCloseTo(await heldOutLoss(result.model), 2);
        const out = join(folder, healed.kind);
        await result.model.save(out);
        const saved = await load(out, { threads: 1 });
        expect(await logits(saved)).toEqual(await logits(result.model));
        await saved.dispose();
      });
    }
    expect(await logits(model)).toEqual(plain);
  });

  it("is a method of a model", async () => {
    const { model: healed, steps } = await model.heal(cats.text, { ...small, budget: { tokens: 64 } });
    expect(steps).toBe(2);
    expect(healed.schedule).toBe("0 2");
    await healed.dispose();
  });

  it("one layer leaves the others alone", async () => {
    const parameters = await healing({ healed: { kind: "all" } }, (result) => result.parameters);
    const layer = await healing({ healed: { kind: "layers", count: 1 } }, (result) => result.parameters);
    expect(layer).toBeLessThan(parameters);
  });

  it("another model of the same vocabulary can be the teacher, its weights kept apart", async () => {
    const other = await tinyModel();
    const same = await healing({ teacher: {} }, losses);
    const far = await healing({ teacher: { model: other.path } }, losses);
    expect(far).toEqual(same);
    await other.remove();
  });

  it("seconds buy steps", async () => {
    const notes: string[] = [];
    const note = (line: string) => void notes.push(line);
    await healing({ budget: { seconds: 0.2 }, note }, ({ runSteps }) => expect(runSteps).toBeGreaterThanOrEqual(1));
    expect(notes.at(-1)).toMatch(/^a step takes \d+\.\d\d s here: \d+ steps, \d+ tokens$/);
  });

  it("that is stopped goes on with the same bits, with the same text and options only", async () => {
    const state = join(folder, "run");
    const run = (more: Partial<HealOptions> = {}, file = cats, student = model) =>
      heal(student, file, { ...small, budget: { tokens: 640 }, teacher: {}, state, ...more });
    const whole = await healing({ teacher: {} }, ({ log, adapter }) => ({ log, adapter }));
    const controller = new AbortController();
    const onProgress = ({ label, done }: { label: string; done: number }) => {
      if (label === "training" && done >= 7 * 32) controller.abort();
    };
    await expect(run({ signal: controller.signal, onProgress })).rejects.toMatchObject({
      code: "interrupted",
      message: "Interrupted after step 7 of 20, which is saved",
    });
    await expect(run()).rejects.toMatchObject({ code: "output-exists" });
    const again = { resume: true };
    await expect(run(again, text(cats.text, "other"))).rejects.toMatchObject({ code: "run-data" });
    await expect(run({ ...again, rate: 0.5 })).rejects.toMatchObject({
      code: "run-config",
      message: expect.stringContaining("rate: 0.001, now 0.5"),
    });
    const longer = model.withSchedule("0 2 2");
    await expect(run(again, cats, longer)).rejects.toMatchObject({ message: expect.stringContaining("schedule") });
    await longer.dispose();
    const rest = await run(again);
    const timeless = (log: HealResult["log"]) => log.map((entry) => ({ ...entry, seconds: 0 }));
    expect(rest.adapter).toEqual(whole.adapter);
    expect(timeless(rest.log)).toEqual(timeless(whole.log));
    await rest.model.dispose();
    expect(await readdir(folder)).toEqual(expect.arrayContaining(["run.jsonl", "run.safetensors"]));
    const saved = await readFile(`${state}.safetensors`);
    await writeFile(`${state}.safetensors`, saved.subarray(0, 100));
    await expect(run(again)).rejects.toMatchObject({ code: "checkpoint-damaged" });
  });
});

describe("healing refuses", () => {
  const refuse = (options: Partial<HealOptions>, file = cats) =>
    expect(heal(model, file, { ...small, budget: { tokens: 640 }, ...options })).rejects;

  it("a text that is too short", async () => {
    await refuse({}, text("The cat sat.")).toMatchObject({
      code: "text-too-short",
      message: expect.stringMatching(/^the text has 1\d tokens; one sequence of 16 /),
    });
    await refuse({}, text("x".repeat(500))).toMatchObject({ code: "text-too-short" });
  });

  it("a rate that diverges", async () => {
    const healed = { kind: "all" } as const;
    await refuse({ healed, rate: 10, budget: { tokens: 6400 } }).toMatchObject({
      code: "diverged",
      help: expect.stringContaining("--rate"),
    });
  });

  it("sequences that the model cannot read, and a loss of nothing", async () => {
    await refuse({ length: 4096 }).toMatchObject({ code: "heal-options", message: expect.stringContaining("4096") });
    await refuse({ crossEntropy: 0 }).toMatchObject({ code: "heal-options" });
    await refuse({ teacher: { weight: 0 } }).toMatchObject({ code: "heal-options" });
  });

  it("more than fits into memory", async () => {
    await refuse({ sequences: 4_000_000 }).toMatchObject({
      code: "too-large",
      help: expect.stringContaining("--sequences"),
    });
  });

  it("a teacher with another tokenizer", async () => {
    const other = await tinyModel();
    const file = join(other.path, "tokenizer.json");
    const json = JSON.parse(await readFile(file, "utf8"));
    const { vocab } = json.model;
    [vocab.A, vocab.B] = [vocab.B, vocab.A];
    await writeFile(file, JSON.stringify(json));
    await refuse({ teacher: { model: other.path } }).toMatchObject({
      code: "teacher-tokenizer",
      message: expect.stringMatching(/another tokenizer .*: token \d+ is "B", not "A"$/),
    });
    await rm(file);
    await refuse({ teacher: { model: other.path } }).toMatchObject({ message: expect.stringContaining("brings none") });
    await other.remove();
  });

  it("a run that is not there", async () => {
    await refuse({ state: join(folder, "nowhere"), resume: true }).toMatchObject({ code: "run-missing" });
  });
});
