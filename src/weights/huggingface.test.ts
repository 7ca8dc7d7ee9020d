import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openHuggingFace } from "./huggingface.ts";
import { entry, safetensorsBytes } from "./safetensors.testing.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "refrain-hf-"));
  await put("config.json", '{"model_type": "llama", "vocab_size": 7, "eos_token_id": 2}');
});
afterEach(() => rm(folder, { recursive: true }));

const put = (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content);
const refusal = async (file?: string) => {
  const opened = openHuggingFace(folder, file);
  await expect(opened).rejects.toMatchObject({ kind: "input" });
  return opened.then(
    () => "",
    (error) => `${error.code}: ${error.message} ${error.help ?? ""}`,
  );
};

const f32 = (elements: number, begin: number) => entry("F32", [elements], begin, begin + 4 * elements);
const index = (weightMap: object) => JSON.stringify({ metadata: { total_size: 1 }, weight_map: weightMap });
const fixture = (name: string) => join(import.meta.dirname, "../../test/fixtures/models", name);

describe("openHuggingFace", () => {
  it("reads config, tensors and their bytes", async () => {
    const header = { "model.norm.weight": entry("BF16", [2, 2], 0, 8), "lm_head.weight": entry("F16", [1], 8, 10) };
    await put("model.safetensors", safetensorsBytes(header, 10));
    const model = await openHuggingFace(folder);
    expect(model.config).toEqual({ model_type: "llama", vocab_size: 7, eos_token_id: 2 });
    const norm = model.tensors.get("model.norm.weight")!;
    expect(norm).toEqual({
      name: "model.norm.weight",
      storedName: "model.norm.weight",
      type: "BF16",
      shape: [2, 2],
      byteLength: 8,
    });
    expect([...(await model.read(norm, 2, 7))]).toEqual([2, 3, 4, 5, 6]);
    expect([...(await model.read(model.tensors.get("lm_head.weight")!, 0, 2))]).toEqual([8, 9]);
    await expect(model.read(norm, 0, 9)).rejects.toThrow(RangeError);
    await model.close();
  });

  it("reads what transformers wrote, in one file and in shards", async () => {
    const read = async (name: string) => {
      const model = await openHuggingFace(fixture(name));
      for (const tensor of model.tensors.values()) {
        expect((await model.read(tensor, 0, tensor.byteLength)).length).toBe(tensor.byteLength);
      }
      await model.close();
      return model;
    };
    const { config, tensors } = await read("gpt2");
    expect(tensors.size).toBe(12 * Number(config.n_layer) + 4);
    expect(tensors.get("transformer.wte.weight")?.shape).toEqual([config.vocab_size, config.n_embd]);

    const sharded = await read("llama-sharded");
    const elements = [...sharded.tensors.values()].map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    const index = JSON.parse(await readFile(join(fixture("llama-sharded"), "model.safetensors.index.json"), "utf8"));
    expect(elements.reduce((a, b) => a + b)).toBe(index.metadata.total_parameters);
  });

  it("gives names the prefix of the whole model and leaves buffers out", async () => {
    const names = [
      "wte.weight",
      "h.0.attn.c_attn.bias",
      "layers.0.mlp.up_proj.weight",
      "embed_tokens.weight",
      "lm_head.weight",
    ];
    const buffers = ["h.0.attn.bias", "transformer.h.0.attn.masked_bias", "layers.0.self_attn.rotary_emb.inv_freq"];
    const header = Object.fromEntries([...names, ...buffers].map((name, at) => [name, f32(1, 4 * at)]));
    await put("model.safetensors", safetensorsBytes(header, 4 * 8));
    const model = await openHuggingFace(folder);
    expect([...model.tensors.keys()]).toEqual([
      "transformer.wte.weight",
      "transformer.h.0.attn.c_attn.bias",
      "model.layers.0.mlp.up_proj.weight",
      "model.embed_tokens.weight",
      "lm_head.weight",
    ]);
    expect(model.tensors.get("transformer.wte.weight")?.storedName).toBe("wte.weight");
    await model.close();
  });

  it("complains of a tensor of another type only when it is asked for", async () => {
    await put("model.safetensors", safetensorsBytes({ a: entry("I32", [1], 0, 4), b: f32(1, 4) }, 8));
    const model = await openHuggingFace(folder);
    expect([...model.tensors.keys()]).toEqual(["b"]);
    expect(() => model.tensors.get("a")).toThrow(expect.objectContaining({ code: "tensor-type", kind: "input" }));
    expect(() => model.tensors.get("a")).toThrow(/model\.safetensors: tensor "a" \(at byte \d+\) is I32/);
    expect(model.tensors.get("c")).toBeUndefined();
    await model.close();
  });

  it("reads one safetensors file of the folder when it is named", async () => {
    await put("other.safetensors", safetensorsBytes({ a: f32(1, 0) }, 4));
    const model = await openHuggingFace(folder, "other.safetensors");
    expect([...model.tensors.keys()]).toEqual(["a"]);
    await model.close();
    expect(await refusal()).toMatch(/^weights-missing.*Name the file instead of the folder: .*other\.safetensors/);
  });

  it("ignores a tensor of a shard that the index places elsewhere", async () => {
    await put("1.safetensors", safetensorsBytes({ a: f32(1, 0), b: f32(1, 4) }, 8));
    await put("2.safetensors", safetensorsBytes({ b: f32(2, 0) }, 8));
    await put("model.safetensors.index.json", index({ a: "1.safetensors", b: "2.safetensors" }));
    const model = await openHuggingFace(folder);
    expect(model.tensors.get("b")?.shape).toEqual([2]);
    await model.close();
  });

  it.each([
    ["a folder without weights", {}, /^weights-missing: .*neither model\.safetensors nor/],
    [
      "pickles",
      { "pytorch_model.bin": "PK" },
      /^weights-missing: .*only PyTorch's pytorch_model\.bin .*does not run pickles/,
    ],
    [
      "broken config.json",
      { "config.json": '{\n "a": 1,\n}' },
      /^json: .*config\.json: expected a string, got "}", at line 3, column 1/,
    ],
    ["config.json that is a list", { "config.json": "[]" }, /^json: .*expected an object, got "\["/],
    [
      "a huge config.json",
      { "config.json": " ".repeat(5 << 20) },
      /^file-too-large: .*5242880 bytes, expected at most 4194304/,
    ],
    ["a broken index", { "model.safetensors.index.json": "{" }, /^weights-index: .*line 1, column 2/],
    ["an index of nothing", { "model.safetensors.index.json": index({}) }, /^weights-index: .*lists no tensors/],
    [
      "a tensor twice in the index",
      { "model.safetensors.index.json": '{"weight_map":{"a":"1.safetensors","a":"2.safetensors"}}' },
      /"a" stands twice/,
    ],
    [
      "a missing shard",
      { "model.safetensors.index.json": index({ a: "1.safetensors", b: "2.safetensors" }), "1.safetensors": "" },
      /^shard-missing: .*lacks 1 of the 2 files.*: 2\.safetensors/,
    ],
    [
      "a shard in another folder",
      { "model.safetensors.index.json": index({ a: "../1.safetensors" }) },
      /^weights-index: .*"a" is in "\.\.\/1\.safetensors", expected the plain name/,
    ],
    [
      "a shard with a drive",
      { "model.safetensors.index.json": index({ a: "C:\\1.safetensors" }) },
      /^weights-index: .*plain name/,
    ],
    [
      "a shard that is no safetensors file",
      { "model.safetensors.index.json": index({ a: "config.json" }) },
      /^weights-index: .*plain name/,
    ],
    [
      "a tensor that is not in its shard",
      {
        "model.safetensors.index.json": index({ a: "1.safetensors" }),
        "1.safetensors": safetensorsBytes({ b: f32(1, 0) }, 4),
      },
      /^shard-tensor-missing: .*1\.safetensors has no tensor "a"/,
    ],
    [
      "too many shards",
      {
        "model.safetensors.index.json": index(
          Object.fromEntries(Array.from({ length: 600 }, (_, n) => [n, `${n}.safetensors`])),
        ),
      },
      /^weights-index: .*600 files, expected at most 512/,
    ],
    [
      "two names for one tensor",
      { "model.safetensors": safetensorsBytes({ "wte.weight": f32(1, 0), "transformer.wte.weight": f32(1, 4) }, 8) },
      /^tensor-name-collision/,
    ],
    ["an empty weights file", { "model.safetensors": "" }, /^safetensors-truncated/],
  ])("refuses %s", async (_, files, message) => {
    for (const [name, content] of Object.entries(files)) await put(name, content);
    expect(await refusal()).toMatch(message);
  });

  it("refuses a folder without config.json, and a folder where a file should be", async () => {
    await rm(join(folder, "config.json"));
    expect(await refusal()).toMatch(/^config-missing: .* has no config\.json/);
    await mkdir(join(folder, "config.json"));
    expect(await refusal()).toMatch(/^file-unreadable: .*config\.json is not a file/);
  });

  it("notices that a file became shorter while it was open", async () => {
    await put("model.safetensors", safetensorsBytes({ a: f32(2, 0) }, 8));
    const model = await openHuggingFace(folder);
    const bytes = await readFile(join(folder, "model.safetensors"));
    await put("model.safetensors", bytes.subarray(0, bytes.length - 3));
    await expect(model.read(model.tensors.get("a")!, 0, 8)).rejects.toMatchObject({ code: "truncated", kind: "input" });
    await model.close();
  });
});

describe("vocabulary of a folder", () => {
  beforeEach(() => put("model.safetensors", safetensorsBytes({})));
  const vocabulary = async () => {
    const model = await openHuggingFace(folder);
    await model.close();
    return model.vocabulary();
  };

  it("joins the files that describe it", async () => {
    await put("tokenizer.json", '{"version": "1.0"}');
    expect(await vocabulary()).toEqual({
      kind: "huggingface",
      tokenizer: { version: "1.0" },
      config: { eos_token_id: 2 },
    });
    await put("tokenizer_config.json", '{"eos_token": "</s>", "chat_template": "old"}');
    await put("generation_config.json", '{"eos_token_id": [3, 4]}');
    await put("chat_template.jinja", "{{ messages }}");
    expect(await vocabulary()).toEqual({
      kind: "huggingface",
      tokenizer: { version: "1.0" },
      config: { eos_token: "</s>", chat_template: "{{ messages }}", eos_token_id: [3, 4] },
    });
  });

  it("is llama2.c's where only that is there, else absent", async () => {
    expect(await vocabulary()).toBeUndefined();
    await put("tokenizer.bin", new Uint8Array([1, 2]));
    expect(await vocabulary()).toMatchObject({ kind: "llama2.c", vocabSize: 7 });
  });

  it("says where tokenizer.json is broken", async () => {
    await put("tokenizer.json", '{"model": {"vocab": [1, 2}}');
    await expect(vocabulary()).rejects.toThrow(/tokenizer\.json: expected "," or "]", got "}", at line 1, column 26/);
    await put("tokenizer.json", "[]");
    await expect(vocabulary()).rejects.toMatchObject({ code: "json", kind: "input" });
  });
});
