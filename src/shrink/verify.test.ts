import { cp, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { load } from "../refrain.ts";
import { openCheckpoint } from "../weights/open.ts";
import { verifyWritten } from "./verify.ts";

let parent: string;
beforeAll(async () => {
  parent = await mkdtemp(join(tmpdir(), "refrain-verify-"));
});
afterAll(() => rm(parent, { recursive: true }));

const threads = 1;
let folders = 0;

/** Writes `schedule` of a model, lets `damage` loose on the folder, and verifies it against `expected`. */
async function verify(
  source: string,
  schedule: string,
  { unrolled = false, expected = schedule, damage = async (_: string) => {} } = {},
) {
  const folder = join(parent, `${folders++}`);
  const model = await load(source, { schedule: "0-1", threads });
  const [written, claimed] = [model.withSchedule(schedule), model.withSchedule(expected)];
  try {
    await written.save(folder, { unrolled });
    await damage(folder);
    return await verifyWritten(claimed, folder, { threads });
  } finally {
    await Promise.all([model, written, claimed].map((each) => each.dispose()));
  }
}

async function editConfig(folder: string, edit: (config: Record<string, unknown>) => void): Promise<void> {
  const path = join(folder, "config.json");
  const config = JSON.parse(await readFile(path, "utf8"));
  edit(config);
  await writeFile(path, JSON.stringify(config));
}

describe("a written model", () => {
  it.each([
    ["models/llama-gqa", { unrolled: false }],
    ["models/qwen3", { unrolled: true }],
    ["models/gpt2", { unrolled: true }],
    ["models/mistral", { unrolled: true }],
    ["gguf/llama-gqa.gguf", { unrolled: false }],
    ["gguf/gpt2.gguf", { unrolled: true }],
  ])("of %s with %o plays the same to the bit", async (source, options) => {
    const found = await verify(fixturePath(source), "1 0x2 a1 f0", options);
    expect(found).toEqual({ difference: 0, tokens: 64, weights: "f16" });
  });

  it("may have rotary frequencies in another form than its source", async () => {
    const { difference } = await verify(fixturePath("gguf/llama3-rope.gguf"), "1 0");
    expect(difference).toBeLessThan(1e-5);
  });

  it("is compared in f32 where f16 cannot hold a weight", async () => {
    const source = join(parent, "large");
    await cp(fixturePath("models/llama-mha"), source, { recursive: true });
    await setFirstValue(source, "model.layers.0.mlp.up_proj.weight", 70_000);
    expect(await verify(source, "0 1 0")).toMatchObject({ difference: 0, weights: "f32" });
  });

  it.each([
    ["plays another order", "0 1", { expected: "1 0" }],
    ["plays a block too often", "0 1x2", { expected: "0-1" }],
  ])("is refused where it %s", async (_, schedule, options) => {
    const verifying = verify(fixturePath("models/llama-gqa"), schedule, options);
    await expect(verifying).rejects.toMatchObject({ kind: "failure", code: "verify" });
    await expect(verifying).rejects.toThrow(/does: (its logits differ by|its attention sees)/);
  });

  it("is refused where its config says something else than its source's", async () => {
    const damage = (folder: string) => editConfig(folder, (config) => Object.assign(config, { rms_norm_eps: 0.5 }));
    await expect(verify(fixturePath("models/llama-gqa"), "0-1", { damage })).rejects.toMatchObject({ code: "verify" });
  });

  it("is refused where a window is lost that no short text would show", async () => {
    const source = join(parent, "windowed");
    await cp(fixturePath("models/mistral"), source, { recursive: true });
    await editConfig(source, (config) => Object.assign(config, { sliding_window: 100 }));
    const damage = (folder: string) => editConfig(folder, (config) => Object.assign(config, { sliding_window: null }));
    await expect(verify(source, "0-1", { damage })).rejects.toThrow(/its attention sees all all, expected 100 100/);
  });
});

/** Overwrites the first number of an F32 tensor in the folder's safetensors file. */
async function setFirstValue(folder: string, name: string, value: number): Promise<void> {
  const checkpoint = await openCheckpoint(folder);
  expect(checkpoint.tensors.get(name)!.type).toBe("F32");
  await checkpoint.close();
  const path = join(folder, "model.safetensors");
  const bytes = await readFile(path);
  const header = 8 + Number(bytes.readBigUInt64LE(0));
  const offsets = JSON.parse(bytes.toString("utf8", 8, header))[name].data_offsets;
  const file = await open(path, "r+");
  await file.write(new Uint8Array(Float32Array.of(value).buffer), 0, 4, header + offsets[0]);
  await file.close();
}
