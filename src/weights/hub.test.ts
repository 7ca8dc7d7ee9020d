import { lstat, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Progress } from "../progress.ts";
import { type FakeHub, startFakeHub } from "./hub.testing.ts";
import { fetchFromHub } from "./hub.ts";
import { parseHubName } from "./hub-name.ts";
import { openHuggingFace } from "./huggingface.ts";
import { entry, safetensorsBytes } from "./safetensors.testing.ts";

const weights = safetensorsBytes({ a: entry("F32", [50_000], 0, 200_000) }, 200_000);
const model = {
  "config.json": '{"model_type": "llama"}',
  "tokenizer.json": `{"filler": "${"x".repeat(3000)}"}`,
  "model.safetensors": weights,
  "README.md": "not fetched",
  "onnx/model.onnx": "not fetched",
};

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

async function start(files: Record<string, string | Uint8Array> = model): Promise<void> {
  hub = await startFakeHub("org/name", files);
  vi.stubEnv("HF_ENDPOINT", hub.url);
}

const root = () => join(cache, "models--org--name");
const fileRequests = () => hub.requests.filter((request) => request.includes("/storage/"));

/** Leaves the first bytes of the weights as an earlier run would. */
async function leaveIncomplete(bytes: Uint8Array): Promise<string> {
  await fetchFromHub("hf:org/name");
  const blob = join(
    root(),
    "blobs",
    (await readlink(join(root(), "snapshots", hub.commit, "model.safetensors"))).split("/").pop()!,
  );
  await rm(blob);
  await writeFile(`${blob}.incomplete`, bytes);
  hub.requests.length = 0;
  return blob;
}

describe("fetchFromHub", () => {
  it("fetches what a model needs into the layout of the Python library", async () => {
    await start();
    const seen: Progress[] = [];
    const folder = await fetchFromHub("hf:org/name", { onProgress: (progress) => seen.push(progress) });
    expect(folder).toBe(join(root(), "snapshots", hub.commit));
    expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(await readFile(join(root(), "refs", "main"), "utf8")).toBe(hub.commit);
    expect(await readdir(join(root(), ".no_exist", hub.commit))).toContain("chat_template.jinja");
    const link = await readlink(join(folder, "model.safetensors"));
    expect(link).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/);
    expect(await readlink(join(folder, "config.json"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
    expect(await readdir(join(root(), "blobs"))).toHaveLength(3);
    expect(seen.at(-1)).toMatchObject({ label: "downloading org/name", unit: "bytes" });
    expect(seen.at(-1)?.done).toBe(seen.at(-1)?.total);
    const opened = await openHuggingFace(folder);
    expect([...opened.tensors.keys()]).toEqual(["a"]);
    await opened.close();
  });

  it("asks nobody for what it has, by branch or by commit", async () => {
    await start();
    const folder = await fetchFromHub("hf:org/name");
    await hub.close();
    expect(await fetchFromHub("hf:org/name")).toBe(folder);
    expect(await fetchFromHub(`hf:org/name@${hub.commit}`)).toBe(folder);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await fetchFromHub("hf:org/name/model.safetensors")).toBe(folder);
  });

  it("fetches what a cache that Python filled lacks, and does without it where there is no network", async () => {
    await start();
    const folder = await fetchFromHub("hf:org/name");
    await rm(join(folder, "tokenizer.json"));
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await fetchFromHub("hf:org/name")).toBe(folder);
    vi.stubEnv("HF_HUB_OFFLINE", "0");
    hub.requests.length = 0;
    await fetchFromHub("hf:org/name");
    expect(await readdir(folder)).toContain("tokenizer.json");
    expect(fileRequests()).toEqual([]); // its blob is still there
  });

  it("fetches shards, and knows when one is missing", async () => {
    const shard = safetensorsBytes({ a: entry("F32", [2], 0, 8) }, 8);
    const index = JSON.stringify({ weight_map: { a: "model-00001-of-00001.safetensors" } });
    await start({
      "config.json": "{}",
      "model.safetensors.index.json": index,
      "model-00001-of-00001.safetensors": shard,
    });
    const folder = await fetchFromHub("hf:org/name");
    const opened = await openHuggingFace(folder);
    expect([...opened.tensors.keys()]).toEqual(["a"]);
    await opened.close();
    await rm(join(folder, "model-00001-of-00001.safetensors"));
    hub.requests.length = 0;
    await fetchFromHub("hf:org/name");
    expect(hub.requests.length).toBeGreaterThan(0);
    expect(await readdir(folder)).toContain("model-00001-of-00001.safetensors");
  });

  it("fetches one file, also from a folder, and the tokenizer beside a llama2.c model", async () => {
    await start({ "q/m.gguf": "GGUF", "q/other.gguf": "GGUF", "s/m.bin": "weights", "s/tok512.bin": "tokens" });
    expect(await fetchFromHub("hf:org/name/q/m.gguf@main")).toBe(join(root(), "snapshots", hub.commit, "q/m.gguf"));
    await fetchFromHub("hf:org/name/s/m.bin");
    expect((await readdir(join(root(), "snapshots", hub.commit), { recursive: true })).sort()).toEqual([
      "q",
      "q/m.gguf",
      "s",
      "s/m.bin",
      "s/tok512.bin",
    ]);
    expect(await readlink(join(root(), "snapshots", hub.commit, "q/m.gguf"))).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\//);
    await hub.close();
    expect(await fetchFromHub("hf:org/name/q/m.gguf")).toMatch(/m\.gguf$/);
  });

  it("sends HF_TOKEN to the hub, of any shape, and not to the storage behind it", async () => {
    await start();
    hub.fault = { token: "secret of a mirror" };
    await expect(fetchFromHub("hf:org/name")).rejects.toMatchObject({ code: "hub-not-found" });
    vi.stubEnv("HF_TOKEN", "secret of a mirror");
    await fetchFromHub("hf:org/name");
    expect(fileRequests()).not.toEqual([]);
    expect(hub.leaks).toEqual([]);
  });
});

describe("a download that is cut", () => {
  it("continues in the same run with a Range request", async () => {
    await start();
    hub.fault = { cutAfter: 70_000, cuts: 2 };
    const folder = await fetchFromHub("hf:org/name");
    expect((await readFile(join(folder, "model.safetensors"))).equals(weights)).toBe(true);
    const begins = fileRequests()
      .filter((request) => request.includes("model.safetensors"))
      .map((request) => Number(/bytes=(\d+)-/.exec(request)?.[1]));
    expect(begins).toHaveLength(3);
    expect(begins[0]).toBe(0);
    expect(begins[1]).toBeGreaterThan(0);
    expect(begins[2]).toBeGreaterThan(begins[1]!);
  });

  it("stops when nothing comes any more, says where, and continues in the next run", async () => {
    await start();
    const blob = await leaveIncomplete(weights.subarray(0, 150_000));
    hub.fault = { cutAfter: 0, cuts: 99 };
    const failing = fetchFromHub("hf:org/name");
    await expect(failing).rejects.toMatchObject({
      kind: "failure",
      code: "hub-interrupted",
      help: expect.stringMatching(/continues/),
    });
    await expect(failing).rejects.toThrow(`stopped at 150000 of ${weights.length} bytes`);
    expect((await stat(`${blob}.incomplete`)).size).toBe(150_000);
    hub.fault = {};
    hub.requests.length = 0;
    await fetchFromHub("hf:org/name");
    expect(fileRequests()).toEqual(["GET /storage/model.safetensors bytes=150000-"]);
    expect((await readFile(blob)).equals(weights)).toBe(true);
    expect((await readdir(join(root(), "blobs"))).filter((name) => name.endsWith(".incomplete"))).toEqual([]);
  });

  it("is aborted at once, keeps what came, and continues in the next run", async () => {
    await start();
    const controller = new AbortController();
    const aborted = fetchFromHub("hf:org/name", {
      signal: controller.signal,
      onProgress: ({ done }) => done > 20_000 && controller.abort(),
    });
    await expect(aborted).rejects.toMatchObject({ kind: "failure", code: "interrupted" });
    await expect(readFile(join(root(), "refs", "main"))).rejects.toThrow();
    hub.requests.length = 0;
    await fetchFromHub("hf:org/name");
    expect(fileRequests().at(-1)).toMatch(/model\.safetensors bytes=[1-9]\d*-$/);
  });

  it("starts again where the server knows no ranges", async () => {
    await start();
    const blob = await leaveIncomplete(weights.subarray(0, 150_000));
    hub.fault = { noRanges: true };
    await fetchFromHub("hf:org/name");
    expect((await readFile(blob)).equals(weights)).toBe(true);
  });

  it.each([
    ["has other bytes", () => new Uint8Array(150_000)],
    ["is too long", () => new Uint8Array(weights.length + 1)],
    ["is complete but wrong", () => new Uint8Array(weights.length)],
  ])("starts again where the beginning %s", async (_, bytes) => {
    await start();
    const blob = await leaveIncomplete(bytes());
    await fetchFromHub("hf:org/name");
    expect((await readFile(blob)).equals(weights)).toBe(true);
    expect(fileRequests().at(-1)).toMatch(/bytes=0-$/);
  });

  it("takes a complete .incomplete file as it is", async () => {
    await start();
    await leaveIncomplete(weights);
    await fetchFromHub("hf:org/name");
    expect(fileRequests()).toEqual([]);
  });
});

describe("what the hub refuses", () => {
  const refusal = (name = "hf:org/name") =>
    fetchFromHub(name).then(
      () => "",
      (error) => `${error.kind} ${error.code}: ${error.message} ${error.help ?? ""}`,
    );

  it.each([
    [{ status: 404, errorCode: "RepoNotFound" }, /^input hub-not-found: There is no model http.*org\/name .*HTTP 404/],
    [{ status: 401 }, /^input hub-not-found: .*HTTP 401.* set HF_TOKEN/],
    [{ status: 403, errorCode: "GatedRepo" }, /^input hub-gated: .*Accept its conditions/],
    [{ status: 503 }, /^failure hub-error: .*HTTP 503/],
  ])("explains %j", async (fault, message) => {
    await start();
    hub.fault = fault;
    expect(await refusal()).toMatch(message);
  });

  it("explains a revision, a file and a folder that are not there", async () => {
    await start({ ...model, "m.gguf": "GGUF" });
    expect(await refusal("hf:org/name@v9")).toMatch(/^input hub-revision: .*org\/name has no such revision/);
    expect(await refusal("hf:org/name/n.gguf")).toMatch(
      /^input hub-file-missing: .* has no file n\.gguf It has m\.gguf/,
    );
    expect(await refusal("hf:org/name/nowhere")).toMatch(/^input hub-file-missing: .* no such file or folder/);
    expect(await refusal("hf:org/other")).toMatch(/^input hub-not-found/);
  });

  it("explains a repository without weights", async () => {
    await start({ "config.json": "{}", "a.gguf": "GGUF" });
    expect(await refusal()).toMatch(/^input hub-no-weights: .*Name one of its GGUF files: hf:org\/name\/a\.gguf/);
    await hub.close();
    await start({ "config.json": "{}", "pytorch_model.bin": "PK" });
    expect(await refusal()).toMatch(/^input hub-no-weights: .*PyTorch pickles only/);
  });

  it("explains a network that is not there", async () => {
    await start();
    await hub.close();
    expect(await refusal()).toMatch(/^failure hub-unreachable: Cannot reach http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED/);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect(await refusal()).toMatch(/^failure hub-unreachable: .*HF_HUB_OFFLINE is set/);
  });

  it("does not keep a file whose contents are not what was promised", async () => {
    await start();
    hub.fault = { damage: true };
    expect(await refusal()).toMatch(
      /^failure hub-checksum: .*arrived damaged: expected [0-9a-f]{40}, got [0-9a-f]{40}/,
    );
    expect(await readdir(join(root(), "blobs"))).toEqual([]);
    await expect(lstat(join(root(), "refs"))).rejects.toThrow();
  });

  it("refuses an index whose shards lie elsewhere", async () => {
    const index = JSON.stringify({ weight_map: { a: "../../../x.safetensors" } });
    await start({ "config.json": "{}", "model.safetensors.index.json": index });
    expect(await refusal()).toMatch(/^input weights-index: .*expected the plain name/);
  });
});

describe("parseHubName", () => {
  it.each([
    ["hf:org/name", { repository: "org/name", revision: "main" }],
    ["hf:org/name/", { repository: "org/name", revision: "main" }],
    ["hf:org/na.me-1_B@refs/pr/1", { repository: "org/na.me-1_B", revision: "refs/pr/1" }],
    ["hf:org/name/a/b-Q4_0.gguf@v1.0", { repository: "org/name", path: "a/b-Q4_0.gguf", revision: "v1.0" }],
    ["hf:org/name/a/model.safetensors", { repository: "org/name", path: "a", revision: "main" }],
  ])("reads %s", (text, name) => {
    expect(parseHubName(text)).toEqual(name);
  });

  it.each([
    "hf:",
    "hf:gpt2",
    "hf:org/",
    "hf:../name",
    "hf:org/name/../x.gguf",
    "hf:org/name//x.gguf",
    "hf:org/name/a\\b.gguf",
    "hf:org/name/C:/x.gguf",
    "hf:org/name@",
    "hf:org/name@../../x",
    "hf:org/name@/x",
  ])("refuses %s", (text) => {
    expect(() => parseHubName(text)).toThrow(expect.objectContaining({ code: "hub-name", kind: "input" }));
  });
});
