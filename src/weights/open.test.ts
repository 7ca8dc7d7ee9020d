import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { dataPath, smolLM2Path } from "../../test/data.ts";
import { startFakeHub } from "./hub.testing.ts";
import { openCheckpoint } from "./open.ts";
import { entry, safetensorsBytes } from "./safetensors.testing.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-open-"));
});
afterEach(() => rm(folder, { recursive: true }));

const put = (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content);
const oneTensor = (name: string) => safetensorsBytes({ [name]: entry("F32", [1], 0, 4) }, 4);
const tensorsOf = async (path: string) => {
  const model = await openCheckpoint(path);
  await model.close();
  return [...model.tensors.keys()];
};

describe("openCheckpoint", () => {
  it("opens a folder, and a safetensors file in it", async () => {
    await put("config.json", "{}");
    await put("model.safetensors", oneTensor("a"));
    await put("other.safetensors", oneTensor("b"));
    expect(await tensorsOf(folder)).toEqual(["a"]);
    expect(await tensorsOf(join(folder, "other.safetensors"))).toEqual(["b"]);
  });

  it("opens the whole model where one shard is named", async () => {
    await put("config.json", "{}");
    const shards = { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" };
    for (const [name, file] of Object.entries(shards)) await put(file, oneTensor(name));
    await put("model.safetensors.index.json", JSON.stringify({ weight_map: shards }));
    expect(await tensorsOf(join(folder, shards.b))).toEqual(["a", "b"]);
  });

  it("opens a name on the hub, and reports the download", async () => {
    const hub = await startFakeHub("org/name", { "config.json": "{}", "model.safetensors": oneTensor("a") });
    vi.stubEnv("HF_ENDPOINT", hub.url);
    vi.stubEnv("HF_HUB_CACHE", folder);
    const onProgress = vi.fn();
    const model = await openCheckpoint("hf:org/name", { onProgress });
    expect([...model.tensors.keys()]).toEqual(["a"]);
    expect(onProgress).toHaveBeenCalled();
    await model.close();
    await hub.close();
    vi.unstubAllEnvs();
  });

  const stories = dataPath("models/stories260K/stories260K.bin");
  it.skipIf(stories === undefined)("opens a llama2.c file and its folder (needs the shared test data)", async () => {
    for (const path of [stories!, join(stories!, "..")]) {
      const model = await openCheckpoint(path);
      expect(model.format).toBe("llama2.c");
      await model.close();
    }
  });

  it.skipIf(smolLM2Path() === undefined)("opens a GGUF file (needs the fetched SmolLM2)", async () => {
    const model = await openCheckpoint(smolLM2Path()!);
    expect(model).toMatchObject({ format: "gguf", config: { model_type: "llama" } });
    await model.close();
  });

  it.each([
    ["GGUF by another name", "model.dat", "GGUF", /^gguf-/],
    ["a .gguf file that is none", "model.gguf", "GGML", /^gguf-/],
    ["a broken llama2.c file", "model.bin", "x", /^llama2c-/],
    ["a pickle", "model.bin", "PK\u0003\u0004", /^model-format: .* is a PyTorch pickle/],
    ["an older pickle", "model.bin", new Uint8Array([0x80, 2, 0x8a, 10]), /^model-format: .* is a PyTorch pickle/],
    [
      "a llama2.c file of width 640, which begins like a pickle",
      "model.bin",
      new Uint8Array([0x80, 2, 0, 0]),
      /^llama2c-/,
    ],
    ["some other file", "notes.txt", "hello", /^model-format: .* no model file/],
    ["an empty file", "empty", "", /^model-format/],
  ])("refuses %s in the words of its format", async (_, name, content, message) => {
    await put(name, content);
    const refusal = await openCheckpoint(join(folder, name)).catch((error) => `${error.code}: ${error.message}`);
    expect(refusal).toMatch(message);
  });

  it("refuses a folder of several models, and an empty one", async () => {
    await put("a.gguf", "GGUF");
    await put("b.gguf", "GGUF");
    await put("tokenizer.bin", "");
    await expect(openCheckpoint(folder)).rejects.toMatchObject({
      code: "model-ambiguous",
      message: expect.stringMatching(/a\.gguf, b\.gguf$/),
    });
    await mkdir(join(folder, "empty"));
    await expect(openCheckpoint(join(folder, "empty"))).rejects.toMatchObject({ code: "config-missing" });
  });

  it("suggests the hub for a path that is not there and looks like a name", async () => {
    const error = (path: string) => openCheckpoint(path).catch((reason) => reason);
    expect(await error("org/no-such-model")).toMatchObject({
      kind: "input",
      code: "model-missing",
      help: expect.stringMatching(/hf:org\/no-such-model$/),
    });
    expect((await error("./no/such/model")).help).toMatch(/^Check the path/);
  });
});
