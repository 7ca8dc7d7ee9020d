import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Checkpoint } from "./checkpoint.ts";
import { type FakeHub, startFakeHub } from "./hub.testing.ts";
import { fetchFromHub } from "./hub.ts";
import { openHubHeader } from "./hub-header.ts";
import { openCheckpoint } from "./open.ts";
import { entry, safetensorsBytes } from "./safetensors.testing.ts";

/** Larger than what the first request asks for. */
const floats = 1_000_000;
const weights = safetensorsBytes({ a: entry("F32", [floats], 0, 4 * floats) }, 4 * floats);
const config = '{"model_type": "llama"}';
const fixture = (name: string) => readFile(join(import.meta.dirname, "../../test/fixtures", name));

let cache: string;
let hub: FakeHub;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "refrain-hub-"));
  vi.stubEnv("HF_HUB_CACHE", cache);
  vi.stubEnv("HF_TOKEN", undefined);
  vi.stubEnv("HF_HUB_OFFLINE", undefined);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await hub.close();
  await rm(cache, { recursive: true });
});

async function start(files: Record<string, string | Uint8Array>): Promise<void> {
  hub = await startFakeHub("org/name", files);
  vi.stubEnv("HF_ENDPOINT", hub.url);
}

async function opened(name: string): Promise<Checkpoint> {
  const checkpoint = await openHubHeader(name);
  expect(checkpoint).toBeDefined();
  return checkpoint!;
}

/** What was asked of the server that keeps large files. */
const ranges = () => hub.requests.filter((request) => request.includes("/storage/"));
const cached = (file: string) => existsSync(join(cache, "models--org--name", "snapshots", hub.commit, file));

describe("openHubHeader", () => {
  it("reads the header of safetensors where it is, and keeps only the config", async () => {
    await start({ "config.json": config, "model.safetensors": weights, "tokenizer.json": "{}" });
    const checkpoint = await opened("hf:org/name");
    expect(checkpoint.config).toEqual({ model_type: "llama" });
    const tensor = checkpoint.tensors.get("a")!;
    expect(tensor).toMatchObject({ type: "F32", shape: [floats] });
    expect(ranges()).toEqual(["GET /storage/model.safetensors bytes=0-1048575"]);
    expect([cached("config.json"), cached("model.safetensors")]).toEqual([true, false]);
    // Tensors can be read all the same, if a config is kept in one.
    const end = 4 * floats;
    expect(await checkpoint.read(tensor, end - 4, end)).toEqual(weights.slice(-4));
    await checkpoint.close();
  });

  it("reads the headers of shards, in a folder of the repository too", async () => {
    const [first, second] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    await start({
      "sub/config.json": config,
      "sub/model.safetensors.index.json": JSON.stringify({ weight_map: { a: first, b: second } }),
      [`sub/${first}`]: weights,
      [`sub/${second}`]: safetensorsBytes({ b: entry("F32", [2], 0, 8) }, 8),
    });
    const checkpoint = await opened("hf:org/name/sub");
    expect([...checkpoint.tensors.keys()]).toEqual(["a", "b"]);
    expect(cached(`sub/${first}`)).toBe(false);
    await checkpoint.close();
  });

  it("reads the header of a GGUF file, as from a disk", async () => {
    await start({ "model.gguf": await fixture("gguf/qwen2.gguf") });
    const [remote, local] = [
      await opened("hf:org/name/model.gguf"),
      await openCheckpoint(join(import.meta.dirname, "../../test/fixtures/gguf/qwen2.gguf")),
    ];
    expect(remote.config).toEqual(local.config);
    expect([...remote.tensors]).toEqual([...local.tensors]);
    expect(cached("model.gguf")).toBe(false);
    await local.close();
  });

  it("takes the beginning of what a server sends that knows no ranges", async () => {
    await start({ "config.json": config, "model.safetensors": weights });
    hub.fault.noRanges = true;
    const checkpoint = await opened("hf:org/name");
    expect([...checkpoint.tensors.keys()]).toEqual(["a"]);
    const tensor = checkpoint.tensors.get("a")!;
    expect(await checkpoint.read(tensor, 3_000_000, 3_000_004)).toEqual(weights.slice(-1_000_000).slice(0, 4));
  });

  it("leaves to the cache what is in it, and to fetchFromHub what it cannot open", async () => {
    await start({ "config.json": config, "model.safetensors": weights, "stories.bin": "x", "pytorch_model.bin": "x" });
    expect(await openHubHeader("hf:org/name/stories.bin")).toBeUndefined();
    expect(await openHubHeader("hf:org/name/nothing.gguf")).toBeUndefined();
    await expect(openCheckpoint("hf:org/name/nothing.gguf", { headerOnly: true })).rejects.toMatchObject({
      code: "hub-file-missing",
    });
    await fetchFromHub("hf:org/name");
    hub.requests.length = 0;
    expect(await openHubHeader("hf:org/name")).toBeUndefined();
    const checkpoint = await openCheckpoint("hf:org/name", { headerOnly: true });
    expect([...checkpoint.tensors.keys()]).toEqual(["a"]);
    expect(hub.requests).toEqual([]);
    await checkpoint.close();
  });

  it("passes on what the hub refuses", async () => {
    await start({ "config.json": config, "model.safetensors": weights });
    hub.fault.status = 403;
    await expect(openHubHeader("hf:org/name")).rejects.toMatchObject({ code: "hub-gated" });
  });

  it("notices a connection that is cut", async () => {
    await start({ "config.json": config, "model.safetensors": weights });
    Object.assign(hub.fault, { cutAfter: 100, cuts: 1 });
    await expect(openHubHeader("hf:org/name")).rejects.toMatchObject({ code: "hub-unreachable" });
  });
});
