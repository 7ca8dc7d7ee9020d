import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath, readAdapterReference } from "../../test/fixtures.ts";
import { gradientName } from "../engine/autodiff.ts";
import { plan } from "../engine/plan.ts";
import { ReferencePlayer } from "../engine/reference.ts";
import { LoadedProgram } from "../engine/wasm/loaded-program.ts";
import { nodeHost } from "../engine/wasm/node-host.ts";
import { ParameterStore } from "../engine/wasm/parameter-store.ts";
import { WasmPlayer } from "../engine/wasm/player.ts";
import { steps as expand } from "../schedule/expand.ts";
import { parseSchedule } from "../schedule/parse.ts";
import { identitySteps, type Steps } from "../schedule/schedule.ts";
import { initialValues } from "../train/adapter-start.ts";
import { openCheckpoint } from "../weights/open.ts";
import { readPeft } from "../weights/peft.ts";
import { type Adapter, adapterParameters, createAdapter } from "./adapter.ts";
import { type AdapterValues, bindAdapter, placeAdapter } from "./adapter-values.ts";
import type { ModelConfig } from "./config.ts";
import { loadWeights, type WeightChoice } from "./load-weights.ts";
import { network, parametersPlayed } from "./network.ts";
import { readConfig } from "./read-config.ts";
import { ropeTable } from "./rope.ts";
import { Session } from "./session.ts";
import { type TrainingNetwork, type TrainingNetworkOptions, trainingNetwork } from "./training-network.ts";

let player: WasmPlayer;
beforeAll(async () => {
  player = await WasmPlayer.create(nodeHost, { threads: 2 });
});
afterAll(() => player.close());

interface Base {
  readonly config: ModelConfig;
  readonly store: ParameterStore;
  readonly steps: Steps;
}

async function load(name: string, weights: WeightChoice = "f32"): Promise<Base> {
  const checkpoint = await openCheckpoint(fixturePath(`models/${name}`));
  const config = await readConfig(checkpoint);
  const store = new ParameterStore(player);
  const steps = identitySteps(config.blocks);
  await loadWeights(checkpoint, parametersPlayed(config, steps), weights, store);
  await checkpoint.close();
  return { config, store, steps };
}

/** The adapter that peft has made for a fixture, in the store. */
async function loadAdapter({ config, steps, store }: Base, name: string, as = "default"): Promise<Adapter> {
  const path = fixturePath(`adapters/${name}`);
  const { adapter, values } = bindAdapter(await readPeft(path), config, steps, { path, name: as });
  placeAdapter(store, adapter, values);
  return adapter;
}

const norm = (values: ArrayLike<number>): number => Math.sqrt(Array.from(values).reduce((sum, v) => sum + v * v, 0));
const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  norm(Array.from(a, (v, i) => v - b[i]!)) / norm(b);

function allLogits({ store, config, steps }: Base, ids: readonly number[], adapter?: Adapter): Float32Array {
  const session = new Session(player, store, config, steps, { contextLength: 64, output: "all-logits", adapter });
  session.play(ids);
  const logits = ids.flatMap((_, row) => [...session.logits(row)]);
  session.dispose();
  return Float32Array.from(logits);
}

/** The name in an adapter's file of a parameter of an adapter called "default". */
const fileName = (name: string): string => `base_model.model.${name.replace(".default.", ".")}`;

function train(
  base: Base,
  { ids, targets }: { ids: readonly number[]; targets: readonly number[] },
  net: TrainingNetwork,
) {
  const rows = ids.length;
  const limits = { maxRows: rows, tailRows: rows, context: rows, threads: player.threads };
  const program = new LoadedProgram(
    player,
    base.store,
    plan(net.graph, (p) => base.store.type(p), limits),
  );
  program.play(ids, 0, 0, targets);
  const gradients = net.trained.map((p) => [p.name, program.parameterOutput(gradientName(p), p)] as const);
  const loss = program.output("loss", 1).data[0]!;
  program.dispose();
  return { loss, gradients: new Map(gradients) };
}

function networkOf(
  base: Base,
  adapter: Adapter,
  rows: number,
  more: Partial<TrainingNetworkOptions> & { steps?: Steps } = {},
) {
  const { steps = base.steps, ...options } = more;
  const own = new Set(adapterParameters(adapter).map(({ name }) => name));
  const table = ropeTable(base.config.rope, base.config.headWidth, rows);
  return trainingNetwork(base.config, steps, { table, adapter, trained: ({ name }) => own.has(name), ...options });
}

describe("an adapter that peft made", () => {
  for (const [name, reference] of Object.entries(readAdapterReference())) {
    it(`${name}: the logits of transformers and peft`, async () => {
      const base = await load(name);
      const adapter = await loadAdapter(base, name);
      const logits = allLogits(base, reference.ids, adapter);
      const error = logits.reduce((most, v, i) => Math.max(most, Math.abs(v - reference.logits.values[i]!)), 0);
      expect(error).toBeLessThan(1e-3);
      base.store.dispose();
    });

    it(`${name}: the gradients of PyTorch, kept and recomputed`, async () => {
      const base = await load(name);
      const adapter = await loadAdapter(base, name);
      const results = [false, true].map((recompute) =>
        train(base, reference, networkOf(base, adapter, reference.ids.length, { recompute })),
      );
      const { loss, gradients } = results[0]!;
      expect(Math.abs(loss / reference.loss - 1)).toBeLessThan(1e-5);
      expect([...gradients.keys()].map(fileName).sort()).toEqual(Object.keys(reference.gradients).sort());
      for (const [parameter, gradient] of gradients) {
        expect(distance(gradient, reference.gradients[fileName(parameter)]!.values), parameter).toBeLessThan(1e-4);
      }
      expect(results[1]).toEqual(results[0]);
      base.store.dispose();
    });
  }
});

describe("distillation", () => {
  const name = "llama-gqa";
  const reference = readAdapterReference()[name]!;
  const expected = reference.distillation!;
  const parts = { temperature: 2, weight: 0.8, crossEntropy: 0.5 };
  const hidden = { weight: 0.1, boundaries: [{ student: 2, teacher: 3 }] };

  for (const recompute of [false, true]) {
    it(`gives PyTorch's loss and gradients${recompute ? ", recomputed" : ""}; the weights stand in memory once`, async () => {
      const base = await load(name);
      const adapter = await loadAdapter(base, name);
      const rows = reference.ids.length;
      const table = ropeTable(base.config.rope, base.config.headWidth, rows);
      const teacher = { config: base.config, steps: base.steps, table, rename: <P>(parameter: P) => parameter };
      const steps = expand(parseSchedule("0 2"));
      const distillation = { teacher, ...parts, hidden };
      const net = networkOf(base, adapter, rows, { recompute, steps, distillation });
      const { loss, gradients } = train(base, reference, net);
      expect(Math.abs(loss / expected.loss - 1)).toBeLessThan(1e-5);
      expect([...gradients.keys()].map(fileName).sort()).toEqual(Object.keys(expected.gradients).sort());
      for (const [parameter, gradient] of gradients) {
        expect(distance(gradient, expected.gradients[fileName(parameter)]!.values), parameter).toBeLessThan(1e-4);
      }
      const read = plan(net.graph, (p) => base.store.type(p), {
        maxRows: rows,
        tailRows: rows,
        context: rows,
        threads: 1,
      });
      const own = adapter.pairs.filter(({ weight }) => weight.block !== 1).length * 2;
      expect(read.parameters.length).toBe(parametersPlayed(base.config, base.steps).length + own);
      base.store.dispose();
    });
  }

  it("a teacher with names of its own gives the same as one that shares the student's", async () => {
    const base = await load(name);
    const adapter = await loadAdapter(base, name);
    const rows = reference.ids.length;
    const table = ropeTable(base.config.rope, base.config.headWidth, rows);
    const losses = ["", "teacher "].map((prefix) => {
      const rename = <P extends { name: string }>(parameter: P) => ({
        ...parameter,
        name: `${prefix}${parameter.name}`,
      });
      const teacher = { config: base.config, steps: base.steps, table, rename };
      const { graph } = networkOf(base, adapter, rows, { distillation: { teacher, ...parts } });
      const read = new ReferencePlayer(graph, (p) => base.store.read({ ...p, name: p.name.replace("teacher ", "") }));
      return read.output(read.play({ tokens: reference.ids, targets: reference.targets }), "loss");
    });
    expect(losses[1]).toEqual(losses[0]);
    expect(losses[0]![0]![0]).toBeGreaterThan(0);
    base.store.dispose();
  });

  it("a teacher that would learn too is refused", async () => {
    const base = await load(name);
    const adapter = await loadAdapter(base, name);
    const table = ropeTable(base.config.rope, base.config.headWidth, 8);
    const teacher = { config: base.config, steps: base.steps, table, rename: <P>(parameter: P) => parameter };
    expect(() => networkOf(base, adapter, 8, { trained: () => true, distillation: { teacher, ...parts } })).toThrow(
      "which is trained",
    );
    base.store.dispose();
  });
});

describe("adapters of one base", () => {
  it("are chosen by name, and the base plays without", async () => {
    const { ids } = readAdapterReference()["llama-gqa"]!;
    const base = await load("llama-gqa", "q8");
    const plain = allLogits(base, ids);
    const first = await loadAdapter(base, "llama-gqa", "first");
    const other = createAdapter(base.config, base.steps, { name: "other", rank: 2, modules: "attention" });
    placeAdapter(base.store, other, initialValues(other, 1));
    expect(distance(allLogits(base, ids, first), plain)).toBeGreaterThan(0.1);
    // B is zero: a new adapter changes nothing, to the bit.
    expect(allLogits(base, ids, other)).toEqual(plain);
    expect(allLogits(base, ids)).toEqual(plain);
    base.store.dispose();
  });

  it("by step: each play of a shared block has its own, as the copies of the unrolled model would", async () => {
    const { ids } = readAdapterReference()["llama-gqa"]!;
    const base = await load("llama-gqa");
    const steps = expand(parseSchedule("0 1 1"));
    const adapter = createAdapter(base.config, steps, { rank: 3, alpha: 4, modules: "all", perStep: true });
    const random = randomOf(adapter);
    const graph = network(base.config, steps, {
      table: ropeTable(base.config.rope, base.config.headWidth, 64),
      adapter,
    });
    const merged = new ReferencePlayer(
      network(base.config, base.steps, { table: ropeTable(base.config.rope, base.config.headWidth, 64) }),
      (parameter) => {
        // Unrolled, step 2 is block 2: its weights are block 1's and what its adapter adds.
        const step = parameter.block;
        const source = { ...parameter, name: parameter.name.replace(".layers.2.", ".layers.1.") };
        const weight = Float64Array.from(base.store.read(source));
        const pair = adapter.pairs.find((pair) => pair.step === step && pair.weight.name === source.name);
        if (!pair) return weight;
        const [a, b] = [random.get(pair.a.name)!, random.get(pair.b.name)!];
        return weight.map((w, i) => {
          const [row, column] = [Math.floor(i / pair.a.columns), i % pair.a.columns];
          let sum = 0;
          for (let r = 0; r < 3; r++) sum += b[row * 3 + r]! * a[r * pair.a.columns + column]!;
          return w + (4 / 3) * sum;
        });
      },
    );
    const own = new ReferencePlayer(graph, (p) => random.get(p.name) ?? base.store.read(p));
    const [ours, expected] = [own, merged].map((p) =>
      p.output(p.play({ tokens: ids }), "logits").flatMap((row) => [...row]),
    );
    expect(distance(ours!, expected!)).toBeLessThan(1e-12);
    base.store.dispose();
  });

  it("half blocks have adapters of their half only", async () => {
    const base = await load("llama-gqa");
    const adapter = createAdapter(base.config, expand(parseSchedule("a0 f1 2")), { rank: 1, modules: "all" });
    const halves = new Set(adapter.pairs.map(({ weight }) => `${weight.block} ${weight.half}`));
    expect([...halves]).toEqual(["0 attention", "1 ffn", "2 attention", "2 ffn"]);
    base.store.dispose();
  });
});

/** Values for every parameter, none of them zero. */
function randomOf(adapter: Adapter): AdapterValues {
  const values = initialValues(adapter, 5);
  return new Map(
    [...values].map(([name, v], i) => [name, v.map((x, j) => x + 0.1 * Math.sin(1 + 7 * i + 3 * j))] as const),
  );
}

describe("an adapter for another model is refused", () => {
  const bound = async (name: string, as: string, change: (config: ModelConfig) => ModelConfig = (c) => c) => {
    const base = await load(as);
    base.store.dispose();
    const path = fixturePath(`adapters/${name}`);
    return bindAdapter(await readPeft(path), change(base.config), base.steps, { path });
  };

  it("other names", async () => {
    await expect(bound("gpt2", "llama-gqa")).rejects.toMatchObject({
      code: "adapter-base",
      message: expect.stringMatching(/no linear map transformer\.h\.0.*made for gpt2/),
    });
  });

  it("other shapes", async () => {
    const wider = (config: ModelConfig) => ({ ...config, ffnSize: config.ffnSize + 32 });
    await expect(bound("llama-gqa", "llama-gqa", wider)).rejects.toMatchObject({
      code: "adapter-base",
      message: expect.stringMatching(/mlp\.\w+ is \[\d+, \d+\] here, \[\d+, \d+\] there/),
    });
  });

  it("fewer blocks", async () => {
    await expect(bound("llama-gqa", "llama-gqa", (config) => ({ ...config, blocks: 2 }))).rejects.toMatchObject({
      message: expect.stringContaining("model.layers.2"),
    });
  });

  it("steps of another schedule", async () => {
    const base = await load("llama-gqa");
    base.store.dispose();
    const stored = await readPeft(fixturePath("adapters/llama-gqa"));
    const byStep = { ...stored, schedule: "each(0)x2", pairs: stored.pairs.map((pair) => ({ ...pair, step: 1 })) };
    expect(() => bindAdapter(byStep, base.config, base.steps, { path: "here" })).toThrow(
      expect.objectContaining({ code: "adapter-schedule", help: expect.stringContaining("0x2") }),
    );
  });
});
