import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { bytesSource } from "./byte-source.ts";
import type { Checkpoint, StoredTensor } from "./checkpoint.ts";
import { computed, storedRows, weightedSum } from "./computed-tensor.ts";
import { dequantize } from "./dequantize.ts";
import { editedCheckpoint } from "./edited-checkpoint.ts";
import { openCheckpoint } from "./open.ts";
import { quantizeQ8_0 } from "./quantize.ts";
import { tensorReader } from "./tensor-reader.ts";

const sources = ["gguf/llama-gqa.gguf", "models/llama-f16", "models/gpt2", "models/llama-gqa"];
const names = {
  "gguf/llama-gqa.gguf": "model.layers.#.self_attn.q_proj.weight",
  "models/llama-f16": "model.layers.#.mlp.down_proj.weight",
  "models/gpt2": "transformer.h.#.attn.c_attn.weight",
  "models/llama-gqa": "model.layers.#.input_layernorm.weight",
} as Record<string, string>;

/** All values of a tensor, by the way that has no chunks. */
async function values(checkpoint: Checkpoint, tensor: StoredTensor): Promise<Float32Array> {
  const out = new Float32Array(tensor.shape.reduce((a, b) => a * b));
  dequantize(tensor.type, await checkpoint.read(tensor, 0, tensor.byteLength), out);
  return out;
}

describe.each(sources)("a sum of tensors of %s", (source) => {
  let checkpoint: Checkpoint;
  let tensors: StoredTensor[];
  beforeAll(async () => {
    checkpoint = await openCheckpoint(fixturePath(source));
    tensors = [0, 1].map((block) => checkpoint.tensors.get(names[source]!.replace("#", `${block}`))!);
  });
  afterAll(() => checkpoint.close());

  it("is Σ weight · tensor, rounded once", async () => {
    const [a, b] = tensors as [StoredTensor, StoredTensor];
    const terms = [
      { tensor: a, weight: -1 },
      { tensor: b, weight: 2.5 },
    ];
    const sum = weightedSum(checkpoint, "sum", terms);
    const edited = editedCheckpoint(checkpoint, { tensors: new Map([["sum", sum]]) });
    const stored = edited.tensors.get("sum")!;
    const { shape, interleavedHeads, transposed } = a;
    expect(stored).toMatchObject({ name: "sum", shape, type: a.type === "F32" ? "F32" : "F16" });
    expect([stored.interleavedHeads, stored.transposed]).toEqual([interleavedHeads, transposed]);
    expect(edited.edited).toEqual(new Set(["sum"]));

    const [x, y, z] = await Promise.all([
      values(checkpoint, a).then((v) => v.slice()),
      storedRows(checkpoint, b, 0, b.shape.length === 1 ? 1 : b.shape[0]!),
      values(edited, stored),
    ]);
    for (let i = 0; i < z.length; i++) {
      const exact = -x[i]! + 2.5 * y[i]!;
      if (stored.type === "F32") expect(z[i]).toBe(Math.fround(exact));
      else expect(Math.abs(z[i]! - exact)).toBeLessThanOrEqual(Math.max(Math.abs(exact) * 2 ** -11, 2 ** -25) * 1.0001);
    }
  });

  it("has the same bytes whatever part of it is read, and several at once", async () => {
    const sum = weightedSum(
      checkpoint,
      "sum",
      tensors.map((tensor) => ({ tensor, weight: 0.5 })),
    );
    const edited = editedCheckpoint(checkpoint, { tensors: new Map([["sum", sum]]) });
    const stored = edited.tensors.get("sum")!;
    const whole = (await edited.read(stored, 0, stored.byteLength)).slice();
    const range = fc
      .tuple(fc.nat(stored.byteLength), fc.nat(stored.byteLength))
      .map(([a, b]) => [a, b].sort((x, y) => x - y));
    await fc.assert(
      fc.asyncProperty(range, range, async ([begin, end], [otherBegin, otherEnd]) => {
        const part = new Uint8Array(end! - begin!);
        const other = new Uint8Array(otherEnd! - otherBegin!);
        await Promise.all([edited.readInto(stored, begin!, part), edited.readInto(stored, otherBegin!, other)]);
        expect(part).toEqual(whole.slice(begin, end));
        expect(other).toEqual(whole.slice(otherBegin, otherEnd));
        expect(await edited.read(stored, begin!, end!)).toEqual(part);
      }),
      { numRuns: 30 },
    );
  });
});

describe("an edited checkpoint", () => {
  it("gives a tensor another name without touching its bytes, and leaves the rest alone", async () => {
    const source = await openCheckpoint(fixturePath("gguf/llama-gqa.gguf"));
    const from = source.tensors.get("model.layers.1.self_attn.q_proj.weight")!;
    const to = "model.layers.0.self_attn.q_proj.weight";
    const config = { ...source.config, num_hidden_layers: 99 };
    const edited = editedCheckpoint(source, { tensors: new Map([[to, from]]), config });
    expect(edited.tensors.get(to)).toEqual({ ...from, name: to });
    expect(edited.config.num_hidden_layers).toBe(99);
    expect([edited.format, edited.path]).toEqual([source.format, source.path]);
    const expected = (await source.read(from, 0, from.byteLength)).slice();
    expect(await edited.read(edited.tensors.get(to)!, 0, from.byteLength)).toEqual(expected);
    const other = source.tensors.get("model.norm.weight")!;
    const untouched = (await source.read(other, 0, other.byteLength)).slice();
    expect(await edited.read(edited.tensors.get(other.name)!, 0, other.byteLength)).toEqual(untouched);
    expect((await edited.vocabulary())?.kind).toBe((await source.vocabulary())?.kind);
    await edited.close();
  });

  it("may be edited again", async () => {
    const source = await openCheckpoint(fixturePath("models/gpt2"));
    const [a, b] = [0, 1].map((block) => source.tensors.get(`transformer.h.${block}.ln_1.weight`)!);
    const first = editedCheckpoint(source, {
      tensors: new Map([["x", weightedSum(source, "x", [{ tensor: a!, weight: 3 }])]]),
    });
    const terms = [
      { tensor: first.tensors.get("x")!, weight: 1 },
      { tensor: first.tensors.get(b!.name)!, weight: -1 },
    ];
    const second = editedCheckpoint(first, { tensors: new Map([["y", weightedSum(first, "y", terms)]]) });
    const [x, y, z] = [
      await values(source, a!),
      await values(source, b!),
      await values(second, second.tensors.get("y")!),
    ];
    expect([...z]).toEqual(Array.from(x, (value, i) => Math.fround(Math.fround(3 * value) - y[i]!)));
    await second.close();
  });

  it("reads past the end of nothing", async () => {
    const source = await openCheckpoint(fixturePath("models/gpt2"));
    const tensor = computed("x", {}, "F32", [2, 2], async (_, count) => new Float32Array(2 * count));
    const edited = editedCheckpoint(source, { tensors: new Map([["x", tensor]]) });
    await expect(edited.read(tensor, 0, 17)).rejects.toThrow("bytes 0 to 17 of x, which has 16");
    await expect(edited.readInto(tensor, -1, new Uint8Array(1))).rejects.toThrow(RangeError);
    await edited.close();
  });

  it("refuses what F16 cannot hold", async () => {
    const source = await openCheckpoint(fixturePath("models/gpt2"));
    const tensor = computed("x", {}, "F16", [2], async () => Float32Array.of(1, -70_000));
    const edited = editedCheckpoint(source, { tensors: new Map([["x", tensor]]) });
    await expect(edited.read(tensor, 0, 4)).rejects.toMatchObject({ kind: "input", code: "f16-range" });
    await edited.close();
  });

  it("refuses a sum of different shapes or layouts", async () => {
    const source = await openCheckpoint(fixturePath("gguf/llama-gqa.gguf"));
    const tensor = (name: string) => ({ tensor: source.tensors.get(`model.layers.0.${name}.weight`)!, weight: 1 });
    const refused = (...terms: ReturnType<typeof tensor>[]) =>
      expect(() => weightedSum(source, "x", terms)).toThrow(/cannot be added/);
    refused(tensor("self_attn.q_proj"), tensor("mlp.up_proj"));
    const q = tensor("self_attn.q_proj");
    refused(q, { tensor: { ...q.tensor, interleavedHeads: 2 * q.tensor.interleavedHeads! }, weight: 1 });
    await source.close();
  });

  it("refuses a tensor whose rows are no whole blocks", async () => {
    const stored = new Uint8Array(34);
    quantizeQ8_0(new Float32Array(32).fill(1), stored);
    const tensor = { name: "x", storedName: "x", type: "Q8_0", shape: [2, 16], byteLength: 34 } as const;
    const file = bytesSource("odd.gguf", stored);
    const source: Checkpoint = {
      format: "gguf",
      path: "odd.gguf",
      config: {},
      tensors: new Map([["x", tensor]]),
      vocabulary: async () => undefined,
      ...tensorReader(() => ({ file, begin: 0 })),
      close: () => file.close(),
    };
    const reading = storedRows(source, tensor, 0, 1);
    await expect(reading).rejects.toMatchObject({ kind: "input", code: "tensor-shape" });
  });
});
